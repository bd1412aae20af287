import { type ApiDefinitionInput, deny, type KeyInput, respond } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { connect, envelope, fields, listenTo } from './harness.ts'
import { type Limited, remaining, runLimited, times, told } from './limits-harness.ts'
import { remote } from '../support/stores.ts'

const WITH_KEYS: ApiDefinitionInput = { name: 'orders', authentication: { token: true } }

function keyed(name: string): ApiDefinitionInput {
  return { ...WITH_KEYS, name, listenPath: `/${name}/` }
}

async function newKey({ gateway }: Limited, session: KeyInput): Promise<string> {
  return (await gateway.sessions.create(session)).key
}

function passed(statuses: readonly number[]): number {
  return statuses.filter((status) => status === 200).length
}

describe('a quota', () => {
  it.each([1, 37, 100])('of %d lets exactly so many of 120 pass that arrive together', async (quotaMax) => {
    const limited = await runLimited(WITH_KEYS)
    const key = await newKey(limited, { quotaMax, quotaRenewalRate: 3600 })
    expect(await limited.atOnce(120, { key })).toEqual([...times(quotaMax, 200), ...times(120 - quotaMax, 403)])
  })

  it('is as exact with a store that answers later', async () => {
    const limited = await runLimited(WITH_KEYS, { store: remote })
    const key = await newKey(limited, { quotaMax: 37, quotaRenewalRate: 3600 })
    expect(await limited.atOnce(120, { key })).toEqual([...times(37, 200), ...times(83, 403)])
  })

  it('renews a period after the first request it counted, exact in every period, with requests that race for it', async () => {
    const limited = await runLimited(WITH_KEYS)
    const key = await newKey(limited, { quotaMax: 10, quotaRenewalRate: 60 })
    for (let period = 0; period < 4; period += 1) {
      // Where the periods lie follows from the requests, not from the clock.
      limited.clock.pass(7)
      expect(passed(await limited.atOnce(6, { key }))).toBe(6)
      limited.clock.pass(59)
      expect(passed(await limited.atOnce(20, { key }))).toBe(4)
      limited.clock.now += 999
      expect(passed(await limited.atOnce(3, { key }))).toBe(0)
      limited.clock.now += 1
      expect(passed(await limited.atOnce(30, { key }))).toBe(10)
      limited.clock.pass(60)
    }
  })

  it('never renews where its renewal is 0, and tells nobody to come back', async () => {
    const limited = await runLimited(WITH_KEYS)
    const key = await newKey(limited, { quotaMax: 2, quotaRenewalRate: 0 })
    expect(await limited.statuses(3, { key })).toEqual([200, 200, 403])
    limited.clock.pass(10 * 365 * 86_400)
    const refused = await limited.ask({ key })
    expect([
      refused.status,
      fields(refused, 'retry-after'),
      fields(refused, 'x-ratelimit-reset'),
      told(refused),
    ]).toEqual([403, [], ['0'], { quota: { q: 2, w: undefined, r: 0, t: undefined } }])
  })

  it.each([0, -1])('of %d is none', async (quotaMax) => {
    const limited = await runLimited(WITH_KEYS)
    const key = await newKey(limited, { quotaMax, quotaRenewalRate: 60 })
    expect(await limited.statuses(5, { key })).toEqual(times(5, 200))
    expect(told(await limited.ask({ key }))).toEqual({})
  })

  it('refuses with 403, and says so in an event without the key', async () => {
    const limited = await runLimited(WITH_KEYS)
    const [exceeded, rates] = [
      listenTo(limited.gateway, 'quotaExceeded'),
      listenTo(limited.gateway, 'rateLimitExceeded'),
    ]
    const { key, masked } = await limited.gateway.sessions.create({ quotaMax: 1, quotaRenewalRate: 60 })
    await limited.statuses(1, { key })
    limited.clock.pass(20)
    const refused = await limited.ask({ key, path: '/x' })
    expect([refused.status, refused.body]).toEqual([403, envelope('Quota exceeded')])
    expect(exceeded).toEqual([
      {
        api: expect.objectContaining({ id: 'orders' }),
        key: masked,
        max: 1,
        periodMs: 60_000,
        resetMs: 40_000,
        method: 'GET',
        path: '/x',
        clientAddress: '127.0.0.1',
      },
    ])
    expect([JSON.stringify(exceeded).includes(key), rates]).toEqual([false, []])
  })

  it('says in whole milliseconds when it begins anew, or that it never does', async () => {
    const limited = await runLimited(WITH_KEYS)
    const events = listenTo(limited.gateway, 'quotaExceeded')
    const keys = [await newKey(limited, { quotaMax: 1, quotaRenewalRate: 60 }), await newKey(limited, { quotaMax: 1 })]
    for (const key of keys) await limited.statuses(1, { key })
    limited.clock.now += 0.25
    for (const key of keys) await limited.statuses(1, { key })
    expect(events.map(({ resetMs }) => resetMs)).toEqual([60_000, Infinity])
  })
})

describe('whose quota it is', () => {
  const apis = ['one', 'two', 'three'].map(keyed)

  it('each key has its own', async () => {
    const limited = await runLimited(apis)
    const session = { quotaMax: 2, quotaRenewalRate: 60 }
    for (const key of [await newKey(limited, session), await newKey(limited, session)])
      expect(await limited.statuses(3, { key, path: '/one/' })).toEqual([200, 200, 403])
  })

  it('that of the key is for all APIs together', async () => {
    const limited = await runLimited(apis)
    const key = await newKey(limited, { quotaMax: 3, quotaRenewalRate: 60 })
    expect(await limited.statuses(2, { key, path: '/one/' })).toEqual([200, 200])
    expect(await limited.statuses(2, { key, path: '/two/' })).toEqual([200, 403])
    expect(await limited.statuses(1, { key, path: '/one/' })).toEqual([403])
  })

  it('that of an access right is for its API alone, in place of that of the key', async () => {
    const limited = await runLimited(apis)
    const key = await newKey(limited, {
      quotaMax: 1,
      quotaRenewalRate: 60,
      accessRights: {
        one: { limit: { quotaMax: 2, quotaRenewalRate: 60 } },
        two: { limit: { quotaMax: -1 } },
        three: {},
      },
    })
    expect(await limited.statuses(3, { key, path: '/one/' })).toEqual([200, 200, 403])
    expect(await limited.statuses(4, { key, path: '/two/' })).toEqual(times(4, 200))
    expect(await limited.statuses(2, { key, path: '/three/' })).toEqual([200, 403])
  })

  it('that of the key holds where the access right only has a rate', async () => {
    const limited = await runLimited(apis)
    const key = await newKey(limited, {
      quotaMax: 1,
      quotaRenewalRate: 60,
      accessRights: { one: { limit: { rate: 100, per: 1 } } },
    })
    expect(await limited.statuses(2, { key, path: '/one/' })).toEqual([200, 403])
  })

  it('those of one scope are one', async () => {
    const limited = await runLimited(apis)
    const limit = { quotaMax: 3, quotaRenewalRate: 60 }
    const key = await newKey(limited, {
      accessRights: {
        one: { limit, allowanceScope: 'pair' },
        two: { limit, allowanceScope: 'pair' },
        three: { limit },
      },
    })
    expect(await limited.statuses(2, { key, path: '/one/' })).toEqual([200, 200])
    expect(await limited.statuses(2, { key, path: '/two/' })).toEqual([200, 403])
    expect(await limited.statuses(4, { key, path: '/three/' })).toEqual([200, 200, 200, 403])
  })

  it('the APIs of one policy share that of the policy, its keys do not', async () => {
    const limited = await runLimited(apis, {
      policies: { trial: { quotaMax: 3, quotaRenewalRate: 60, accessRights: { one: {}, two: {} } } },
    })
    const [ann, bob] = [
      await newKey(limited, { applyPolicies: ['trial'] }),
      await newKey(limited, { applyPolicies: ['trial'] }),
    ]
    expect(await limited.statuses(2, { key: ann, path: '/one/' })).toEqual([200, 200])
    expect(await limited.statuses(2, { key: ann, path: '/two/' })).toEqual([200, 403])
    expect(await limited.statuses(3, { key: bob, path: '/one/' })).toEqual([200, 200, 200])
  })

  it('that of a session an auth plugin makes goes by API and token, whatever it is stamped with', async () => {
    let stamp = 0
    const auth = (request: {
      readonly headers: { get(name: string): string | null }
    }): KeyInput & { metadata: { token: string } } => ({
      quotaMax: 2,
      quotaRenewalRate: 60,
      quotaRemaining: 2,
      quotaRenews: (stamp += 1),
      lastUpdated: String(stamp),
      metadata: { token: request.headers.get('authorization') ?? '' },
    })
    const limited = await runLimited(['one', 'two'].map((name) => ({ name, listenPath: `/${name}/`, hooks: { auth } })))
    expect(await limited.statuses(3, { key: 'ann', path: '/one/' })).toEqual([200, 200, 403])
    expect(await limited.statuses(3, { key: 'bob', path: '/one/' })).toEqual([200, 200, 403])
    expect(await limited.statuses(3, { key: 'ann', path: '/two/' })).toEqual([200, 200, 403])
  })
})

describe('a request counts against the quota', () => {
  const upstreamDown: ApiDefinitionInput = { ...WITH_KEYS, upstream: 'http://127.0.0.1:1' }

  async function left({ gateway }: Limited, key: string): Promise<number | undefined> {
    return (await gateway.sessions.quotas(key))[0]?.remaining
  }

  it.each<[string, Partial<ApiDefinitionInput>, number]>([
    ['an endpoint plugin answered', { endpoints: { 'GET /': [() => respond(200)] } }, 200],
    ['an endpoint plugin refused', { endpoints: { 'GET /': [() => deny(402)] } }, 402],
    ['a post plugin answered', { hooks: { post: [() => respond(204)] } }, 204],
    ['a plugin behind it broke', { hooks: { post: [() => Promise.reject(new Error('broken'))] } }, 500],
    ['a response plugin broke', { hooks: { response: [() => Promise.reject(new Error('broken'))] } }, 500],
  ])('where %s', async (_, more, status) => {
    const limited = await runLimited({ ...WITH_KEYS, ...more })
    limited.gateway.on('pluginError', () => undefined)
    const key = await newKey(limited, { quotaMax: 5, quotaRenewalRate: 60 })
    const answer = await limited.ask({ key })
    expect([answer.status, remaining(answer), await left(limited, key)]).toEqual([status, { quota: 4 }, 4])
  })

  it('where the upstream cannot be reached', async () => {
    const limited = await runLimited(upstreamDown, { forward: undefined })
    limited.gateway.on('upstreamError', () => undefined)
    const key = await newKey(limited, { quotaMax: 5, quotaRenewalRate: 60 })
    const answer = await limited.ask({ key })
    expect([answer.status, remaining(answer), await left(limited, key)]).toEqual([502, { quota: 4 }, 4])
  })

  it('where its client hung up afterwards', async () => {
    let met: () => void = () => undefined
    const behind = new Promise<void>((resolve) => (met = resolve))
    const limited = await runLimited({
      ...WITH_KEYS,
      endpoints: {
        'GET /wait': [
          (_, { signal }) => {
            met()
            return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)))
          },
        ],
      },
    })
    const key = await newKey(limited, { quotaMax: 5, quotaRenewalRate: 60 })
    const client = await connect(limited.port)
    client.write(`GET /wait HTTP/1.1\r\nHost: a\r\nAuthorization: ${key}\r\n\r\n`)
    await behind
    client.hangUp()
    await expect.poll(() => limited.gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([499])
    expect(await left(limited, key)).toBe(4)
  })

  it('and not where it was refused before, by a rate, or by the quota itself', async () => {
    const limited = await runLimited({
      ...WITH_KEYS,
      hooks: { postAuth: [(request) => (request.path === '/no' ? deny(400) : undefined)] },
      limits: { endpoints: { 'GET /api': { rate: 1, per: 600 } } },
    })
    const key = await newKey(limited, {
      quotaMax: 4,
      quotaRenewalRate: 600,
      accessRights: {
        orders: {
          allowedUrls: [{ url: '/.*', methods: ['GET'] }],
          endpoints: [{ path: '/key', methods: [{ name: 'GET', limit: { rate: 1, per: 600 } }] }],
        },
      },
    })
    expect(await limited.statuses(3, { key, path: '/no' })).toEqual([400, 400, 400])
    expect(await limited.statuses(3, { key, method: 'PUT' })).toEqual([403, 403, 403])
    expect(await limited.statuses(3, { key, path: '/api' })).toEqual([200, 429, 429])
    expect(await limited.statuses(3, { key, path: '/key' })).toEqual([200, 429, 429])
    expect(await left(limited, key)).toBe(2)
    expect(await limited.statuses(4, { key, path: '/free' })).toEqual([200, 200, 403, 403])
    limited.clock.pass(600)
    expect(await limited.statuses(5, { key, path: '/free' })).toEqual([200, 200, 200, 200, 403])
  })
})

describe('what is left of a quota', () => {
  it('is told in the headers, never below 0 and never above the maximum, in every period', async () => {
    const limited = await runLimited(WITH_KEYS)
    const key = await newKey(limited, { quotaMax: 3, quotaRenewalRate: 60 })
    for (let period = 0; period < 3; period += 1) {
      const seen: (string | undefined)[] = []
      for (let i = 0; i < 5; i += 1) seen.push(fields(await limited.ask({ key }), 'x-ratelimit-remaining')[0])
      expect(seen).toEqual(['2', '1', '0', '0', '0'])
      limited.clock.pass(60)
    }
  })

  it('is shown to plugins behind the limits', async () => {
    const seen: unknown[] = []
    const look = (_: unknown, context: { readonly session?: { readonly quotaRemaining: number } | undefined }): void =>
      void seen.push(context.session?.quotaRemaining)
    const limited = await runLimited({
      ...WITH_KEYS,
      endpoints: { 'GET /': [look] },
      hooks: { post: [look], response: [look] },
    })
    const key = await newKey(limited, { quotaMax: 3, quotaRenewalRate: 60, quotaRemaining: 77 })
    await limited.statuses(2, { key })
    expect(seen).toEqual([2, 2, 2, 1, 1, 1])
  })

  it('is known to gateway.sessions, with the APIs that share it', async () => {
    const limited = await runLimited(['one', 'two', 'three'].map(keyed))
    const key = await newKey(limited, {
      quotaMax: 5,
      quotaRenewalRate: 60,
      accessRights: { one: {}, two: {}, three: { limit: { quotaMax: 7, quotaRenewalRate: 60 } } },
    })
    expect(await limited.gateway.sessions.quotas(key)).toEqual([
      { apis: ['one', 'two'], max: 5, remaining: 5, renews: 0 },
      { apis: ['three'], max: 7, remaining: 7, renews: 0 },
    ])
    await limited.statuses(2, { key, path: '/one/' })
    await limited.statuses(1, { key, path: '/three/' })
    expect(await limited.gateway.sessions.quotas(key)).toEqual([
      { apis: ['one', 'two'], max: 5, remaining: 3, renews: expect.any(Number) },
      { apis: ['three'], max: 7, remaining: 6, renews: expect.any(Number) },
    ])
  })

  it('is all of it after resetQuota(), and for a key made anew', async () => {
    const limited = await runLimited(WITH_KEYS)
    const session = { quotaMax: 2, quotaRenewalRate: 0 }
    const key = await newKey(limited, session)
    expect(await limited.statuses(3, { key })).toEqual([200, 200, 403])
    await limited.gateway.sessions.resetQuota(key)
    expect(await limited.statuses(3, { key })).toEqual([200, 200, 403])
    await limited.gateway.sessions.delete(key)
    expect(await limited.statuses(1, { key })).toEqual([403])
    await limited.gateway.sessions.create(session, { key })
    expect(await limited.statuses(3, { key })).toEqual([200, 200, 403])
  })

  it('follows the key: a change holds at once, and what was used stays used', async () => {
    const limited = await runLimited(WITH_KEYS)
    const key = await newKey(limited, { quotaMax: 3, quotaRenewalRate: 60 })
    expect(await limited.statuses(4, { key })).toEqual([200, 200, 200, 403])
    await limited.gateway.sessions.update(key, { quotaMax: 5, alias: 'Ann' })
    expect(await limited.statuses(3, { key })).toEqual([200, 200, 403])
    await limited.gateway.sessions.update(key, { quotaMax: 2 })
    const refused = await limited.ask({ key })
    expect([refused.status, told(refused)]).toEqual([403, { quota: { q: 2, w: 60, r: 0, t: 60 } }])
    limited.clock.pass(60)
    expect(await limited.statuses(3, { key })).toEqual([200, 200, 403])
  })

  it('is untouched by metadata that plugins note on the session', async () => {
    const limited = await runLimited({
      ...WITH_KEYS,
      hooks: { post: [(_, { session }) => void (session!.metadata['seen'] = Math.random())] },
    })
    const key = await newKey(limited, { quotaMax: 3, quotaRenewalRate: 60 })
    expect(await limited.statuses(4, { key })).toEqual([200, 200, 200, 403])
  })
})

describe('the event quotaThreshold', () => {
  const session: KeyInput = { quotaMax: 10, quotaRenewalRate: 60, monitor: { triggerLimits: [100, 50, 75] } }

  it('is raised once for each threshold in a period, by the request that reached it', async () => {
    const limited = await runLimited(WITH_KEYS)
    const events = listenTo(limited.gateway, 'quotaThreshold')
    const { key, masked } = await limited.gateway.sessions.create(session)
    for (let period = 0; period < 2; period += 1) {
      events.length = 0
      const after: number[] = []
      for (let i = 0; i < 13; i += 1) {
        await limited.ask({ key })
        after.push(events.length)
      }
      expect(after).toEqual([0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3])
      expect(events.map(({ percent, used, max }) => [percent, used, max])).toEqual([
        [50, 5, 10],
        [75, 8, 10],
        [100, 10, 10],
      ])
      expect(events.every((event) => event.key === masked && event.api.id === 'orders' && event.renews > 0)).toBe(true)
      limited.clock.pass(60)
    }
    expect(JSON.stringify(events)).not.toContain(key)
  })

  it('is raised once when requests race for it', async () => {
    const limited = await runLimited(WITH_KEYS, { store: remote })
    const events = listenTo(limited.gateway, 'quotaThreshold')
    const key = await newKey(limited, { ...session, quotaMax: 40 })
    await limited.atOnce(60, { key })
    expect(events.map(({ percent, used }) => [percent, used])).toEqual([
      [50, 20],
      [75, 30],
      [100, 40],
    ])
  })

  it('is raised for the quota of an access right, and for one that never renews', async () => {
    const limited = await runLimited(WITH_KEYS)
    const events = listenTo(limited.gateway, 'quotaThreshold')
    const key = await newKey(limited, {
      monitor: { triggerLimits: [50] },
      accessRights: { orders: { limit: { quotaMax: 4 } } },
    })
    await limited.statuses(5, { key })
    expect(events.map(({ percent, used, max, renews }) => [percent, used, max, renews])).toEqual([[50, 2, 4, 0]])
  })

  it('is not raised where there is no quota', async () => {
    const limited = await runLimited(WITH_KEYS)
    const events = listenTo(limited.gateway, 'quotaThreshold')
    const key = await newKey(limited, { rate: 2, per: 60, monitor: { triggerLimits: [50] } })
    await limited.statuses(3, { key })
    expect(events).toEqual([])
  })
})
