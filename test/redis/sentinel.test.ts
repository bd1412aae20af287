import { createServer } from 'node:http'
import { respond } from '@postern/core'
import { createGateway } from '@postern/http'
import { redisStore, type RedisStoreOptions } from '@postern/redis'
import { Redis } from 'ioredis'
import { afterAll, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { type Reply, send } from '../support/client.ts'
import { redisCommand, type RedisServer, type Sentinel, startRedis, startSentinel } from '../support/redis-server.ts'
import { deafPort, listen, listenRaw } from '../support/server.ts'
import { charge, eventually, newId, noServer, open, session, unavailable } from './harness.ts'

afterAll(closeAll)

// Tests run at the same time here: they mostly wait for a replica to take over.
const TOGETHER = { concurrent: true, timeout: 20_000 }

interface Place {
  readonly options: NonNullable<RedisStoreOptions['options']>
}

interface Watched {
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly sentinel: Sentinel
  /** Where a store finds the master. */
  readonly place: Place
}

/** A master and its replica, and a Sentinel that knows both. */
async function watched(): Promise<Watched> {
  const master = await startRedis({ args: SYNC_AT_ONCE })
  closeLater(() => master.stop())
  const replica = await startRedis({ args: [...SYNC_AT_ONCE, '--replicaof', '127.0.0.1', String(master.port)] })
  closeLater(() => replica.stop())
  await eventually(async () => expect(await redisCommand(replica.port, 'ROLE')).toContain('connected'))
  const sentinel = await startSentinel(master.port)
  closeLater(() => sentinel.stop())
  await eventually(async () => {
    const replicas = await redisCommand(sentinel.port, 'SENTINEL REPLICAS main')
    expect(replicas).toContain(`127.0.0.1:${replica.port}`)
    expect(replicas).toMatch(/master-link-status\r\n\$2\r\nok/)
  })
  return { master, replica, sentinel, place: at(sentinel.port) }
}

const SYNC_AT_ONCE = ['--repl-diskless-sync-delay', '0']

function at(...ports: readonly number[]): Place {
  return { options: { sentinels: ports.map((port) => ({ host: '127.0.0.1', port })), name: 'main' } }
}

const limit = (): ReturnType<typeof charge> => charge({ subject: newId(), max: 1000 })
/** Whoever is told of errors that are what a test is about. */
const onError = (): undefined => undefined
const IMPATIENT = { commandTimeoutMs: 250, onError }

/** A gateway with keys, on the master a Sentinel names. */
async function front(place: Place) {
  const gateway = createGateway(
    { name: 'orders', authentication: { token: true } },
    { store: redisStore({ ...place, ...IMPATIENT, commandTimeoutMs: 500 }), forward: () => respond(200, 'ok') },
  )
  closeLater(() => gateway.close({ timeoutMs: 1 }))
  gateway.on('storeError', onError)
  const { url } = await listen(createServer(gateway))
  await eventually(() => gateway.sessions.get(newId()))
  const { key } = await gateway.sessions.create({ quotaMax: 1000, quotaRenewalRate: 3600 })
  return { key, ask: (): Promise<Reply> => send(url, '/', { headers: { authorization: key } }) }
}

const leftOf = ({ headers }: Reply): number => Number(headers['x-ratelimit-remaining'])

describe.skipIf(noServer)('the master a Sentinel names', TOGETHER, () => {
  it('is used, and heard of changes of sessions', async () => {
    const { place, replica } = await watched()
    const shared = { ...place, prefix: newId(), required: true }
    const [here, there] = [open({ ...shared, cacheMs: 60_000 }), open(shared)]
    expect(await here.ready()).toBeUndefined()
    const id = newId()
    await there.save(id, session({ alias: 'a' }), Infinity, 'absent')
    await eventually(async () => {
      await here.load(id, 'confirmed')
      expect(here.load(id, 'copy')).toMatchObject({ confirmed: true })
    })
    await there.save(id, session({ alias: 'b' }), Infinity, 'anything')
    await eventually(async () => expect((await here.load(id, 'copy'))!.session.alias).toBe('b'))
    expect((await here.list(undefined, 10)).sessions).toMatchObject([{ id }])
    // A replica would have refused; and one that was asked to save would have no copy of it.
    await eventually(async () => expect(await redisCommand(replica.port, 'DBSIZE')).toBe(':1\r\n'))
  })

  it('was killed: keys are refused until its replica takes over, with all it was sent', async () => {
    const { place, master, replica } = await watched()
    const { ask } = await front(place)
    expect(leftOf(await ask())).toBe(999)
    await inStep(master)
    await master.kill()
    const refused = await ask()
    expect([refused.status, JSON.parse(refused.text)]).toEqual([503, { error: 'Session store unavailable' }])
    const seen = new Set<number>()
    await eventually(async () => {
      const reply = await ask()
      seen.add(reply.status)
      expect(reply.status).toBe(200)
    })
    expect(seen).toEqual(new Set([200, 503]))
    expect(await redisCommand(replica.port, 'ROLE')).toContain('master')
    // What was counted before is counted still, and what was refused meanwhile is not.
    expect(leftOf(await ask())).toBe(997)
  })

  it('is replaced while it runs: requests are answered by it, refused, or answered by the other', async () => {
    const { place, master, replica, sentinel } = await watched()
    const { ask } = await front(place)
    expect((await ask()).status).toBe(200)
    await inStep(master)
    await eventually(async () => expect(await redisCommand(sentinel.port, 'SENTINEL FAILOVER main')).toBe('+OK\r\n'))
    const seen = new Set<number>()
    let asked = 1
    await eventually(async () => {
      asked += 1
      const { status } = await ask()
      seen.add(status)
      expect(await redisCommand(master.port, 'ROLE')).toContain('slave')
      expect(status).toBe(200)
    })
    expect([...seen].filter((status) => status !== 200 && status !== 503)).toEqual([])
    expect(await redisCommand(replica.port, 'ROLE')).toContain('master')
    // What the old master counted while the other one was master already is lost with it; nothing is counted twice.
    expect(leftOf(await ask())).toBeGreaterThanOrEqual(1000 - asked - 1)
  })

  it('copies are heard of again after it was replaced', async () => {
    const { place, master } = await watched()
    const shared = { ...place, prefix: newId() }
    const [here, there] = [open({ ...shared, cacheMs: 60_000, onError }), open({ ...shared, onError })]
    const id = newId()
    await there.save(id, session({ alias: 'a' }), Infinity, 'absent')
    await inStep(master)
    await master.kill()
    await eventually(() => there.save(id, session({ alias: 'b' }), Infinity, 'anything'))
    await eventually(async () => {
      await here.load(id, 'confirmed')
      expect(here.load(id, 'copy')).toMatchObject({ session: { alias: 'b' }, confirmed: true })
    })
    await there.save(id, session({ alias: 'c' }), Infinity, 'anything')
    await eventually(async () => expect((await here.load(id, 'copy'))!.session.alias).toBe('c'))
  })

  it('is found through a client handed in, and named by its Sentinel in messages', async () => {
    const { place, master, sentinel } = await watched()
    const client = new Redis(place.options)
    client.on('error', onError)
    closeLater(() => client.disconnect())
    const store = open({ client, ...IMPATIENT })
    const one = limit()
    await eventually(() => store.take([one]))
    await master.kill()
    const where = `Redis at sentinel 127.0.0.1:${sentinel.port} (main) could not`
    expect(await unavailable(store.take([one]))).toContain(where)
    await eventually(() => store.take([one]))
  })

  it('is found though the first of several Sentinels is gone, and the second says nothing', async () => {
    const { sentinel } = await watched()
    const gone = await deafPort()
    const { port: silent } = await listenRaw(() => undefined)
    const store = open({ ...at(gone, silent, sentinel.port), onError })
    expect(await store.take([limit()])).toMatchObject({ refusedBy: -1 })
  })
})

/** Waits until the replica has all that was written to its master. */
async function inStep({ port }: RedisServer): Promise<void> {
  await eventually(async () => {
    const info = await redisCommand(port, 'INFO replication')
    const [, written] = /master_repl_offset:(\d+)/.exec(info) ?? []
    expect(info).toMatch(new RegExp(`slave0:.*offset=${written},`))
  })
}

describe('a start that requires a Sentinel', TOGETHER, () => {
  it('says where none was reached', async () => {
    const port = await deafPort()
    const store = open({ ...at(port), ...IMPATIENT, required: true })
    expect(await unavailable(store.ready())).toBe(
      `Redis at sentinel 127.0.0.1:${port} (main) could not be reached: no sentinel could be reached.`,
    )
  })

  it.skipIf(noServer)('says that they know no master of that name', async () => {
    const { sentinel } = await watched()
    const { sentinels } = at(sentinel.port).options
    const store = open({ options: { sentinels: sentinels!, name: 'mian' }, ...IMPATIENT, required: true })
    expect(await unavailable(store.ready())).toBe(
      `Redis at sentinel 127.0.0.1:${sentinel.port} (mian) could not be reached: the sentinels know no master named "mian".`,
    )
  })

  it('is told what is missing', () => {
    expect(() => redisStore({ options: { sentinels: [{ port: 1 }] } })).toThrow(
      'redisStore: options.name: found undefined; expected the name the sentinels know the master by.',
    )
    expect(() => redisStore({ options: { sentinels: [{ port: 1 }], name: 'main', tls: {} } })).toThrow(
      'redisStore: options.enableTLSForSentinelMode: found undefined; expected true beside tls: without it nothing is encrypted.',
    )
    expect(() => redisStore({ options: { sentinels: [], name: 'main' } })).toThrow(
      'redisStore: options.sentinels: found an array of 0; expected one or more, such as { host, port }.',
    )
  })
})
