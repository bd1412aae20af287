import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiDefinitionInput, type GatewayOptions, respond } from '@postern/core'
import { createGateway, type HttpGateway } from '@postern/http'
import { redisStore, type RedisStoreOptions } from '@postern/redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { type Reply, send } from '../support/client.ts'
import { redisCommand, type RedisServer, type RedisSettings, startRedis } from '../support/redis-server.ts'
import { listen } from '../support/server.ts'
import { slowWire } from '../support/slow-wire.ts'
import { drive } from './drive.ts'
import { ask, eventually, newId, noServer, unavailable } from './harness.ts'

// Tests run at the same time here: they mostly wait for servers and deadlines.
const TOGETHER = { concurrent: true, timeout: 30_000 }

const stumbles: unknown[] = []
const onStumble = (reason: unknown): void => void stumbles.push(reason)
beforeAll(() => {
  process.on('unhandledRejection', onStumble)
  process.on('uncaughtException', onStumble)
})
afterAll(async () => {
  await closeAll()
  process.off('unhandledRejection', onStumble)
  process.off('uncaughtException', onStumble)
})

async function server(settings?: RedisSettings): Promise<RedisServer> {
  const started = await startRedis(settings)
  closeLater(() => started.stop())
  return started
}

type Policy = NonNullable<GatewayOptions['onStoreError']>

const REVERSE = { sessions: 'pass', quota: 'pass', rateLimit: 'refuse' } as const satisfies Policy

const COMMAND_TIMEOUT_MS = 300
/** What a busy machine may add to it. */
const MARGIN_MS = 1500
/** Where a deadline is not what it is about, none may be missed because the machine is busy. */
const PATIENT_MS = 20_000

const APIS: readonly ApiDefinitionInput[] = [
  { name: 'orders', listenPath: '/orders/', authentication: { token: true } },
  { name: 'open', listenPath: '/open/', limits: { rate: 1000, per: 3600 } },
]

const SESSIONS = {
  /** Without limits: only the session is asked for. */
  plain: {},
  rated: { rate: 1000, per: 3600 },
  metered: { quotaMax: 1000, quotaRenewalRate: 3600 },
}

/** Who asks: keys of each kind, one of a keyless API, and a key nobody made. */
type Who = keyof typeof SESSIONS | 'open' | 'strange'
type Statuses = Readonly<Record<Who, number>>

interface Front {
  readonly gateway: HttpGateway
  readonly url: string
  readonly keys: Readonly<Record<Who, string>>
  readonly errors: Set<string>
  /** How often each has asked. */
  readonly asked: Record<Who, number>
  ask(who: Who): Promise<Reply>
  /** The answers to all of them at once, none of which may take longer than a deadline. */
  statuses(): Promise<Statuses>
}

/** A gateway whose process has seen every key but the strange one. */
async function front(store: RedisStoreOptions, onStoreError?: Policy): Promise<Front> {
  const opened = await frontWithoutKeys(store, onStoreError)
  const { gateway, keys } = opened
  await recovers(async () => {
    for (const [who, session] of Object.entries(SESSIONS)) {
      const key = keys[who as Who]
      if ((await gateway.sessions.get(key)) === undefined) await gateway.sessions.create(session, { key })
    }
    expect(await opened.statuses()).toEqual(FINE)
  })
  return opened
}

async function frontWithoutKeys(store: RedisStoreOptions, onStoreError?: Policy): Promise<Front> {
  const { commandTimeoutMs = COMMAND_TIMEOUT_MS } = store
  const gateway = createGateway(APIS, {
    // `storeError` tells of all that matters here.
    store: redisStore({ ...store, commandTimeoutMs, onError: () => undefined }),
    forward: () => respond(200, 'ok'),
    onStoreError,
  })
  closeLater(() => gateway.close({ timeoutMs: 1 }))
  const errors = new Set<string>()
  gateway.on('storeError', ({ feature, outcome }) => errors.add(`${feature} ${outcome}`))
  const { url } = await listen(createServer(gateway))
  const keys = { plain: newId(), rated: newId(), metered: newId(), open: '', strange: newId() }
  const asked = { plain: 0, rated: 0, metered: 0, open: 0, strange: 0 }
  const askAs = async (who: Who): Promise<Reply> => {
    asked[who] += 1
    const askedAt = performance.now()
    const reply = await send(url, who === 'open' ? '/open/' : '/orders/', { headers: { authorization: keys[who] } })
    expect(performance.now() - askedAt).toBeLessThan(commandTimeoutMs + MARGIN_MS)
    return reply
  }
  return {
    gateway,
    url,
    keys,
    errors,
    asked,
    ask: askAs,
    async statuses() {
      const replies = await Promise.all(WHO.map(async (who) => [who, (await askAs(who)).status] as const))
      return Object.fromEntries(replies) as Statuses
    },
  }
}

const WHO = ['plain', 'rated', 'metered', 'open', 'strange'] as const
const FINE: Statuses = { plain: 200, rated: 200, metered: 200, open: 200, strange: 403 }
const AWAY: Statuses = { plain: 503, rated: 503, metered: 503, open: 200, strange: 503 }
const AWAY_REVERSE: Statuses = { plain: 200, rated: 503, metered: 200, open: 503, strange: 503 }

/** Two seconds of trying, however long a busy machine makes of them. */
async function recovers(check: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < 40; i += 1) {
    try {
      await check()
      return
    } catch {
      // Not yet: the last try below says why.
    }
    await sleep(50)
  }
  await check()
}

/** A gateway with the defaults and one with their reverse, on one server behind one wire. */
async function fronts(commandTimeoutMs: number, settings?: RedisSettings) {
  const redis = await server(settings)
  const wire = await slowWire(redis.port)
  const at = { options: { host: '127.0.0.1', port: wire.port }, commandTimeoutMs }
  const [usual, reverse] = [await front(at), await front(at, REVERSE)]
  return { redis, wire, usual, reverse }
}

type Both = Awaited<ReturnType<typeof fronts>>

interface Fault {
  readonly title: string
  readonly begin: (both: Both) => unknown
  readonly end: (both: Both) => unknown
}

const FAULTS: readonly Fault[] = [
  { title: 'is paused', begin: ({ redis }) => redis.pause(), end: ({ redis }) => redis.resume() },
  {
    title: 'is too far away',
    begin: ({ wire }) => (wire.delayMs = 2 * COMMAND_TIMEOUT_MS),
    end: ({ wire }) => (wire.delayMs = 0),
  },
  {
    title: 'ends every connection',
    begin({ wire }) {
      wire.broken = true
      wire.cut()
    },
    end: ({ wire }) => (wire.broken = false),
  },
]

describe.skipIf(noServer)('a gateway whose Redis', TOGETHER, () => {
  it.each(FAULTS.map((fault) => [fault.title, fault] as const))(
    '%s answers as it was told to, and as before when that is over',
    async (_, { begin, end }) => {
      const both = await fronts(COMMAND_TIMEOUT_MS)
      const { usual, reverse } = both
      await begin(both)
      // Several times: at first everybody waits for the deadline, later Redis is left alone.
      for (let i = 0; i < 3; i += 1) {
        expect(await usual.statuses()).toEqual(AWAY)
        expect(await reverse.statuses()).toEqual(AWAY_REVERSE)
      }
      expect(JSON.parse((await usual.ask('metered')).text)).toEqual({ error: 'Session store unavailable' })
      expect([...usual.errors].toSorted()).toEqual(['rateLimit passed', 'sessions refused'])
      expect([...reverse.errors].toSorted()).toEqual(['rateLimit refused', 'sessions passed', 'sessions refused'])
      await end(both)
      await recovers(async () => {
        expect(await usual.statuses()).toEqual(FINE)
        expect(await reverse.statuses()).toEqual(FINE)
      })
      // What was counted before still is, and nothing was counted twice.
      const [quota] = await usual.gateway.sessions.quotas(usual.keys.metered)
      expect(quota!.remaining).toBeLessThanOrEqual(998)
      expect(quota!.remaining).toBeGreaterThanOrEqual(1000 - usual.asked.metered)
    },
  )

  it('is killed and comes back empty refuses keys, and counts anew', async () => {
    const { redis, usual, reverse } = await fronts(COMMAND_TIMEOUT_MS)
    const asked = (): number => usual.asked.open + reverse.asked.open
    const before = asked()
    await redis.kill()
    for (let i = 0; i < 3; i += 1) {
      expect(await usual.statuses()).toEqual(AWAY)
      expect(await reverse.statuses()).toEqual(AWAY_REVERSE)
    }
    await redis.restart()
    const empty = { plain: 403, rated: 403, metered: 403, open: 200, strange: 403 }
    await recovers(async () => {
      expect(await usual.statuses()).toEqual(empty)
      expect(await reverse.statuses()).toEqual(empty)
    })
    // None of what was counted before.
    const { headers } = await usual.ask('open')
    expect(Number(headers['x-ratelimit-remaining'])).toBeGreaterThanOrEqual(1000 - (asked() - before))
    await usual.gateway.sessions.create(SESSIONS.metered, { key: usual.keys.metered })
    expect((await usual.ask('metered')).headers['x-ratelimit-remaining']).toBe('999')
  })

  it('does each thing it is told about each feature', async () => {
    const redis = await server()
    const told = (['refuse', 'pass'] as const).flatMap((sessions) =>
      (['refuse', 'pass'] as const).flatMap((quota) =>
        (['refuse', 'pass'] as const).map((rateLimit) => ({ sessions, quota, rateLimit })),
      ),
    )
    const opened = await Promise.all(
      told.map((policy) => front({ options: { host: '127.0.0.1', port: redis.port } }, policy)),
    )
    await redis.kill()
    const found = await Promise.all(opened.map((each) => each.statuses()))
    const answer = (...outcomes: readonly string[]): number => (outcomes.includes('refuse') ? 503 : 200)
    expect(found).toEqual(
      told.map(({ sessions, quota, rateLimit }) => ({
        plain: answer(sessions),
        rated: answer(sessions, rateLimit),
        metered: answer(sessions, quota),
        open: answer(rateLimit),
        strange: 503,
      })),
    )
  })

  it('is out of memory cannot count, and goes on where nothing is counted', async () => {
    const { redis, usual, reverse } = await fronts(PATIENT_MS, { args: ['--maxmemory-policy', 'noeviction'] })
    await ask('CONFIG SET maxmemory 1', redis.port)
    const full = { plain: 200, strange: 403 }
    for (let i = 0; i < 3; i += 1) {
      expect(await usual.statuses()).toEqual({ ...AWAY, ...full })
      expect(await reverse.statuses()).toEqual({ ...AWAY_REVERSE, ...full })
    }
    await ask('CONFIG SET maxmemory 0', redis.port)
    await recovers(async () => {
      expect(await usual.statuses()).toEqual(FINE)
      expect(await reverse.statuses()).toEqual(FINE)
    })
  })

  it('became a replica follows its address to the new master, with all that was counted', async () => {
    const { redis, wire, usual, reverse } = await fronts(PATIENT_MS, { args: SYNC_AT_ONCE })
    const other = await server({ args: SYNC_AT_ONCE })
    await ask(`REPLICAOF 127.0.0.1 ${redis.port}`, other.port)
    await eventually(async () => expect(await caughtUp(redis.port)).toBe(true))
    await ask('REPLICAOF NO ONE', other.port)
    await ask(`REPLICAOF 127.0.0.1 ${other.port}`, redis.port)
    for (const [asked, expected] of [
      [usual, AWAY],
      [reverse, AWAY_REVERSE],
    ] as const) {
      const { rated, metered, open } = await asked.statuses()
      expect({ rated, metered, open }).toEqual({
        rated: expected.rated,
        metered: expected.metered,
        open: expected.open,
      })
    }
    wire.target = other.port
    await recovers(async () => {
      expect(await usual.statuses()).toEqual(FINE)
      expect(await reverse.statuses()).toEqual(FINE)
    })
    const [quota] = await usual.gateway.sessions.quotas(usual.keys.metered)
    // Once before, and once or more since.
    expect(quota!.remaining).toBeLessThanOrEqual(998)
  })

  it('answers in single bytes, or late but in time, is as good as any', async () => {
    const { wire, usual, reverse } = await fronts(PATIENT_MS)
    wire.sliceBytes = 1
    expect(await usual.statuses()).toEqual(FINE)
    wire.sliceBytes = Number.POSITIVE_INFINITY
    wire.delayMs = 20
    expect(await usual.statuses()).toEqual(FINE)
    expect([...usual.errors, ...reverse.errors]).toEqual([])
  })

  it('loses connections with answers on them never counts a request twice', async () => {
    const { wire, usual } = await fronts(PATIENT_MS)
    const { url, keys, gateway } = usual
    wire.delayMs = 10
    const load = { path: '/orders/', key: keys.metered, requests: { perSecond: 400, ms: 1200 } }
    const driving = drive(Number(new URL(url).port), load)
    for (let i = 0; i < 3; i += 1) {
      // Long enough to be connected again.
      await sleep(350)
      wire.cut()
    }
    const answers = await driving
    const passed = answers.filter(({ status }) => status === 200).length
    expect(answers.filter(({ status }) => status !== 200 && status !== 503)).toEqual([])
    await recovers(async () => expect(await usual.statuses()).toEqual(FINE))
    const [quota] = await gateway.sessions.quotas(keys.metered)
    // What passed was counted, what failed may have been; and so the requests before and after these.
    const used = 1000 - quota!.remaining
    expect(used).toBeGreaterThanOrEqual(passed + 2)
    expect(used).toBeLessThanOrEqual(answers.length + usual.asked.metered)
    const told = answers.filter(({ status }) => status === 200).map(({ left }) => left['quota'])
    expect(new Set(told).size).toBe(told.length)
  })

  it('forgets its scripts under load fails nobody and counts everybody', async () => {
    const { redis, usual } = await fronts(PATIENT_MS)
    const { url, keys, gateway } = usual
    const load = { path: '/orders/', key: keys.metered, requests: { perSecond: 500, ms: 600 } }
    const driving = drive(Number(new URL(url).port), load)
    for (let i = 0; i < 5; i += 1) {
      await sleep(100)
      await ask('SCRIPT FLUSH', redis.port)
    }
    const answers = await driving
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    expect(await gateway.sessions.quotas(keys.metered)).toMatchObject([{ remaining: 999 - answers.length }])
  })

  it('holds something else under a name of a key refuses that key alone', async () => {
    const { redis, usual, reverse } = await fronts(PATIENT_MS)
    const idOf = async (key: string): Promise<string> => (await usual.gateway.sessions.get(key))!.id
    const [plain, rated] = [await idOf(usual.keys.plain), await idOf(usual.keys.rated)]
    await ask(`DEL postern:{${plain}}:s`, redis.port)
    await ask(`LPUSH postern:{${plain}}:s x`, redis.port)
    await ask(`SET postern:{${rated}}:r:3600000:: x`, redis.port)
    // More often than failures in a row that would have Redis left alone.
    for (let i = 0; i < 8; i += 1) {
      expect(await usual.ask('plain')).toMatchObject({ status: 403 })
      expect(await usual.ask('rated')).toMatchObject({ status: 503 })
    }
    expect(await usual.statuses()).toEqual({ ...FINE, plain: 403, rated: 503 })
    expect(await reverse.statuses()).toEqual(FINE)
    await ask(`DEL postern:{${plain}}:s postern:{${rated}}:r:3600000::`, redis.port)
    expect(await usual.statuses()).toEqual({ ...FINE, plain: 403 })
  })

  it('is not there yet starts all the same, unless it has to be there', async () => {
    const redis = await server()
    await redis.kill()
    const at = { options: { host: '127.0.0.1', port: redis.port } }
    const [usual, reverse] = [await frontWithoutKeys(at), await frontWithoutKeys(at, REVERSE)]
    await usual.gateway.ready()
    const nobodySeen = { plain: 503, rated: 503, metered: 503, strange: 503 }
    expect(await usual.statuses()).toEqual({ ...nobodySeen, open: 200 })
    expect(await reverse.statuses()).toEqual({ ...nobodySeen, open: 503 })
    const required = await frontWithoutKeys({ ...at, required: true })
    expect(await unavailable(required.gateway.ready())).toContain('could not be reached')
    await redis.restart()
    await recovers(async () => {
      expect(await usual.statuses()).toEqual({ ...FINE, plain: 403, rated: 403, metered: 403 })
      expect((await reverse.statuses()).open).toBe(200)
    })
    await required.gateway.ready()
  })
})

/** A master waits a while for more replicas otherwise. */
const SYNC_AT_ONCE = ['--repl-diskless-sync-delay', '0']

/** Servers that take long to give one of them up: until the test says otherwise. */
const CLUSTER = [...SYNC_AT_ONCE, '--cluster-node-timeout', '15000']

/** Whether a replica has all its master has. */
async function caughtUp(port: number): Promise<boolean> {
  const info = await redisCommand(port, 'INFO replication')
  const replica = /slave0:.*state=online,offset=(\d+)/.exec(info)?.[1]
  return replica !== undefined && replica === /master_repl_offset:(\d+)/.exec(info)?.[1]
}

describe.skipIf(noServer)('a gateway whose cluster', TOGETHER, () => {
  it('loses servers answers for the others, follows a replica, and recovers', async () => {
    const redis = await server({ nodes: 3, args: CLUSTER })
    const [first = 0, second = 0, third = 0] = redis.ports
    const replica = await replicaOf(first, redis.ports)
    const at = { cluster: { nodes: redis.ports.map((port) => ({ host: '127.0.0.1', port })) } }
    const usual = await frontWithoutKeys(at)
    const { gateway } = await frontWithoutKeys({ ...at, commandTimeoutMs: PATIENT_MS })
    // A key on each of the servers.
    const keys: string[] = []
    while (keys.filter((key) => key !== undefined).length < 3) {
      const { key, id } = await gateway.sessions.create(SESSIONS.metered)
      const slot = Number((await ask(`CLUSTER KEYSLOT {${id}}`, first)).slice(1))
      keys[Math.floor(slot / Math.ceil(16_384 / 3))] = key
    }
    const statuses = async (): Promise<number[]> => {
      const asked = performance.now()
      const replies = await Promise.all(
        keys.map((authorization) => send(usual.url, '/orders/', { headers: { authorization } })),
      )
      expect(performance.now() - asked).toBeLessThan(COMMAND_TIMEOUT_MS + MARGIN_MS)
      return replies.map(({ status }) => status)
    }
    await recovers(async () => expect(await statuses()).toEqual([200, 200, 200]))
    await eventually(async () => expect(await caughtUp(first)).toBe(true))

    await redis.kill(0)
    // The others go on.
    await recovers(async () => expect(await statuses()).toEqual([503, 200, 200]))
    expect(await ask('CLUSTER FAILOVER TAKEOVER', replica)).toBe('+OK')
    await eventually(async () => {
      for (const port of [second, third]) {
        const slots = await redisCommand(port, 'CLUSTER SLOTS')
        expect([slots.includes(`:${replica}\r`), slots.includes(`:${first}\r`)]).toEqual([true, false])
      }
    })
    await recovers(async () => expect(await statuses()).toEqual([200, 200, 200]))
    // The replica knew what was counted before.
    await recovers(async () => {
      const [quota] = await gateway.sessions.quotas(keys[0]!)
      expect(quota!.remaining).toBeLessThanOrEqual(998)
    })

    for (const port of [replica, second, third]) await ask('CONFIG SET cluster-node-timeout 300', port)
    await redis.kill(1)
    // Nobody replaces it: the whole cluster is down.
    await eventually(() => allSay('cluster_state:fail', [replica, third]))
    expect(await statuses()).toEqual([503, 503, 503])
    expect((await usual.ask('open')).status).toBe(200)
    await redis.restart(1)
    await eventually(() => allSay('cluster_state:ok', [replica, second, third]))
    // What was on the second is lost.
    await recovers(async () => expect(await statuses()).toEqual([200, 403, 200]))
  })
})

async function allSay(state: string, ports: readonly number[]): Promise<void> {
  for (const port of ports) expect(await redisCommand(port, 'CLUSTER INFO')).toContain(state)
}

/** The port of a server that keeps a copy of a cluster's server, and takes over when that one is lost. */
async function replicaOf(master: number, ports: readonly number[]): Promise<number> {
  const { port } = await server({
    args: [...CLUSTER, '--cluster-enabled', 'yes', '--cluster-config-file', 'replica.conf'],
  })
  // Those nobody has told of it would hear of it by and by, and not believe it before.
  for (const each of ports) await ask(`CLUSTER MEET 127.0.0.1 ${each}`, port)
  await eventually(() => allSay(`cluster_known_nodes:${ports.length + 1}`, [port, ...ports]))
  const [, id] = (await redisCommand(master, 'CLUSTER MYID')).split('\r\n')
  await eventually(async () => expect(await ask(`CLUSTER REPLICATE ${id}`, port)).toBe('+OK'))
  await eventually(async () => expect(await caughtUp(master)).toBe(true))
  return port
}

describe('no fault', () => {
  it('left the process an error nobody handled', () => {
    expect(stumbles).toEqual([])
  })
})
