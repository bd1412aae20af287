import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiDefinitionInput, KeyInput } from '@postern/core'
import type { RedisStoreOptions } from '@postern/redis'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { signalled } from '../support/promises.ts'
import { startRedis } from '../support/redis-server.ts'
import { type Answer, drive, type Load, machineTime } from './drive.ts'
import { ask, charge, cluster, newId, noServer, single } from './harness.ts'
import { startWorkers, type Worker, type Workers } from './workers.ts'

const PREFIX = `processes-${newId()}`

/** Thousands at once wait for one another: that is no failing server. */
const PATIENT = { commandTimeoutMs: 8000, prefix: PREFIX }

const stores: [where: string, store: RedisStoreOptions][] = [
  ['one server', { ...single, ...PATIENT }],
  ['a cluster', { ...cluster, ...PATIENT }],
]

let workers: Workers
/** Four processes; of two the clocks are wrong. */
let all: readonly Worker[]
const SHIFTS = [0, 0, 5000, -5000]

beforeAll(async () => {
  if (noServer) return
  workers = await startWorkers()
  all = await Promise.all(SHIFTS.map((shiftMs) => workers.start(shiftMs)))
}, 30_000)
// Not after each: some run at the same time.
afterAll(async () => {
  if (!noServer) await workers.stop()
  await closeAll()
})

const API = { name: 'orders', authentication: { token: true } }

interface Gateways {
  readonly name: string
  readonly ports: readonly number[]
}

/** The same gateway in several processes. */
async function open(
  through: readonly Worker[],
  store: RedisStoreOptions,
  definition: ApiDefinitionInput = API,
): Promise<Gateways> {
  const name = newId()
  const opened = await Promise.all(through.map((worker) => worker.do('open', { name, store, definition })))
  return { name, ports: opened.map(({ port }) => port) }
}

/** The same load in every process, each on its own gateway; what became of all requests. */
async function driven(through: readonly Worker[], name: string, load: Load): Promise<readonly Answer[]> {
  const answers = await Promise.all(through.map((worker) => worker.do('drive', { name, load })))
  return answers.flat()
}

async function keyFor(worker: Worker, name: string, session: KeyInput): Promise<string> {
  const { key } = await worker.do('create', { name, session })
  return key
}

function counted(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

const passedOf = (answers: readonly Answer[]): Answer[] => answers.filter(({ status }) => status === 200)

describe.skipIf(noServer).each(stores)('a quota on %s', (_, store) => {
  const DECISIONS = 10_000

  it.each([1, 2, 4])(
    'lets exactly as many pass as it says, in %i processes',
    { timeout: 30_000 },
    async (processes) => {
      const through = all.slice(0, processes)
      const { name } = await open(through, store)
      const passed: number[] = []
      for (const max of [1, 1000, 9999]) {
        const charges = [charge({ subject: newId(), kind: 'quota', max, periodMs: 3_600_000 })]
        const times = DECISIONS / processes
        const each = await Promise.all(through.map((worker) => worker.do('take', { name, charges, times })))
        passed.push(each.reduce((sum, one) => sum + one, 0))
      }
      expect(passed).toEqual([1, 1000, 9999])
    },
  )
})

describe.skipIf(noServer)('of 10,000 requests at once', () => {
  const REQUESTS = 10_000

  it.each([
    [1, 1, ...stores[0]!],
    [9999, 2, ...stores[0]!],
    [1000, 4, ...stores[0]!],
    [1000, 4, ...stores[1]!],
  ] as const)(
    'exactly the quota of %i passes through the gateways of %i processes, on %s',
    { timeout: 30_000 },
    async (quotaMax, processes, _, store) => {
      const through = all.slice(0, processes)
      const { name } = await open(through, store)
      const key = await keyFor(through[0]!, name, { quotaMax, quotaRenewalRate: 3600 })
      const answers = await driven(through, name, { path: '/', key, requests: REQUESTS / processes })
      expect(counted(answers)).toEqual({ 200: quotaMax, 403: REQUESTS - quotaMax })
      // Each request that passed was told another number.
      const left = passedOf(answers).map((answer) => answer.left['quota']!)
      expect(left.toSorted((a, b) => a - b)).toEqual(Array.from({ length: quotaMax }, (_value, i) => i))
    },
  )
})

describe.skipIf(noServer)('while clocks of processes are 5 s fast and slow', () => {
  it('those clocks are wrong indeed', async () => {
    for (const [i, shiftMs] of SHIFTS.entries()) {
      const before = Date.now()
      const clocks = await all[i]!.do('now', undefined)
      const after = Date.now()
      for (const clock of clocks) {
        expect(clock).toBeGreaterThanOrEqual(before + shiftMs)
        expect(clock).toBeLessThanOrEqual(after + shiftMs)
      }
    }
  })

  const LONG = { timeout: 30_000 }

  // All at the same time: they mostly wait for it to pass.
  it.concurrent.each(stores)(
    'never more than the rate pass in any window on %s, and as many as may',
    LONG,
    async (_, store) => {
      const [rate, per] = [100, 0.5]
      const { name } = await open(all, store)
      const key = await keyFor(all[0]!, name, { rate, per })
      // Twice the rate: for two windows, and then in bursts of one window that begin now here, now there in the last one.
      const answers = [...(await driven(all, name, { path: '/', key, requests: { perSecond: rate, ms: 1000 } }))]
      for (let i = 0; i < 3; i += 1) {
        await sleep(250)
        answers.push(...(await driven(all, name, { path: '/', key, requests: { perSecond: rate, ms: 500 } })))
      }
      expect(Object.keys(counted(answers))).toEqual(['200', '429'])
      const passed = passedOf(answers)
      expect(mostWithin(passed, per * 1000)).toBeLessThanOrEqual(rate)
      expect(refusedInVain(answers, rate, per * 1000)).toEqual([])
    },
  )

  it.concurrent.each(stores)('exactly the quota passes in each of its periods on %s', LONG, async (_, store) => {
    const [quotaMax, quotaRenewalRate] = [100, 1]
    const { name } = await open(all, store)
    const key = await keyFor(all[0]!, name, { quotaMax, quotaRenewalRate })
    const answers = await driven(all, name, { path: '/', key, requests: { perSecond: 50, ms: 3200 } })
    expect(Object.keys(counted(answers))).toEqual(['200', '403'])
    // Each request that passed was told what it left. In one period no number is told twice: the first is told once for
    // each period, and no other more often.
    const passed = passedOf(answers)
    const told = (left: number): Answer[] => passed.filter((answer) => answer.left['quota'] === left)
    const periods = told(quotaMax - 1).toSorted((a, b) => a.sent - b.sent)
    for (let left = 0; left < quotaMax; left += 1) expect(told(left).length).toBeLessThanOrEqual(periods.length)
    // A period begins with the first request counted in it, and the next one not before it is over.
    for (const [i, { answered }] of periods.slice(1).entries())
      expect(answered - periods[i]!.sent).toBeGreaterThanOrEqual(quotaRenewalRate * 1000 - TOLERANCE_MS)
    // Where the whole quota was asked for between the first request of a period and that of the next, it was used up.
    const asked = periods.slice(1).map((next, i) => {
      const { answered: start } = periods[i]!
      return 1 + answers.filter(({ sent, answered }) => sent > start && answered < next.sent).length
    })
    expect(told(0).length).toBeGreaterThanOrEqual(asked.filter((count) => count >= quotaMax).length)
    expect(asked.length).toBeGreaterThanOrEqual(2)
  })
})

/** Redis counts by the time of day, which may be slewed against the clock this is measured by: 0.05 % of a second, rounded up. */
const TOLERANCE_MS = 2

/**
 * The most requests that certainly passed within one window. A request was counted after it was sent and before it was
 * answered: what was sent and answered within a window was counted within it. Nothing else is claimed, so that no
 * delay can make this too large.
 */
function mostWithin(passed: readonly Answer[], windowMs: number): number {
  const inside = (start: number): number =>
    passed.filter(({ sent, answered }) => sent >= start && answered < start + windowMs - TOLERANCE_MS).length
  return Math.max(...passed.map(({ sent }) => inside(sent)))
}

/**
 * The requests that were refused although there was room for certain: fewer than `rate` others can have been counted in
 * the window that ended with them. Where there are none, a demand of twice the rate is let pass to the last request.
 */
function refusedInVain(answers: readonly Answer[], rate: number, windowMs: number): readonly Answer[] {
  const passed = passedOf(answers)
  return answers.filter(({ status, sent, answered }) => {
    const before = passed.filter((other) => other.sent < answered && other.answered > sent - windowMs - TOLERANCE_MS)
    return status !== 200 && before.length < rate
  })
}

describe.skipIf(noServer)('a process that is killed in mid-run', () => {
  it('leaves the others exact, and no counter that never ends', { timeout: 30_000 }, async () => {
    const quotaMax = 1000
    const prefix = `${PREFIX}-killed`
    const victim = await workers.start()
    const through = [victim, ...all.slice(0, 3)]
    const { name, ports } = await open(
      through,
      { ...single, ...PATIENT, prefix },
      { ...API, limits: { rate: 100_000, per: 2, endpoints: { 'GET /fixed': { rate: 9, per: 3 } } } },
    )
    const key = await keyFor(victim, name, { rate: 50_000, per: 1.5, quotaMax, quotaRenewalRate: 60 })
    const load: Load = { path: '/', key, requests: { perSecond: 500, ms: 800 } }
    const inMidRun = signalled()
    const onAnswer = (answers: number): void => {
      if (answers === 20) inMidRun.signal()
    }
    const driving = Promise.all(ports.map((port, i) => drive(port, i === 0 ? { ...load, onAnswer } : load)))
    await inMidRun.promise
    await victim.kill()
    const [ofVictim = [], ...ofOthers] = await driving
    const answers = [...ofVictim, ...ofOthers.flat()]
    expect(Object.keys(counted(ofOthers.flat()))).toEqual(['200', '403'])
    // Nobody was told a number twice; of what was left when the victim died, all was used.
    const told = passedOf(answers).map(({ left }) => left['quota']!)
    expect(new Set(told).size).toBe(told.length)
    const lost = ofVictim.filter(({ status }) => status === 0).length
    expect(passedOf(ofVictim).length).toBeGreaterThan(0)
    expect(told.length).toBeLessThanOrEqual(quotaMax)
    expect(told.length).toBeGreaterThanOrEqual(quotaMax - lost)
    expect(counted(await drive(ports[1]!, { path: '/fixed', key, requests: 5 }))).toEqual({ 403: 5 })

    const client = new Redis(single.options!)
    closeLater(() => client.disconnect())
    const ends: [string, number][] = []
    for await (const names of client.scanStream({ match: `${prefix}:*`, count: 1000 }))
      for (const each of names as string[]) ends.push([each.replace(/\{.*\}/, '{}'), await client.pttl(each)])
    // The session of the key, and the counters of key, quota and API.
    expect(ends.map(([each]) => each).toSorted()).toEqual(
      [`${prefix}:{}:q:60000::`, `${prefix}:{}:r:1500::`, `${prefix}:{}:r:2000::`, `${prefix}:{}:s`].toSorted(),
    )
    for (const [each, ttl] of ends) expect([each, ttl > 0]).toEqual([each, !each.endsWith(':s')])
  })
})

describe.skipIf(noServer)('a key that is taken away in one process', () => {
  const ways = ['revoke', 'delete'] as const

  describe.each(stores)('on %s', (_, store) => {
    it.each(ways)('is refused by another on the very next request: %s', async (way) => {
      const [here, there] = [all[2]!, all[3]!]
      const { name, ports } = await open([here, there], store)
      for (let i = 0; i < 10; i += 1) {
        const key = await keyFor(here, name, i % 2 === 0 ? {} : { rate: 1000, per: 60, quotaMax: 1000 })
        const one: Load = { path: '/', key, requests: 1, connections: 1 }
        expect(counted(await drive(ports[1]!, one))).toEqual({ 200: 1 })
        await here.do(way, { name, key })
        expect(counted(await drive(ports[1]!, one))).toEqual({ 403: 1 })
      }
    })

    it.concurrent.each(ways)('is refused by another under load from then on: %s', async (way) => {
      const [here, there] = [all[0]!, all[1]!]
      const { name, ports } = await open([here, there], store)
      const key = await keyFor(here, name, { quotaMax: 10_000 })
      const driving = drive(ports[1]!, { path: '/', key, requests: { perSecond: 500, ms: 500 } })
      await sleep(250)
      await here.do(way, { name, key })
      const gone = machineTime()
      const answers = await driving
      expect(Object.keys(counted(answers))).toEqual(['200', '403'])
      expect(passedOf(answers.filter(({ sent }) => sent >= gone))).toEqual([])
    })
  })
})

describe.skipIf(noServer)('a key that is taken away from a process that keeps copies', () => {
  const CACHE_MS = 1000
  const cases = (['revoke', 'delete'] as const).flatMap((way) =>
    ['hears of it', 'cannot hear of it'].map((hears) => [way, hears] as const),
  )

  it.concurrent.each(cases)('is refused within cacheMs: %s, while it %s', { timeout: 30_000 }, async (way, hears) => {
    const redis = await startRedis()
    closeLater(() => redis.stop())
    const store = { options: { host: '127.0.0.1', port: redis.port }, commandTimeoutMs: 8000 }
    const [here, there] = [all[0]!, all[1]!]
    const admin = await open([here], store)
    const { ports } = await open([there], { ...store, cacheMs: CACHE_MS })
    const key = await keyFor(here, admin.name, {})
    const load: Load = { path: '/', key, requests: { perSecond: 200, ms: 300 } }
    // Long enough to hear of changes, and to have a copy.
    expect(Object.keys(counted(await drive(ports[0]!, load)))).toEqual(['200'])
    await ask('CONFIG RESETSTAT', redis.port)
    const before = await drive(ports[0]!, load)
    expect(counted(before)).toEqual({ 200: before.length })
    // Copies are used: nobody was asked for most of these.
    expect(await commandsOf(redis.port)).toBeLessThan(before.length / 4)

    const driving = drive(ports[0]!, { path: '/', key, requests: { perSecond: 200, ms: CACHE_MS + 400 } })
    await sleep(100)
    if (hears === 'cannot hear of it') await ask('CLIENT KILL TYPE pubsub', redis.port)
    await here.do(way, { name: admin.name, key })
    const gone = machineTime()
    const answers = await driving
    expect(Object.keys(counted(answers))).toEqual(['200', '403'])
    expect(passedOf(answers.filter(({ sent }) => sent >= gone + CACHE_MS))).toEqual([])
    // Once it is refused it stays so.
    const first = answers.find(({ status }) => status === 403)!
    expect(passedOf(answers.filter(({ sent }) => sent >= first.answered))).toEqual([])
  })
})

describe.skipIf(noServer)('no process', () => {
  it('met an error nobody handled', async () => {
    const stumbles = await Promise.all(all.map((worker) => worker.do('stumbles', undefined)))
    expect(stumbles).toEqual(SHIFTS.map(() => []))
  })
})

/** How many commands a server was sent since its statistics were reset. */
async function commandsOf(port: number): Promise<number> {
  const client = new Redis(port, '127.0.0.1')
  const info = await client.info('stats')
  client.disconnect()
  return Number(/total_commands_processed:(\d+)/.exec(info)![1])
}
