import { type ApiDefinitionInput, type AuthPlugin, deny, type KeyInput, respond } from '@postern/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rawExchange } from '../support/raw-client.ts'
import { envelope, listenTo } from './harness.ts'
import { type Limited, remaining, runLimited, times, told } from './limits-harness.ts'

const WITH_KEYS: ApiDefinitionInput = { name: 'orders', authentication: { token: true } }

async function newKey({ gateway }: Limited, session: KeyInput): Promise<string> {
  return (await gateway.sessions.create(session)).key
}

/** Whoever names himself is let in, with what the session says. */
function named(session: (name: string) => KeyInput): AuthPlugin {
  return (request) => {
    const token = request.headers.get('authorization') ?? ''
    return { ...session(token), metadata: { token } }
  }
}

describe('the default algorithm', () => {
  /** Milliseconds of each request that passed. */
  type History = readonly number[]

  /** The most requests that passed in any window of a period, wherever it starts. */
  function fullest(history: History, periodMs: number): number {
    return Math.max(0, ...history.map((end) => history.filter((at) => at > end - periodMs && at <= end).length))
  }

  it(
    'never lets more than the rate pass in any window, and refuses nothing without need',
    { timeout: 30_000 },
    async () => {
      const limited = await runLimited(WITH_KEYS)
      const bursts = fc.array(
        fc.record({
          gapMs: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 900, max: 1100 })),
          size: fc.integer({ min: 1, max: 4 }),
        }),
        { minLength: 1, maxLength: 25 },
      )
      await fc.assert(
        fc.asyncProperty(bursts, fc.integer({ min: 1, max: 5 }), async (trace, rate) => {
          const key = await newKey(limited, { rate, per: 1 })
          const passed: number[] = []
          for (const { gapMs, size } of trace) {
            limited.clock.now += gapMs
            const now = limited.clock.now
            const room = rate - passed.filter((at) => at > now - 1000).length
            const expected = Math.min(size, room)
            const found = await limited.atOnce(size, { key })
            expect(found).toEqual([...times(expected, 200), ...times(size - expected, 429)])
            passed.push(...times(expected, now))
          }
          expect(fullest(passed, 1000)).toBeLessThanOrEqual(rate)
        }),
        { numRuns: 15 },
      )
    },
  )

  it('is exact however many requests arrive together', async () => {
    const limited = await runLimited({ ...WITH_KEYS, limits: { rate: 40, per: 60 } })
    const key = await newKey(limited, { rate: 25, per: 60 })
    expect(await limited.atOnce(60, { key })).toEqual([...times(25, 200), ...times(35, 429)])
    const other = await newKey(limited, {})
    expect(await limited.atOnce(60, { key: other })).toEqual([...times(15, 200), ...times(45, 429)])
  })

  it('does not count what it refuses: who keeps trying gets in as soon as there is room', async () => {
    const limited = await runLimited({ name: 'a', limits: { rate: 2, per: 10 } })
    expect(await limited.statuses(2)).toEqual([200, 200])
    for (let second = 1; second < 10; second += 1) {
      limited.clock.pass(1)
      expect(await limited.statuses(3)).toEqual([429, 429, 429])
    }
    limited.clock.pass(1)
    expect(await limited.statuses(3)).toEqual([200, 200, 429])
  })

  it('lets no double rate through across the edge of a period', async () => {
    const limited = await runLimited({ name: 'a', limits: { rate: 3, per: 10 } })
    limited.clock.pass(9.9)
    expect(await limited.statuses(3)).toEqual([200, 200, 200])
    limited.clock.pass(0.2)
    expect(await limited.statuses(1)).toEqual([429])
    limited.clock.pass(9.8)
    expect(await limited.statuses(4)).toEqual([200, 200, 200, 429])
  })
})

describe('the other algorithms', () => {
  it('fixed-window counts by whole periods of the clock', async () => {
    const limited = await runLimited({ name: 'a', limits: { rate: 3, per: 10, algorithm: 'fixed-window' } })
    limited.clock.pass(9.9)
    expect(await limited.statuses(4)).toEqual([200, 200, 200, 429])
    limited.clock.pass(0.2)
    expect(await limited.statuses(4)).toEqual([200, 200, 200, 429])
  })

  it('gcra lets a burst pass, and then one for each share of the period', async () => {
    const limited = await runLimited({ name: 'a', limits: { rate: 4, per: 8, algorithm: 'gcra' } })
    expect(await limited.statuses(5)).toEqual([200, 200, 200, 200, 429])
    limited.clock.pass(1.9)
    expect(await limited.statuses(1)).toEqual([429])
    limited.clock.pass(0.1)
    expect(await limited.statuses(2)).toEqual([200, 429])
    limited.clock.pass(8)
    expect(await limited.statuses(5)).toEqual([200, 200, 200, 200, 429])
  })

  it('count the rates of keys as well', async () => {
    const limited = await runLimited({ ...WITH_KEYS, limits: { algorithm: 'gcra' } })
    const key = await newKey(limited, { rate: 2, per: 10 })
    expect(await limited.statuses(3, { key })).toEqual([200, 200, 429])
    limited.clock.pass(5)
    expect(await limited.statuses(2, { key })).toEqual([200, 429])
  })
})

describe('a fraction', () => {
  it.each([
    [0.5, 1, 1, 2],
    [0.1, 1, 1, 10],
    [2.5, 10, 2, 10],
    [1, 0.25, 1, 0.25],
    [0.25, 0.5, 1, 2],
  ])('%d per %d seconds lets %d pass in %d seconds, for an API and for a key', async (rate, per, max, period) => {
    const limited = await runLimited([
      { name: 'api', listenPath: '/api/', limits: { rate, per } },
      { name: 'key', listenPath: '/key/', authentication: { token: true } },
    ])
    const key = await newKey(limited, { rate, per })
    for (const ask of [{ path: '/api/' }, { path: '/key/', key }]) {
      const expected = [...times(max, 200), 429]
      expect(await limited.statuses(max + 1, ask)).toEqual(expected)
      limited.clock.now += period * 1000 - 1
      expect(await limited.statuses(1, ask)).toEqual([429])
      limited.clock.now += 1
      expect(await limited.statuses(max + 1, ask)).toEqual(expected)
    }
  })
})

describe('which limit of a key holds', () => {
  const session: KeyInput = {
    rate: 1,
    per: 60,
    accessRights: {
      orders: {
        limit: { rate: 2, per: 60 },
        endpoints: [
          {
            path: '/stock/{sku}',
            methods: [
              { name: 'GET', limit: { rate: 3, per: 60 } },
              { name: 'PUT', limit: { rate: 0, per: 0 } },
              { name: 'POST', limit: { rate: 4, per: 60 } },
            ],
          },
        ],
      },
      plain: {},
      quotaOnly: { limit: { quotaMax: 100, quotaRenewalRate: 60 } },
      free: { limit: { rate: -1 } },
    },
  }
  const apis = ['orders', 'plain', 'quotaOnly', 'free'].map((name) => ({
    name,
    listenPath: `/${name}/`,
    authentication: { token: true },
  }))

  it('is that of the endpoint before that of the API, and that before its own; none uses up another', async () => {
    const limited = await runLimited(apis)
    const key = await newKey(limited, session)
    expect(await limited.statuses(4, { key, path: '/orders/stock/1' })).toEqual([200, 200, 200, 429])
    expect(await limited.statuses(3, { key, path: '/orders/other' })).toEqual([200, 200, 429])
    expect(await limited.statuses(2, { key, path: '/plain/' })).toEqual([200, 429])
  })

  it('is one counter for all paths of an endpoint, and another for each method', async () => {
    const limited = await runLimited(apis)
    const key = await newKey(limited, session)
    const seen: number[] = []
    for (const sku of ['1', '2', '3', '4'])
      seen.push(...(await limited.statuses(1, { key, path: `/orders/stock/${sku}` })))
    expect(seen).toEqual([200, 200, 200, 429])
    expect(await limited.statuses(5, { key, path: '/orders/stock/1', method: 'POST' })).toEqual([
      200, 200, 200, 200, 429,
    ])
  })

  it('counts HEAD as GET at an endpoint', async () => {
    const limited = await runLimited(apis)
    const key = await newKey(limited, session)
    const path = '/orders/stock/1'
    expect(await limited.statuses(2, { key, path, method: 'HEAD' })).toEqual([200, 200])
    expect(await limited.statuses(2, { key, path })).toEqual([200, 429])
    expect(await limited.statuses(1, { key, path, method: 'HEAD' })).toEqual([429])
  })

  it('is none at an endpoint whose rate is 0, and where a rate is below 0', async () => {
    const limited = await runLimited(apis)
    const key = await newKey(limited, session)
    expect(await limited.statuses(8, { key, path: '/orders/stock/1', method: 'PUT' })).toEqual(times(8, 200))
    expect(await limited.statuses(8, { key, path: '/free/' })).toEqual(times(8, 200))
    const unlimited = await newKey(limited, { rate: -1, per: 60 })
    expect(await limited.statuses(8, { key: unlimited, path: '/plain/' })).toEqual(times(8, 200))
  })

  it('is its own rate where the access right only has a quota', async () => {
    const limited = await runLimited(apis)
    const key = await newKey(limited, session)
    expect(await limited.statuses(2, { key, path: '/quotaOnly/' })).toEqual([200, 429])
  })

  it('is its own rate for all APIs together', async () => {
    const limited = await runLimited(apis)
    const key = await newKey(limited, { rate: 2, per: 60 })
    expect(await limited.statuses(1, { key, path: '/orders/' })).toEqual([200])
    expect(await limited.statuses(2, { key, path: '/plain/' })).toEqual([200, 429])
    expect(await limited.statuses(1, { key, path: '/free/' })).toEqual([429])
  })

  it('is that of each access right apart, and shared by those of one scope', async () => {
    const limited = await runLimited(apis)
    const limit = { rate: 2, per: 60 }
    const apart = await newKey(limited, { accessRights: { orders: { limit }, plain: { limit } } })
    expect(await limited.statuses(3, { key: apart, path: '/orders/' })).toEqual([200, 200, 429])
    expect(await limited.statuses(3, { key: apart, path: '/plain/' })).toEqual([200, 200, 429])
    const allowanceScope = 'both'
    const shared = await newKey(limited, {
      accessRights: { orders: { limit, allowanceScope }, plain: { limit, allowanceScope }, free: { limit } },
    })
    expect(await limited.statuses(1, { key: shared, path: '/orders/' })).toEqual([200])
    expect(await limited.statuses(2, { key: shared, path: '/plain/' })).toEqual([200, 429])
    expect(await limited.statuses(1, { key: shared, path: '/orders/' })).toEqual([429])
    expect(await limited.statuses(3, { key: shared, path: '/free/' })).toEqual([200, 200, 429])
  })

  it('is never shared by endpoints whose names differ in their last letter, or by those of two APIs', async () => {
    const limited = await runLimited(apis)
    const endpoint = (path: string): object => ({ path, methods: [{ name: 'GET', limit: { rate: 1, per: 60 } }] })
    const endpoints = ['/a', '/b', '/users', '/userz'].map(endpoint)
    const key = await newKey(limited, { accessRights: { orders: { endpoints }, plain: { endpoints } } })
    for (const path of ['/orders/a', '/orders/b', '/orders/users', '/orders/userz', '/plain/a'])
      expect(await limited.statuses(2, { key, path })).toEqual([200, 429])
  })

  it('follows the key: a change holds at once, and what was counted stays counted', async () => {
    const limited = await runLimited(apis)
    const key = await newKey(limited, { rate: 3, per: 60 })
    const path = '/plain/'
    expect(await limited.statuses(4, { key, path })).toEqual([200, 200, 200, 429])
    await limited.gateway.sessions.update(key, { rate: 5 })
    expect(await limited.statuses(3, { key, path })).toEqual([200, 200, 429])
    await limited.gateway.sessions.update(key, { rate: 1 })
    limited.clock.pass(60)
    expect(await limited.statuses(2, { key, path })).toEqual([200, 429])
  })
})

describe('which limit of an API holds', () => {
  const limits: ApiDefinitionInput['limits'] = {
    rate: 1,
    per: 60,
    endpoints: {
      'GET /stock/:sku': { rate: 3, per: 60 },
      'POST /stock/:sku': { rate: 2, per: 60 },
      'GET /stock/first': { rate: 1, per: 60 },
    },
  }

  it('is that of the endpoint, the most specific path first, in place of that of the API', async () => {
    const limited = await runLimited({ name: 'a', limits })
    expect(await limited.statuses(2, { path: '/stock/1' })).toEqual([200, 200])
    expect(await limited.statuses(2, { path: '/stock/2' })).toEqual([200, 429])
    expect(await limited.statuses(3, { path: '/stock/1', method: 'POST' })).toEqual([200, 200, 429])
    expect(await limited.statuses(2, { path: '/stock/first' })).toEqual([200, 429])
    expect(await limited.statuses(2, { path: '/other' })).toEqual([200, 429])
    expect(await limited.statuses(1, { path: '/stock/1', method: 'DELETE' })).toEqual([429])
  })

  it('is only that of endpoints where the API has none', async () => {
    const limited = await runLimited({ name: 'a', limits: { endpoints: { 'GET /x': { rate: 1, per: 60 } } } })
    expect(await limited.statuses(2, { path: '/x' })).toEqual([200, 429])
    expect(await limited.statuses(4, { path: '/y' })).toEqual(times(4, 200))
  })

  it('counts HEAD as GET', async () => {
    const limited = await runLimited({ name: 'a', limits })
    const path = '/stock/1'
    expect(await limited.statuses(2, { path, method: 'HEAD' })).toEqual([200, 200])
    expect(await limited.statuses(2, { path })).toEqual([200, 429])
  })

  it.each(['/stock/first/', '/stock/%66irst', '/stock/./first', '/x/../stock/first', '/stock/first?x=1'])(
    'is not avoided by writing the path as %s',
    async (path) => {
      const limited = await runLimited({ name: 'a', limits })
      expect(await limited.statuses(1, { path: '/stock/first' })).toEqual([200])
      const { status } = await limited.ask({ path })
      expect([400, 429]).toContain(status)
    },
  )

  it('is found by method and path as plugins made them', async () => {
    const limited = await runLimited({
      name: 'a',
      limits: { endpoints: { 'GET /limited': { rate: 1, per: 60 } } },
      hooks: { pre: [(request) => void (request.path = '/limited')] },
    })
    expect([...(await limited.statuses(1, { path: '/a' })), ...(await limited.statuses(1, { path: '/b' }))]).toEqual([
      200, 429,
    ])
  })

  it('is for all callers together, where there are keys as well', async () => {
    const limited = await runLimited({ ...WITH_KEYS, limits: { rate: 3, per: 60 } })
    const [ann, bob] = [await newKey(limited, { rate: 2, per: 60 }), await newKey(limited, {})]
    expect(await limited.statuses(2, { key: ann })).toEqual([200, 200])
    const third = await limited.ask({ key: ann })
    expect([third.status, third.body]).toEqual([429, envelope('Rate Limit Exceeded')])
    expect(await limited.statuses(1, { key: bob })).toEqual([200])
    const fifth = await limited.ask({ key: bob })
    expect([fifth.status, fifth.body]).toEqual([429, envelope('API Rate Limit Exceeded')])
  })

  it('is apart from that of every other API', async () => {
    const limited = await runLimited([
      { name: 'one', listenPath: '/one/', limits: { rate: 1, per: 60 } },
      { name: 'two', listenPath: '/two/', limits: { rate: 1, per: 60 } },
      { name: 'three', listenPath: '/three/' },
    ])
    expect(await limited.statuses(2, { path: '/one/' })).toEqual([200, 429])
    expect(await limited.statuses(2, { path: '/two/' })).toEqual([200, 429])
    expect(await limited.statuses(3, { path: '/three/' })).toEqual(times(3, 200))
  })

  it('also holds for the calls of plugins of other APIs', async () => {
    const limited = await runLimited([
      { name: 'inner', listenPath: '/inner/', limits: { rate: 2, per: 60 } },
      {
        name: 'outer',
        listenPath: '/outer/',
        endpoints: {
          'GET /': [async (_, { call }) => respond(200, String((await call('inner', '/')).status))],
        },
      },
    ])
    const bodies: string[] = []
    for (let i = 0; i < 3; i += 1) bodies.push((await limited.ask({ path: '/outer/' })).body)
    expect(bodies).toEqual(['200', '200', '429'])
    expect(await limited.statuses(1, { path: '/inner/' })).toEqual([429])
  })
})

describe('limits that meet in one request', () => {
  const definition: ApiDefinitionInput = { ...WITH_KEYS, limits: { rate: 2, per: 10 } }

  it('are all untouched when that of the API refuses', async () => {
    const limited = await runLimited(definition)
    const key = await newKey(limited, { rate: 5, per: 3600, quotaMax: 10, quotaRenewalRate: 3600 })
    await limited.statuses(2, { key })
    for (let i = 0; i < 3; i += 1) {
      const refused = await limited.ask({ key })
      expect([refused.status, refused.body, remaining(refused)]).toEqual([
        429,
        envelope('API Rate Limit Exceeded'),
        { key: 3, quota: 8, api: 0 },
      ])
    }
    limited.clock.pass(10)
    expect(remaining(await limited.ask({ key }))).toEqual({ key: 2, quota: 7, api: 1 })
  })

  it('are all untouched when that of the key refuses', async () => {
    const limited = await runLimited(definition)
    const key = await newKey(limited, { rate: 1, per: 3600, quotaMax: 10, quotaRenewalRate: 3600 })
    await limited.statuses(1, { key })
    for (let i = 0; i < 3; i += 1) {
      const refused = await limited.ask({ key })
      expect([refused.status, refused.body, remaining(refused)]).toEqual([
        429,
        envelope('Rate Limit Exceeded'),
        { key: 0, quota: 9, api: 1 },
      ])
    }
  })

  it('are all untouched when the quota refuses', async () => {
    const limited = await runLimited(definition)
    const key = await newKey(limited, { rate: 5, per: 3600, quotaMax: 1, quotaRenewalRate: 3600 })
    await limited.statuses(1, { key })
    for (let i = 0; i < 3; i += 1) {
      const refused = await limited.ask({ key })
      expect([refused.status, refused.body, remaining(refused)]).toEqual([
        403,
        envelope('Quota exceeded'),
        { key: 4, quota: 0, api: 1 },
      ])
    }
  })

  it('are as exact together as each alone', async () => {
    const limited = await runLimited({ ...WITH_KEYS, limits: { rate: 20, per: 60 } })
    const keys = await Promise.all(
      [7, 9, 11].map((rate) => newKey(limited, { rate, per: 60, quotaMax: 100, quotaRenewalRate: 60 })),
    )
    const seen = await Promise.all(keys.map((key) => limited.atOnce(15, { key })))
    const passed = seen.map((statuses) => statuses.filter((status) => status === 200).length)
    expect(passed.reduce((sum, count) => sum + count)).toBe(20)
    for (const [i, key] of keys.entries()) {
      const { key: rate, quota } = remaining(await limited.ask({ key }))
      expect([rate, quota]).toEqual([[7, 9, 11][i]! - passed[i]!, 100 - passed[i]!])
    }
  })
})

describe('a request that does not come as far as the limits', () => {
  it('is not counted', async () => {
    const limited = await runLimited({
      ...WITH_KEYS,
      limits: { rate: 2, per: 60 },
      maxBodyBytes: 10,
      hooks: {
        pre: [(request) => (request.path === '/pre' ? deny(400) : undefined)],
        postAuth: [(request) => (request.path === '/post-auth' ? deny(400) : undefined)],
      },
    })
    const key = await newKey(limited, {
      rate: 2,
      per: 60,
      accessRights: { orders: { allowedUrls: [{ url: '/.*', methods: ['GET'] }] } },
    })
    const inactive = await newKey(limited, { isInactive: true })
    const expired = await newKey(limited, { expires: 1 })
    const elsewhere = await newKey(limited, { accessRights: { other: {} } })
    const asks = [
      [{ path: '/pre', key }, 400],
      [{ path: '/post-auth', key }, 400],
      [{ key, method: 'DELETE' }, 403],
      [{}, 401],
      [{ key: 'nobody made this' }, 403],
      [{ key: inactive }, 403],
      [{ key: expired }, 401],
      [{ key: elsewhere }, 403],
    ] as const
    for (const [ask, status] of asks) expect([ask, (await limited.ask(ask)).status]).toEqual([ask, status])
    // Its connection ends with it.
    const tooLong = await rawExchange(
      limited.port,
      `POST / HTTP/1.1\r\nHost: a\r\nAuthorization: ${key}\r\nContent-Length: 11\r\n\r\neleven long`,
    )
    expect(tooLong.status).toBe(413)
    expect(remaining(await limited.ask({ key }))).toEqual({ key: 1, api: 1 })
  })
})

describe('sessions an auth plugin makes', () => {
  it('are limited by API and token, whatever they are stamped with', async () => {
    let stamp = 0
    const auth = named((name) => ({
      rate: name === 'bob' ? 1 : 2,
      per: 60,
      quotaMax: 5,
      quotaRenewalRate: 60,
      lastUpdated: String((stamp += 1)),
      dateCreated: new Date(stamp).toISOString(),
    }))
    const limited = await runLimited([
      { name: 'one', listenPath: '/one/', hooks: { auth } },
      { name: 'two', listenPath: '/two/', hooks: { auth } },
    ])
    expect(await limited.statuses(4, { key: 'ann', path: '/one/' })).toEqual([200, 200, 429, 429])
    expect(await limited.statuses(2, { key: 'bob', path: '/one/' })).toEqual([200, 429])
    expect(await limited.statuses(3, { key: 'ann', path: '/two/' })).toEqual([200, 200, 429])
    limited.clock.pass(60)
    expect(await limited.statuses(1, { key: 'ann', path: '/one/' })).toEqual([200])
  })

  it('follow what the plugin says of its caller by now', async () => {
    let rate = 1
    const limited = await runLimited({ name: 'a', hooks: { auth: named(() => ({ rate, per: 60 })) } })
    expect(await limited.statuses(2, { key: 'ann' })).toEqual([200, 429])
    rate = 3
    expect(await limited.statuses(3, { key: 'ann' })).toEqual([200, 200, 429])
  })

  it('share nothing with a key of the same name', async () => {
    const limited = await runLimited([
      { name: 'plugin', listenPath: '/plugin/', hooks: { auth: named(() => ({ rate: 1, per: 60 })) } },
      { name: 'key', listenPath: '/key/', authentication: { token: true } },
    ])
    const { key } = await limited.gateway.sessions.create({ rate: 1, per: 60 }, { key: 'some-name' })
    expect(await limited.statuses(2, { key, path: '/plugin/' })).toEqual([200, 429])
    expect(await limited.statuses(2, { key, path: '/key/' })).toEqual([200, 429])
  })

  it('that cannot be told apart by their last letters share nothing', async () => {
    const limited = await runLimited({ name: 'a', hooks: { auth: named(() => ({ rate: 1, per: 60 })) } })
    for (const key of ['a', 'b', 'abc', 'abd', 'ann', 'Ann'])
      expect([key, await limited.statuses(2, { key })]).toEqual([key, [200, 429]])
  })
})

describe('policies', () => {
  it('limit each of their keys apart', async () => {
    const limited = await runLimited(WITH_KEYS, {
      policies: { free: { rate: 2, per: 60, accessRights: { orders: {} } } },
    })
    const [ann, bob] = [
      await newKey(limited, { applyPolicies: ['free'] }),
      await newKey(limited, { applyPolicies: ['free'] }),
    ]
    expect(await limited.statuses(3, { key: ann })).toEqual([200, 200, 429])
    expect(await limited.statuses(3, { key: bob })).toEqual([200, 200, 429])
  })

  it('of an API stand before those of the gateway', async () => {
    const limited = await runLimited(
      [
        {
          ...WITH_KEYS,
          name: 'own',
          listenPath: '/own/',
          policies: { free: { rate: 1, per: 60, accessRights: { own: {} } } },
        },
        { ...WITH_KEYS, name: 'other', listenPath: '/other/' },
      ],
      { policies: { free: { rate: 2, per: 60, accessRights: { other: {} } } } },
    )
    const [ann, bob] = [
      await newKey(limited, { applyPolicies: ['free'] }),
      await newKey(limited, { applyPolicies: ['free'] }),
    ]
    expect(await limited.statuses(2, { key: ann, path: '/own/' })).toEqual([200, 429])
    expect(await limited.statuses(3, { key: bob, path: '/other/' })).toEqual([200, 200, 429])
  })

  it('limit sessions an auth plugin makes as well', async () => {
    const limited = await runLimited(
      { name: 'a', hooks: { auth: named(() => ({ applyPolicies: ['free'] })) } },
      { policies: { free: { rate: 2, per: 60, accessRights: { a: {} } } } },
    )
    expect(await limited.statuses(3, { key: 'ann' })).toEqual([200, 200, 429])
  })

  it('limit the endpoints they name', async () => {
    const limited = await runLimited(WITH_KEYS, {
      policies: {
        free: {
          accessRights: {
            orders: { endpoints: [{ path: '/export', methods: [{ name: 'GET', limit: { rate: 1, per: 60 } }] }] },
          },
        },
      },
    })
    const key = await newKey(limited, { applyPolicies: ['free'] })
    expect(await limited.statuses(2, { key, path: '/export' })).toEqual([200, 429])
    expect(await limited.statuses(3, { key, path: '/other' })).toEqual(times(3, 200))
  })
})

describe('the event rateLimitExceeded', () => {
  it('says once for each refusal which limit it was, and never the key', async () => {
    const limited = await runLimited({
      ...WITH_KEYS,
      limits: { rate: 2, per: 10, endpoints: { 'GET /x/:id': { rate: 1, per: 20 } } },
    })
    const events = listenTo(limited.gateway, 'rateLimitExceeded')
    const { key, masked } = await limited.gateway.sessions.create({
      accessRights: {
        orders: { endpoints: [{ path: '/slow', methods: [{ name: 'GET', limit: { rate: 1, per: 30 } }] }] },
      },
    })
    await limited.statuses(2, { key, path: '/slow' })
    await limited.statuses(2, { key, path: '/x/1' })
    await limited.statuses(2, { key })
    const common = {
      api: expect.objectContaining({ id: 'orders' }),
      key: masked,
      method: 'GET',
      clientAddress: '127.0.0.1',
    }
    expect(events).toEqual([
      { ...common, path: '/slow', limit: 'key', endpoint: 'GET /slow', max: 1, periodMs: 30_000, resetMs: 30_000 },
      { ...common, path: '/x/1', limit: 'api', endpoint: 'GET /x/:id', max: 1, periodMs: 20_000, resetMs: 20_000 },
      { ...common, path: '/', limit: 'api', endpoint: '', max: 2, periodMs: 10_000, resetMs: 10_000 },
    ])
    expect(JSON.stringify(events)).not.toContain(key)
  })

  it('rounds the milliseconds up until there is room', async () => {
    const limited = await runLimited({ name: 'a', limits: { rate: 1, per: 10 } })
    const events = listenTo(limited.gateway, 'rateLimitExceeded')
    await limited.statuses(1)
    for (const milliseconds of [0.25, 0.75, 1.5]) {
      limited.clock.now += milliseconds
      await limited.statuses(1)
    }
    expect(events.map(({ resetMs }) => resetMs)).toEqual([10_000, 9_999, 9_998])
  })

  it('has no key on a keyless API', async () => {
    const limited = await runLimited({ name: 'a', limits: { rate: 1, per: 60 } })
    const events = listenTo(limited.gateway, 'rateLimitExceeded')
    await limited.statuses(2)
    expect(events.map(({ key, limit }) => [key, limit])).toEqual([['', 'api']])
  })
})

describe('a refused request', () => {
  it('reaches neither the plugins behind nor the upstream, and is recorded', async () => {
    const ran: string[] = []
    const limited = await runLimited({
      name: 'a',
      limits: { rate: 1, per: 60 },
      endpoints: { 'GET /': [() => void ran.push('endpoint')] },
      hooks: {
        pre: [() => void ran.push('pre')],
        post: [() => void ran.push('post')],
        response: [() => void ran.push('response')],
      },
    })
    await limited.statuses(2)
    expect([ran, limited.reached]).toEqual([['pre', 'endpoint', 'post', 'response', 'pre'], ['/']])
    await expect.poll(() => limited.gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([200, 429])
  })

  it('whose content is XML is answered in XML', async () => {
    const limited = await runLimited({ name: 'a', limits: { rate: 1, per: 60 } })
    await limited.statuses(1)
    const refused = await limited.ask({ headers: ['Content-Type: application/xml'] })
    expect([refused.status, refused.body]).toEqual([
      429,
      expect.stringContaining('<error>API Rate Limit Exceeded</error>'),
    ])
  })

  it('of HEAD has the head alone', async () => {
    const limited = await runLimited({ name: 'a', limits: { rate: 1, per: 60 } })
    await limited.statuses(1)
    const refused = await limited.ask({ method: 'HEAD' })
    expect([refused.status, refused.body, remaining(refused)]).toEqual([429, '', { api: 0 }])
  })
})

describe('explain', () => {
  it('shows who is asked, and the limits for all callers, without counting', async () => {
    const limited = await runLimited({
      ...WITH_KEYS,
      authentication: { token: { header: 'x-key', query: 'key' } },
      limits: { rate: 1, per: 60, endpoints: { 'GET /x/:id': { rate: 0.5, per: 1 } }, algorithm: 'gcra' },
    })
    const [root, endpoint, head] = ['/', '/x/1']
      .map((path) => limited.gateway.explain('GET', path))
      .concat(limited.gateway.explain('HEAD', '/x/1'))
    expect(root?.hooks.find(({ hook }) => hook === 'auth')?.why).toBe('a key in header x-key or query parameter key')
    expect(root?.limits).toEqual(['1 in 60 s for the API, all callers together (gcra)'])
    expect(endpoint?.limits).toEqual(['1 in 2 s for "GET /x/:id", all callers together (gcra)'])
    expect(head?.limits).toEqual(endpoint?.limits)
    expect(String(endpoint)).toContain('1 in 2 s for "GET /x/:id"')
    const { key } = await limited.gateway.sessions.create({})
    expect(told(await limited.ask({ headers: [`X-Key: ${key}`] }))).toEqual({ api: { q: 1, w: 60, r: 0, t: 60 } })
  })

  it('says that a keyless API asks nobody, and names no limits where there are none', async () => {
    const { gateway } = await runLimited({ name: 'a' })
    const explained = gateway.explain('GET', '/')
    expect([explained.hooks.find(({ hook }) => hook === 'auth')?.why, explained.limits]).toEqual([
      'the API is keyless',
      [],
    ])
  })
})
