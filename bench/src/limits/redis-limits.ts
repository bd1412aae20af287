import { decodeSession, encodeSession, type RateAlgorithm, type Session } from '@postern/core/store'
import { redisStore } from '@postern/redis'
import { Redis } from 'ioredis'
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { startRedis } from '../ephemeral-redis.ts'
import { evenTrace, keyLimits, keyNames } from './key-limits.ts'
import { type Contestant, expectExact, type Limiter, type Limits, measure, type Totals } from './rounds.ts'
import { printResults } from '../table.ts'

const KEYS = 1_000

/** Decisions about a rate and a quota on a Redis of this machine, and what they cost the server. */
export async function benchRedis(quick: boolean): Promise<void> {
  const server = await startRedis()
  if (server === undefined) {
    console.error('\n!!! REDIS IS NOT MEASURED: no redis-server or valkey-server; run scripts/get-redis\n')
    return
  }
  const control = new Redis({ port: server.port })
  try {
    const on = (limiterOn: LimiterOn): Contestant['open'] => opener(server.port, control, limiterOn)
    const flexible: Contestant = { name: 'rate-limiter-flexible', open: on(oneAfterTheOther) }
    const contestants: readonly Contestant[] = [
      flexible,
      { name: 'rate-limiter-flexible, both at once', open: on(bothAtOnce) },
      { name: 'rate-limiter-flexible, and a session', open: on(afterSession) },
      { name: 'postern, sliding-window', open: on(postern('sliding-window')) },
      { name: 'postern, fixed-window', open: on(postern('fixed-window')) },
      { name: 'postern, gcra', open: on(postern('gcra')) },
      { name: 'postern, sliding-window and a session', open: on(posternSession) },
    ]
    await expectExact(contestants, 1)
    await expectExact(contestants, 100)
    const limits: Limits = { rate: 1e6, perSeconds: 3600, quota: 1e8, renewalSeconds: 86_400 }
    for (const [inFlight, requests] of [
      [1, 5_000],
      [10, 20_000],
      [100, 40_000],
    ] as const) {
      const trace = evenTrace(quick ? requests / 10 : requests, KEYS)
      const name = `Redis, ${KEYS.toLocaleString('en')} keys, ${inFlight} in flight`
      // Everybody's session is known to the process before the clock starts.
      const warmUp = Uint32Array.from({ length: KEYS }, (_, i) => i)
      const workload = { name, limits, keys: KEYS, trace, warmUp, inFlight, rounds: quick ? 3 : 7 }
      const results = await measure(workload, contestants, flexible, () => totalsOf(control))
      printResults(workload, results, flexible.name)
    }
  } finally {
    control.disconnect()
    await server.stop()
  }
}

type LimiterOn = (client: Redis, limits: Limits, keys: number) => Limiter | Promise<Limiter>

/** Everybody gets the same client settings, and an empty server. */
function opener(port: number, control: Redis, limiterOn: LimiterOn): Contestant['open'] {
  return async (limits, keys) => {
    await control.flushdb()
    const client = new Redis({ port, enableAutoPipelining: true })
    await client.ping()
    const { decide, close } = await limiterOn(client, limits, keys)
    return {
      decide,
      async close() {
        await close()
        client.disconnect()
      },
    }
  }
}

/** A machine that is busy must not end the bench. */
const PATIENT = { commandTimeoutMs: 5_000 }

function postern(algorithm: RateAlgorithm): LimiterOn {
  return (client, limits, keys) => {
    const store = redisStore({ client, ...PATIENT })
    const charges = keyLimits(algorithm, limits, keys)
    return {
      async decide(key) {
        const taken = await store.take(charges[key]!)
        return taken !== 'changed' && taken.refusedBy === -1
      },
      close: () => store.close(),
    }
  }
}

const posternSession: LimiterOn = async (client, limits, keys) => {
  const store = redisStore({ client, ...PATIENT })
  const charges = keyLimits('sliding-window', limits, keys)
  const ids = keyNames(keys)
  await Promise.all(ids.map(async (id) => store.save(id, SESSION, Infinity, 'absent')))
  return {
    async decide(key) {
      const id = ids[key]!
      const stored = await store.load(id, 'copy')
      if (stored === undefined) throw new Error(`the session ${id} is gone`)
      const taken = await store.take(charges[key]!, { id, revision: stored.revision })
      if (taken === 'changed') throw new Error(`the session ${id} changed`)
      return taken.refusedBy === -1
    },
    close: () => store.close(),
  }
}

const SESSION: Session = decodeSession(
  JSON.stringify({
    alias: 'Ann',
    rate: 1_000,
    per: 60,
    quota_max: 100_000,
    quota_renewal_rate: 86_400,
    access_rights: { orders: { api_id: 'orders', api_name: 'orders', versions: ['Default'] } },
    tags: ['bench'],
    meta_data: { tier: 'gold' },
  }),
)

function flexiblePair(client: Redis, { rate, perSeconds, quota, renewalSeconds }: Limits) {
  return {
    rate: new RateLimiterRedis({ storeClient: client, keyPrefix: 'rate', points: rate, duration: perSeconds }),
    quota: new RateLimiterRedis({ storeClient: client, keyPrefix: 'quota', points: quota, duration: renewalSeconds }),
  }
}

/** The quota is not asked for what the rate refuses. */
const oneAfterTheOther: LimiterOn = (client, limits, keys) => {
  const { rate, quota } = flexiblePair(client, limits)
  const names = keyNames(keys)
  return {
    decide: (key) =>
      passes(async () => {
        await rate.consume(names[key]!)
        await quota.consume(names[key]!)
      }),
    close: () => undefined,
  }
}

/** Faster, but what the rate refuses uses up the quota. */
const bothAtOnce: LimiterOn = (client, limits, keys) => {
  const { rate, quota } = flexiblePair(client, limits)
  const names = keyNames(keys)
  return {
    decide: (key) => passes(() => Promise.all([rate.consume(names[key]!), quota.consume(names[key]!)])),
    close: () => undefined,
  }
}

const afterSession: LimiterOn = async (client, limits, keys) => {
  const { decide, close } = await oneAfterTheOther(client, limits, keys)
  const names = keyNames(keys).map((id) => `session:${id}`)
  const document = encodeSession(SESSION)
  await Promise.all(names.map((name) => client.set(name, document)))
  return {
    async decide(key) {
      const text = await client.get(names[key]!)
      if (text === null || JSON.parse(text) === null) throw new Error(`the session ${names[key]} is gone`)
      return decide(key)
    },
    close,
  }
}

async function passes(consume: () => Promise<unknown>): Promise<boolean> {
  try {
    await consume()
    return true
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return false
    throw refusal
  }
}

/** What the server counted. It reads a socket once for each round trip, unless several requests arrive together. */
async function totalsOf(control: Redis): Promise<Totals> {
  const info = await control.info('all')
  const field = (pattern: RegExp): number => Number(pattern.exec(info)?.[1] ?? 0)
  asked += 1
  return {
    'server reads': field(/^total_reads_processed:(\d+)/m) - asked,
    scripts: field(/^cmdstat_evalsha:calls=(\d+)/m),
    'server CPU µs': (field(/^used_cpu_user:([\d.]+)/m) + field(/^used_cpu_sys:([\d.]+)/m)) * 1e6,
  }
}

/** The question itself is not the contestants'. */
let asked = 0
