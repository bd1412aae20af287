import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { respond } from '@postern/core'
import type { Charge, StoredSession, Taken } from '@postern/core/store'
import { createGateway } from '@postern/http'
import type { RedisStoreOptions } from '@postern/redis'
import { Cluster } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { signalled } from '../support/promises.ts'
import { listen } from '../support/server.ts'
import { ask, charge, cluster, eventually, newId, noServer, open, session, single } from './harness.ts'

afterEach(closeAll)

const stores: [string, RedisStoreOptions][] = [
  ['one server', single],
  ['a cluster', cluster],
  ['the names of a real gateway', { ...single, layout: 'tyk' }],
]

const kinds: readonly Charge['kind'][] = ['sliding-window', 'fixed-window', 'gcra', 'quota']

describe.skipIf(noServer).each(stores)('sessions on %s', (_, options) => {
  it('are found as they were saved, and unknown ids are not', async () => {
    const store = open(options)
    const id = newId()
    const saved = session({ alias: 'Ann', rate: 5, per: 1, metadata: { tier: 'gold', note: 'grün' } })
    expect(await store.load(id, 'confirmed')).toBeUndefined()
    expect(await store.save(id, saved, Infinity, 'absent')).toBe(true)
    const found = await open(options.layout === 'tyk' ? options : { ...options, prefix: 'elsewhere' }).load(id, 'copy')
    expect(found === undefined).toBe(options.layout !== 'tyk')
    expect(await store.load(id, 'confirmed')).toMatchObject({ session: saved, confirmed: true })
  })

  it('are saved only where what is stored was expected', async () => {
    const store = open(options)
    const id = newId()
    const [first, second, third] = [session({ alias: 'a' }), session({ alias: 'b' }), session({ alias: 'c' })]
    expect(await store.save(id, first, Infinity, 'present')).toBe(false)
    expect(await store.save(id, first, Infinity, { revision: 'none' })).toBe(false)
    expect(await store.save(id, first, Infinity, 'absent')).toBe(true)
    expect(await store.save(id, second, Infinity, 'absent')).toBe(false)
    const { revision } = (await store.load(id, 'confirmed'))!
    expect(await store.save(id, second, Infinity, { revision })).toBe(true)
    expect(await store.save(id, third, Infinity, { revision })).toBe(false)
    expect((await store.load(id, 'confirmed'))!.session.alias).toBe('b')
    expect(await store.save(id, third, Infinity, 'present')).toBe(true)
    expect(await store.save(id, first, Infinity, 'anything')).toBe(true)
    expect((await store.load(id, 'confirmed'))!.session.alias).toBe('a')
  })

  it('end with their lifetime, and a later save extends it', async () => {
    const store = open(options)
    const [short, kept] = [newId(), newId()]
    await store.save(short, session(), 60, 'anything')
    await store.save(kept, session(), 60, 'anything')
    await store.save(kept, session(), Infinity, 'anything')
    await sleep(100)
    expect(await store.load(short, 'confirmed')).toBeUndefined()
    expect(await store.load(kept, 'confirmed')).toBeDefined()
  })

  it('are gone once removed', async () => {
    const store = open(options)
    const id = newId()
    await store.save(id, session(), Infinity, 'absent')
    expect(await store.remove(id)).toBe(true)
    expect(await store.remove(id)).toBe(false)
    expect(await store.load(id, 'copy')).toBeUndefined()
  })

  it('stay the same object as long as nothing changed', async () => {
    const store = open(options)
    const id = newId()
    await store.save(id, session({ alias: 'a' }), Infinity, 'absent')
    const first = (await store.load(id, 'confirmed'))!
    const copy = store.load(id, 'copy') as StoredSession
    expect([copy.confirmed, copy.revision]).toEqual([false, first.revision])
    expect(copy.session).toBe(first.session)
    expect((await store.load(id, 'confirmed'))!.session).toBe(first.session)
    expect(Object.isFrozen(first.session)).toBe(true)
    await store.save(id, session({ alias: 'b' }), Infinity, 'anything')
    expect((await store.load(id, 'confirmed'))!.session.alias).toBe('b')
  })

  it('are listed, all of them, with counters between them', async () => {
    const store = open(options)
    const ids = Array.from({ length: 250 }, newId)
    await Promise.all(ids.map(async (id) => store.save(id, session({ alias: id }), 60_000, 'absent')))
    await Promise.all(ids.map(async (subject) => store.take([charge({ subject }), charge({ subject, kind: 'gcra' })])))
    const found = new Map<string, string>()
    let cursor: string | undefined
    let pages = 0
    do {
      const page = await store.list(cursor, 40)
      for (const { id, session: one } of page.sessions) found.set(id, one.alias)
      cursor = page.cursor
      pages += 1
    } while (cursor !== undefined)
    expect(pages).toBeGreaterThan(1)
    for (const id of found.keys()) expect(await store.load(id, 'confirmed')).toBeDefined()
    expect(ids.filter((id) => found.get(id) !== id)).toEqual([])
    await expect(store.list('nonsense', 10)).rejects.toMatchObject({ code: 'PSTN_VALUE_INVALID' })
  })

  it('decide whether a request is counted', async () => {
    const store = open(options)
    const id = newId()
    await store.save(id, session({ alias: 'a' }), Infinity, 'absent')
    const { revision } = (await store.load(id, 'confirmed'))!
    const rate = charge({ subject: id })
    expect(await store.take([], { id, revision })).toEqual({ refusedBy: -1, standings: [] })
    expect(await store.take([rate], { id, revision })).toMatchObject({ refusedBy: -1, standings: [{ remaining: 1 }] })
    await store.save(id, session({ alias: 'b' }), Infinity, 'anything')
    expect(await store.take([rate], { id, revision })).toBe('changed')
    await store.remove(id)
    expect(await store.take([rate], { id, revision })).toBe('changed')
    expect(await store.take([], { id, revision })).toBe('changed')
    expect(await store.peek([rate])).toMatchObject([{ remaining: 1 }])
  })
})

describe.skipIf(noServer).each(stores)('counters on %s', (_, options) => {
  it.each(kinds)('let as many pass as may, and no more: %s', async (kind) => {
    const store = open(options)
    const limit = charge({ subject: newId(), kind, max: 3, periodMs: 3_600_000 })
    expect(await store.peek([limit])).toMatchObject([{ remaining: 3 }])
    const passed: unknown[] = []
    for (let i = 0; i < 5; i++) {
      const { refusedBy, standings } = (await store.take([limit])) as Taken
      passed.push([refusedBy, standings[0]!.remaining])
    }
    expect(passed).toEqual([
      [-1, 2],
      [-1, 1],
      [-1, 0],
      [0, 0],
      [0, 0],
    ])
    const [standing] = await store.peek([limit])
    expect(standing!.remaining).toBe(0)
    expect(standing!.resetMs).toBeGreaterThan(0)
    expect(standing!.resetMs).toBeLessThanOrEqual(3_600_000)
    await store.reset([limit])
    expect(await store.peek([limit])).toMatchObject([{ remaining: 3 }])
  })

  it.each(kinds)('let nothing pass where the limit is 0: %s', async (kind) => {
    const store = open(options)
    const limit = charge({ subject: newId(), kind, max: 0 })
    expect(await store.take([limit])).toEqual({ refusedBy: 0, standings: [{ remaining: 0, resetMs: Infinity }] })
    expect(await store.peek([limit])).toEqual([{ remaining: 0, resetMs: Infinity }])
  })

  it.each(kinds)('pass again after a period: %s', async (kind) => {
    const store = open(options)
    const limit = charge({ subject: newId(), kind, max: 1, periodMs: 80 })
    await store.take([limit])
    await eventually(async () => expect(await store.take([limit])).toMatchObject({ refusedBy: -1 }))
  })

  it('count in all of them or in none', async () => {
    const store = open(options)
    const subject = newId()
    const [wide, narrow] = [charge({ subject, max: 10 }), charge({ subject, kind: 'quota', max: 1 })]
    await store.take([wide, narrow])
    expect(await store.take([wide, narrow])).toMatchObject({
      refusedBy: 1,
      standings: [{ remaining: 9 }, { remaining: 0 }],
    })
    expect(await store.peek([wide])).toMatchObject([{ remaining: 9 }])
  })

  it.each(kinds)('give back what was counted for one subject when another refuses: %s', async (kind) => {
    const store = open(options)
    const [key, api] = [newId(), newId()]
    const perKey = charge({ subject: key, kind, max: 5, periodMs: 3_600_000 })
    const perEndpoint = charge({ ...perKey, endpoint: 'GET /a', max: 4 })
    const perApi = charge({ subject: `api:${api}`, max: 1 })
    expect(await store.take([perKey, perApi, perEndpoint])).toMatchObject({ refusedBy: -1 })
    const refused = await store.take([perKey, perApi, perEndpoint])
    expect(refused).toMatchObject({ refusedBy: 1, standings: [{ remaining: 4 }, { remaining: 0 }, { remaining: 3 }] })
    expect(await store.peek([perApi, perEndpoint, perKey])).toMatchObject([
      { remaining: 0 },
      { remaining: 3 },
      { remaining: 4 },
    ])
  })

  it('never renew a quota without a period', async () => {
    const store = open(options)
    const limit = charge({ subject: newId(), kind: 'quota', max: 2, periodMs: Infinity })
    expect(await store.peek([limit])).toEqual([{ remaining: 2, resetMs: Infinity }])
    await store.take([limit])
    await store.take([limit])
    expect(await store.take([limit])).toEqual({ refusedBy: 0, standings: [{ remaining: 0, resetMs: Infinity }] })
  })

  it('are kept apart by subject, scope, endpoint and kind', async () => {
    const store = open(options)
    const subject = newId()
    const limits = [
      charge({ subject }),
      charge({ subject, scope: 'orders' }),
      charge({ subject, endpoint: 'GET /orders/long/enough' }),
      charge({ subject, scope: 'a:b', endpoint: 'c' }),
      charge({ subject, scope: 'a', endpoint: 'b:c' }),
      charge({ subject, kind: 'gcra' }),
      charge({ subject, kind: 'quota' }),
      charge({ subject: `${subject}}x` }),
    ]
    const apart = options.layout === 'tyk' ? limits.filter(({ endpoint }) => endpoint.length !== 1) : limits
    for (const limit of apart) expect(await store.take([limit])).toMatchObject({ standings: [{ remaining: 1 }] })
    expect(await store.take([])).toEqual({ refusedBy: -1, standings: [] })
    expect(await store.peek([])).toEqual([])
  })
})

describe.skipIf(noServer)('names', () => {
  it('of one subject lie in one slot, and all but those of endless quotas end by themselves', async () => {
    const store = open({ ...single, prefix: 'tidy' })
    const subject = newId()
    for (const kind of kinds) await store.take([charge({ subject, kind, scope: 'orders', endpoint: 'GET /x' })])
    await store.take([charge({ subject, kind: 'quota', periodMs: Infinity })])
    const period = charge({ subject }).periodMs
    for (const letter of ['r', 'w', 'g', 'q']) {
      const ttl = await ask(`PTTL "tidy:{${subject}}:${letter}:${period}:orders:GET /x"`)
      expect(Number(ttl.slice(1))).toBeGreaterThan(0)
    }
    expect(await ask(`PTTL tidy:{${subject}}:q:Infinity::`)).toBe(':-1')
  })
})

describe.skipIf(noServer)('a clock that is set back', () => {
  const TIME = Date.UTC(2030, 0, 1)

  it.each(kinds)('keeps nobody out who has something left, and begins no period anew: %s', async (kind) => {
    let now = TIME
    const store = open({ ...single, now: () => now })
    const limit = charge({ subject: newId(), kind, max: 3 })
    const passes = async (): Promise<boolean> => ((await store.take([limit])) as Taken).refusedBy === -1
    expect(await passes()).toBe(true)
    now = TIME - 600_000
    expect([await passes(), await passes(), await passes()]).toEqual([true, true, false])
    now = TIME + 1000
    expect(await passes()).toBe(false)
    now = TIME + 120_000
    expect(await passes()).toBe(true)
  })

  it('frees nothing in a window that slides before it would have been free', async () => {
    let now = TIME
    const store = open({ ...single, now: () => now })
    const limit = charge({ subject: newId(), max: 3 })
    for (const at of [-40_000, 0, -50_000]) {
      now = TIME + at
      expect(await store.take([limit])).toMatchObject({ refusedBy: -1 })
    }
    now = TIME + 25_000
    expect(await store.take([limit])).toMatchObject({ refusedBy: -1, standings: [{ remaining: 0 }] })
    expect(await store.take([limit])).toMatchObject({ refusedBy: 0 })
  })
})

describe.skipIf(noServer)('what one slot of a cluster counted before another', () => {
  /** A client of the cluster that keeps the next answer to a script about a name back until it is told to let go. */
  function holding(about: string): { client: Cluster; answered: Promise<void>; letGo: () => void } {
    const client = new Cluster([...cluster.cluster!.nodes])
    closeLater(() => client.disconnect())
    const [answered, go] = [signalled(), signalled()]
    const call = client.call.bind(client) as (command: string, ...args: string[]) => Promise<unknown>
    let held = false
    client.call = async (command: string, ...args: unknown[]) => {
      const answer = await call(command, ...(args as string[]))
      if (held || !command.startsWith('eval') || !args.some((arg) => String(arg).includes(about))) return answer
      held = true
      answered.signal()
      await go.promise
      return answer
    }
    return { client, answered: answered.promise, letGo: go.signal }
  }

  it.each(kinds)('could not is given back: %s', async (kind) => {
    const prefix = newId()
    const store = open({ ...cluster, prefix })
    const [key, api] = [newId(), newId()]
    const perKey = charge({ subject: key, kind, max: 5, periodMs: 3_600_000 })
    const perApi = charge({ subject: `api:${api}` })
    const client = new Cluster([...cluster.cluster!.nodes])
    closeLater(() => client.disconnect())
    // No list, as somebody else's data would be.
    await client.set(`${prefix}:{api:${api}}:r:60000::`, 'something else')
    await expect(store.take([perKey, perApi])).rejects.toMatchObject({ code: 'PSTN_STORE_UNAVAILABLE' })
    expect(await store.peek([perKey])).toMatchObject([{ remaining: 5 }])
    await client.del(`${prefix}:{api:${api}}:r:60000::`)
    expect(await store.take([perKey, perApi])).toMatchObject({ standings: [{ remaining: 4 }, { remaining: 1 }] })
  })

  it.each(kinds)('refused is not given back to a period that began since: %s', async (kind) => {
    let now = Date.UTC(2030, 0, 1)
    const [key, api] = [newId(), newId()]
    const { client, answered, letGo } = holding(key)
    const store = open({ client, prefix: newId(), now: () => now })
    const perKey = charge({ subject: key, kind, max: 5 })
    const perApi = charge({ subject: `api:${api}`, max: 1, periodMs: 3_600_000 })
    await store.take([perApi])
    const taking = store.take([perKey, perApi])
    await answered
    now += 61_000
    expect(await store.take([perKey])).toMatchObject({ standings: [{ remaining: 4 }] })
    letGo()
    expect(await taking).toMatchObject({ refusedBy: 1 })
    expect(await store.peek([perKey])).toMatchObject([{ remaining: 4 }])
  })
})

describe.skipIf(noServer)('the id of a session that a plugin made', () => {
  it.each<[string, RedisStoreOptions]>([
    ['the names of postern', single],
    ['the names of a real gateway', { ...single, layout: 'tyk' }],
    ['the names of a real gateway with keys as they are', { ...single, layout: 'tyk', tyk: { hashKeys: false } }],
  ])('is nobody’s key: %s', async (_, options) => {
    const name = newId()
    const gateway = createGateway(
      [
        {
          name,
          listenPath: '/plugin',
          hooks: { auth: (request) => ({ metadata: { token: request.headers.get('authorization') ?? '' } }) },
        },
        { name: `${name}-keys`, listenPath: '/keys', authentication: { token: true } },
      ],
      { store: open(options), forward: () => respond(200, 'ok') },
    )
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    const { url } = await listen(createServer(gateway))
    const status = async (path: string, authorization: string): Promise<number> =>
      (await send(url, path, { headers: { authorization } })).status
    const { key } = await gateway.sessions.create()
    expect([await status('/keys', key), await status('/plugin', 'ann')]).toEqual([200, 200])
    const callers = (): readonly string[] => gateway.records.list().map(({ apiKey }) => apiKey)
    await eventually(() => expect(callers()).toContainEqual(expect.stringMatching(/^caller:/)))
    const id = callers().find((one) => one.startsWith('caller:'))!
    await eventually(async () => expect(await gateway.sessions.get({ id })).toMatchObject({ id }))
    expect([await status('/keys', id), await status('/keys', `Bearer ${id}`)]).toEqual([403, 403])
  })
})

describe.skipIf(noServer)('a store with keys as they are', () => {
  it('shows no key in records', async () => {
    const gateway = createGateway(
      { name: newId(), authentication: { token: true } },
      { store: open({ ...single, layout: 'tyk', tyk: { hashKeys: false } }), forward: () => respond(200, 'ok') },
    )
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    const { url } = await listen(createServer(gateway))
    const { key, id } = await gateway.sessions.create()
    expect(id).toBe(key)
    expect((await send(url, '/', { headers: { authorization: key } })).status).toBe(200)
    await eventually(() => expect(gateway.records.list()).toHaveLength(1))
    const [record] = gateway.records.list()
    expect(record?.apiKey).toMatch(/^[\da-f]{64}$/)
    expect(JSON.stringify(record)).not.toContain(key)
  })
})
