import { setTimeout as sleep } from 'node:timers/promises'
import type { Store, StoredSession } from '@postern/core/store'
import type { RedisStoreOptions } from '@postern/redis'
import { Cluster, Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { signalled } from '../support/promises.ts'
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

  it('are saved again where they are to live longer, than before or than anybody knows', async () => {
    const [here, there] = [open({ ...shared, ...CACHE }), open(shared)]
    const client = clientOf(options)
    const id = newId()
    const name = `${shared.prefix}:{${id}}:s`
    await here.save(id, session({ alias: 'a' }), 60_000, 'anything')
    await listening(here, id)
    expect(await here.save(id, session({ alias: 'a' }), 600_000, 'anything')).toBe(true)
    expect(await client.pttl(name)).toBeGreaterThan(540_000)
    await there.save(id, session({ alias: 'b' }), 60_000, 'anything')
    await eventually(async () => expect(await here.load(id, 'copy')).toMatchObject({ session: { alias: 'b' } }))
    await listening(here, id)
    expect(await here.save(id, session({ alias: 'b' }), 600_000, 'anything')).toBe(true)
    expect(await client.pttl(name)).toBeGreaterThan(540_000)
  })
})

function clientOf({ options, cluster: nodes }: RedisStoreOptions): Redis | Cluster {
  const client = nodes === undefined ? new Redis(options!) : new Cluster([...nodes.nodes])
  closeLater(() => client.disconnect())
  return client
}

interface Held {
  /** Once the server has answered. */
  readonly answered: Promise<void>
  /** Hands the answer on. */
  readonly letGo: () => void
}

/** A client that keeps the answer to the next such command about a name back until it is told to let go. */
function holding(): { readonly client: Redis; readonly hold: (command: string, about: string) => Held } {
  const client = clientOf(single) as Redis
  const call = client.call.bind(client) as (command: string, ...args: string[]) => Promise<unknown>
  const holds: { readonly command: string; readonly about: string; readonly keep: () => Promise<void> }[] = []
  client.call = async (command: string, ...args: unknown[]) => {
    const texts = args.map(String)
    const i = holds.findIndex((one) => one.command === command && texts.some((text) => text.includes(one.about)))
    const [held] = i === -1 ? [] : holds.splice(i, 1)
    const answer = await call(command, ...texts)
    await held?.keep()
    return answer
  }
  return {
    client,
    hold(command, about) {
      const [answered, go] = [signalled(), signalled()]
      holds.push({ command, about, keep: () => (answered.signal(), go.promise) })
      return { answered: answered.promise, letGo: go.signal }
    },
  }
}

describe.skipIf(noServer)('an answer that was under way when its session changed', () => {
  interface Meeting {
    readonly here: Store
    readonly there: Store
    readonly id: string
    readonly hold: (command: string, about: string) => Held
    /** The revision of what is stored at first. */
    readonly revision: string
    /** Changes the session elsewhere, and waits until that was heard of here. */
    readonly change: (alias: string) => Promise<void>
  }

  /** A session of the alias `old`, of which there is no copy here. */
  async function meeting(): Promise<Meeting> {
    const { client, hold } = holding()
    const shared = { prefix: newId() }
    const [here, there] = [open({ client, ...shared, ...CACHE }), open({ ...single, ...shared })]
    const [id, other] = [newId(), newId()]
    await there.save(id, session({ alias: 'old' }), Infinity, 'absent')
    await there.save(other, session(), Infinity, 'absent')
    const { revision } = (await there.load(id, 'confirmed'))!
    await listening(here, other)
    const change = async (alias: string): Promise<void> => {
      await there.save(id, session({ alias }), Infinity, 'present')
      // Changes are heard in order: once this one is, that one was.
      const mark = newId()
      await there.save(other, session({ alias: mark }), Infinity, 'present')
      await eventually(async () => expect((await here.load(other, 'copy'))?.session.alias).toBe(mark))
    }
    return { here, there, id, hold, revision, change }
  }

  it('counts as confirmed for nobody who asks later', async () => {
    const { here, id, hold, change } = await meeting()
    const get = hold('get', id)
    const loading = here.load(id, 'copy')
    await get.answered
    await change('new')
    get.letGo()
    expect((await loading)?.session.alias).toBe('old')
    expect((await here.load(id, 'copy'))?.session.alias).toBe('new')
  })

  it('leaves what was saved meanwhile to be asked for', async () => {
    const { here, id, hold, change } = await meeting()
    const saved = hold('evalsha', id)
    const saving = here.save(id, session({ alias: 'mine' }), Infinity, 'anything')
    await saved.answered
    await change('theirs')
    saved.letGo()
    expect(await saving).toBe(true)
    expect((await here.load(id, 'copy'))?.session.alias).toBe('theirs')
  })

  it('is not waited for by those who ask after the change', async () => {
    const { here, id, hold, change } = await meeting()
    const get = hold('get', id)
    const loading = here.load(id, 'copy')
    await get.answered
    await change('new')
    const later = here.load(id, 'copy')
    get.letGo()
    expect((await later)?.session.alias).toBe('new')
    expect((await loading)?.session.alias).toBe('old')
  })

  it('confirms no copy that was made because of the change', async () => {
    const { here, id, hold, revision, change } = await meeting()
    const counted = hold('evalsha', id)
    // The first time a server is asked it has to be given the script: this is to be the second.
    await here.take([], { id: newId(), revision })
    const taking = here.take([], { id, revision })
    await counted.answered
    await change('new')
    await change('old')
    const get = hold('get', id)
    const loading = here.load(id, 'copy')
    await get.answered
    await change('newest')
    get.letGo()
    expect((await loading)?.revision).toBe(revision)
    counted.letGo()
    expect(await taking).toMatchObject({ refusedBy: -1 })
    expect((await here.load(id, 'copy'))?.session.alias).toBe('newest')
  })

  it('is the last word on what was not changed', async () => {
    const { here, id, hold, revision } = await meeting()
    const get = hold('get', id)
    const loading = here.load(id, 'copy')
    await get.answered
    get.letGo()
    await loading
    expect(here.load(id, 'copy')).toMatchObject({ revision, confirmed: true })
  })
})

describe.skipIf(noServer)('others are told', () => {
  it('of what changed, and of nothing that is as it was', async () => {
    const prefix = newId()
    const [store, listener] = [open({ ...single, prefix }), clientOf(single) as Redis]
    const [id, last] = [newId(), newId()]
    const told: (string | undefined)[] = []
    listener.on('message', (_channel: string, message: string) => told.push(message.split(' ')[1]))
    await listener.subscribe(`${prefix}:sessions`)
    for (const alias of ['a', 'a', 'b', 'b']) await store.save(id, session({ alias }), 60_000, 'anything')
    await store.save(id, session({ alias: 'b' }), Infinity, 'present')
    expect(await store.save(id, session({ alias: 'c' }), Infinity, 'absent')).toBe(false)
    expect([await store.remove(id), await store.remove(id)]).toEqual([true, false])
    await store.save(last, session(), Infinity, 'absent')
    await eventually(() => expect(told).toContain(last))
    expect(told).toEqual([id, id, id, last])
  })
})

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
