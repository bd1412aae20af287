import { setTimeout as sleep } from 'node:timers/promises'
import type { Store, StoredSession } from '@postern/core/store'
import type { RedisStoreOptions } from '@postern/redis'
import { Cluster, Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { startRedis } from '../support/redis-server.ts'
import { ask, charge, cluster, eventually, newId, noServer, open, session, single } from './harness.ts'

afterEach(closeAll)

/** Long enough that no copy grows too old while a test runs. */
const CACHE = { cacheMs: 60_000 }

const stores: [string, RedisStoreOptions][] = [
  ['one server', single],
  ['a cluster', cluster],
]

/** Loads a copy until it counts as confirmed: then the store hears of changes. */
async function listening(store: Store, id: string): Promise<StoredSession> {
  await eventually(async () => {
    await store.load(id, 'confirmed')
    expect(await store.load(id, 'copy')).toMatchObject({ confirmed: true })
  })
  return (await store.load(id, 'copy'))!
}

describe.skipIf(noServer).each(stores)('copies of sessions on %s', (_, options) => {
  const shared = { ...options, prefix: newId() }

  it('are used without asking for a while, and dropped when another process changes them', async () => {
    const [here, there] = [open({ ...shared, ...CACHE }), open(shared)]
    const id = newId()
    await there.save(id, session({ alias: 'a' }), Infinity, 'absent')
    const copy = await listening(here, id)
    expect(here.load(id, 'copy')).toBe(copy)
    await there.save(id, session({ alias: 'b' }), Infinity, 'anything')
    await eventually(async () => expect((await here.load(id, 'copy'))!.session.alias).toBe('b'))
    await there.remove(id)
    await eventually(async () => expect(await here.load(id, 'copy')).toBeUndefined())
  })

  it('survive what this process saves itself', async () => {
    const here = open({ ...shared, ...CACHE })
    const id = newId()
    await here.save(id, session({ alias: 'a' }), Infinity, 'absent')
    await listening(here, id)
    await here.save(id, session({ alias: 'b' }), Infinity, 'anything')
    await sleep(50)
    expect(here.load(id, 'copy')).toMatchObject({ session: { alias: 'b' }, confirmed: true })
  })

  it('of unknown ids are dropped when the session appears', async () => {
    const [here, there] = [open({ ...shared, ...CACHE }), open(shared)]
    const [known, id] = [newId(), newId()]
    await there.save(known, session(), Infinity, 'absent')
    await listening(here, known)
    expect(await here.load(id, 'copy')).toBeUndefined()
    // Answered at once: nobody was asked.
    expect(here.load(id, 'copy')).toBeUndefined()
    await there.save(id, session({ alias: 'new' }), Infinity, 'absent')
    await eventually(async () => expect(await here.load(id, 'copy')).toMatchObject({ session: { alias: 'new' } }))
  })

  it('grow too old', async () => {
    const here = open({ ...shared, cacheMs: 40 })
    const id = newId()
    await here.save(id, session(), Infinity, 'absent')
    await listening(here, id)
    await eventually(() => expect(here.load(id, 'copy')).toMatchObject({ confirmed: false }))
  })

  it('are confirmed by what is counted', async () => {
    const here = open({ ...shared, cacheMs: 150 })
    const id = newId()
    await here.save(id, session(), Infinity, 'absent')
    const { revision } = await listening(here, id)
    await eventually(() => expect(here.load(id, 'copy')).toMatchObject({ confirmed: false }))
    await eventually(async () => {
      await here.take([charge({ subject: id })], { id, revision })
      expect(here.load(id, 'copy')).toMatchObject({ confirmed: true })
    })
  })

  it('are asked for once by many', async () => {
    const here = open(shared)
    const id = newId()
    await open(shared).save(id, session(), Infinity, 'absent')
    const loads = await Promise.all(Array.from({ length: 50 }, async () => here.load(id, 'copy')))
    // Only whoever asks the store knows that nothing has changed since.
    expect(loads.map((found) => found?.confirmed)).toEqual([true, ...Array.from({ length: 49 }, () => false)])
  })

  it('are each asked for where they have to be sure', async () => {
    const here = open(shared)
    const id = newId()
    await open(shared).save(id, session(), Infinity, 'absent')
    const loads = await Promise.all([here.load(id, 'confirmed'), here.load(id, 'confirmed')])
    expect(loads.map((found) => found?.confirmed)).toEqual([true, true])
  })

  it('need not be saved again while the same is stored', async () => {
    const here = open({ ...shared, ...CACHE })
    const client = clientOf(options)
    const id = newId()
    await here.save(id, session({ alias: 'a' }), 60_000, 'anything')
    await listening(here, id)
    await here.save(id, session({ alias: 'a' }), 60_000, 'anything')
    const name = `${shared.prefix}:{${id}}:s`
    // A mark that saving would remove.
    await client.pexpire(name, 30_000)
    expect(await here.save(id, session({ alias: 'a' }), 60_000, 'anything')).toBe(true)
    expect(await client.pttl(name)).toBeLessThanOrEqual(30_000)
    expect(await here.save(id, session({ alias: 'b' }), 60_000, 'anything')).toBe(true)
    expect(await client.pttl(name)).toBeGreaterThan(30_000)
  })
})

function clientOf({ options, cluster: nodes }: RedisStoreOptions): Redis | Cluster {
  const client = nodes === undefined ? new Redis(options!) : new Cluster([...nodes.nodes])
  closeLater(() => client.disconnect())
  return client
}

describe.skipIf(noServer)('while changes are not heard of', () => {
  it('no copy counts as confirmed, and none from before counts afterwards', async () => {
    const redis = await startRedis()
    closeLater(() => redis.stop())
    const client = new Redis(redis.port, '127.0.0.1')
    closeLater(() => client.disconnect())
    const here = open({ client, ...CACHE })
    const id = newId()
    await here.save(id, session(), Infinity, 'absent')
    await listening(here, id)
    await ask('CLIENT KILL TYPE pubsub', redis.port)
    await eventually(() => expect(here.load(id, 'copy')).toMatchObject({ confirmed: false }))
    await sleep(500)
    expect(here.load(id, 'copy')).toMatchObject({ confirmed: false })
    await listening(here, id)
  })

  it('everything else works where publishing is not allowed to be heard', async () => {
    const redis = await startRedis()
    closeLater(() => redis.stop())
    await ask('ACL SETUSER plain on >secret ~* resetchannels &none +@all -subscribe', redis.port)
    const errors: Error[] = []
    const options = { host: '127.0.0.1', port: redis.port, username: 'plain', password: 'secret' }
    const here = open({ options, ...CACHE, onError: (error) => errors.push(error) })
    const id = newId()
    expect(await here.take([charge({ subject: id })])).toMatchObject({ refusedBy: -1 })
    await eventually(() => expect(errors).toMatchObject([{ message: expect.stringContaining('NOPERM') }]))
  })
})
