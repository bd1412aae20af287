import { redisStore, type RedisStoreOptions } from '@postern/redis'
import * as six from 'ioredis'
import * as five from 'ioredis5'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { startRedis } from '../support/redis-server.ts'
import { ask, charge, cluster, eventually, newId, noServer, open, session, single, unavailable } from './harness.ts'

afterEach(closeAll)

/** What is asked of a client here, beside what the store needs. */
type Client = NonNullable<RedisStoreOptions['client']> & { ping(): Promise<string>; disconnect(): void }

const { port = 0 } = single.options!
const nodes = cluster.cluster!.nodes.map((node) => node as { host: string; port: number })
const pipelined = { enableAutoPipelining: true }

const clients: [string, () => Client, readonly number[]][] = [
  ['a Redis of ioredis 5', () => new five.Redis(port), [port]],
  ['a Redis of ioredis 5 that pipelines', () => new five.Redis(port, pipelined), [port]],
  ['a Redis of ioredis 5 that connects when asked', () => new five.Redis(port, { lazyConnect: true }), [port]],
  ['a Cluster of ioredis 5', () => new five.Cluster(nodes), nodes.map((node) => node.port)],
  ['a Cluster of ioredis 5 that pipelines', () => new five.Cluster(nodes, pipelined), nodes.map((node) => node.port)],
  ['a Redis of ioredis 6', () => new six.Redis(port), [port]],
  ['a Redis of ioredis 6 that pipelines', () => new six.Redis(port, pipelined), [port]],
  ['a Redis of ioredis 6 that connects when asked', () => new six.Redis(port, { lazyConnect: true }), [port]],
  ['a Cluster of ioredis 6', () => new six.Cluster(nodes), nodes.map((node) => node.port)],
  ['a Cluster of ioredis 6 that pipelines', () => new six.Cluster(nodes, pipelined), nodes.map((node) => node.port)],
]

describe.skipIf(noServer).each(clients)('%s handed in', (_, create, ports) => {
  function given(): Client {
    const client = create()
    closeLater(() => client.disconnect())
    return client
  }

  it('counts, many requests at once included', async () => {
    const store = open({ client: given(), required: true })
    expect(await store.ready()).toBeUndefined()
    const [mine, other] = [charge({ subject: newId(), max: 5 }), charge({ subject: newId(), kind: 'quota', max: 50 })]
    const taken = await Promise.all(Array.from({ length: 20 }, async () => store.take([mine, other])))
    expect(taken.filter((one) => one !== 'changed' && one.refusedBy === -1).length).toBe(5)
    expect(await store.peek([mine, other])).toMatchObject([{ remaining: 0 }, { remaining: 45 }])
    await store.reset([mine, other])
    expect(await store.peek([mine, other])).toMatchObject([{ remaining: 5 }, { remaining: 50 }])
  })

  it('counts for subjects of every node at once', async () => {
    const store = open({ client: given() })
    const charges = Array.from({ length: 60 }, () => charge({ subject: newId(), max: 1 }))
    const [first, second] = [
      await Promise.all(charges.map(async (one) => store.take([one]))),
      await Promise.all(charges.map(async (one) => store.take([one]))),
    ]
    expect(first).toEqual(charges.map(() => expect.objectContaining({ refusedBy: -1 })))
    expect(second).toEqual(charges.map(() => expect.objectContaining({ refusedBy: 0 })))
  })

  it('keeps sessions, and lists them', async () => {
    const store = open({ client: given() })
    const ids = Array.from({ length: 30 }, newId)
    await Promise.all(ids.map(async (id) => store.save(id, session({ alias: id }), Infinity, 'absent')))
    const [first = ''] = ids
    const { revision } = (await store.load(first, 'confirmed'))!
    expect(await store.take([charge({ subject: first })], { id: first, revision })).toMatchObject({ refusedBy: -1 })
    expect(await store.take([charge({ subject: first })], { id: first, revision: 'other' })).toBe('changed')
    expect(await store.save(first, session({ alias: 'new' }), Infinity, { revision })).toBe(true)
    expect((await store.load(first, 'confirmed'))!.session.alias).toBe('new')
    const listed: string[] = []
    let cursor: string | undefined
    do {
      const page = await store.list(cursor, 10)
      listed.push(...page.sessions.map(({ id }) => id))
      cursor = page.cursor
    } while (cursor !== undefined)
    expect([...new Set(listed)].toSorted()).toEqual(ids.toSorted())
    expect(await store.remove(first)).toBe(true)
    expect(await store.load(first, 'confirmed')).toBeUndefined()
  })

  it('gives a server its scripts again that was told to forget them', async () => {
    const store = open({ client: given() })
    const [one, id] = [charge({ subject: newId(), max: 9 }), newId()]
    await store.take([one])
    await Promise.all(ports.map((each) => ask('SCRIPT FLUSH', each)))
    const taken = await Promise.all([store.take([one]), store.take([one])])
    expect(taken).toEqual([expect.objectContaining({ refusedBy: -1 }), expect.objectContaining({ refusedBy: -1 })])
    expect(await store.peek([one])).toMatchObject([{ remaining: 6 }])
    expect(await store.save(id, session(), Infinity, 'absent')).toBe(true)
  })

  it('hears of changes on a connection of its own, and is left open and usable', async () => {
    const client = given()
    const shared = { client, prefix: newId() }
    const [here, there] = [open({ ...shared, cacheMs: 60_000 }), open(shared)]
    const id = newId()
    await there.save(id, session({ alias: 'a' }), Infinity, 'absent')
    await eventually(async () => {
      await here.load(id, 'confirmed')
      expect(here.load(id, 'copy')).toMatchObject({ confirmed: true })
    })
    await there.save(id, session({ alias: 'b' }), Infinity, 'anything')
    await eventually(async () => expect((await here.load(id, 'copy'))!.session.alias).toBe('b'))
    await here.close()
    expect(await unavailable(here.take([charge({ subject: id })]))).toContain('the store is closed')
    expect([await client.ping(), client.status]).toEqual(['PONG', 'ready'])
    expect(await there.remove(id)).toBe(true)
  })
})

describe.skipIf(noServer).each([
  ['5', (at: number) => new five.Redis(at, { retryStrategy: () => 50 })],
  ['6', (at: number) => new six.Redis(at, { retryStrategy: () => 50 })],
])('a client of ioredis %s whose server goes away', (_, create) => {
  it('fails calls as promised, and works again with it', async () => {
    const redis = await startRedis()
    closeLater(() => redis.stop())
    const client = create(redis.port)
    client.on('error', () => undefined)
    closeLater(() => client.disconnect())
    const store = open({ client, commandTimeoutMs: 250 })
    const one = charge({ subject: newId(), max: 9 })
    await store.take([one])
    await redis.kill()
    expect(await unavailable(store.take([one]))).toBe(
      `Redis at localhost:${redis.port} could not count a request: not connected within 250 ms.`,
    )
    await redis.restart()
    // An answer that comes too late has been counted all the same: how many are left is not certain.
    await eventually(async () => expect(await store.take([one])).toMatchObject({ refusedBy: -1 }))
  })
})

describe('the types', () => {
  it('take clients of both versions', () => {
    const lazy = { lazyConnect: true }
    const options: readonly RedisStoreOptions[] = [
      { client: new five.Redis(lazy) },
      { client: new five.Cluster([1], lazy) },
      { client: new six.Redis(lazy) },
      { client: new six.Cluster([1], lazy) },
    ]
    for (const each of options) expect(redisStore(each)).toMatchObject({ local: false })
  })
})
