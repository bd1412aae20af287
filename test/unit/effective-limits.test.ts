import { describe, expect, it } from 'vitest'
import { limitsOf } from '../../packages/core/src/session/effective-limits.ts'
import { type KeyInput, parseSession, type Session } from '../../packages/core/src/session/session.ts'

const key = (input: KeyInput): Session => parseSession(input, 'PSTN_SESSION_INVALID')
const rate = (value: number, per: number, scope = '', endpoint = ''): object => ({ rate: value, per, scope, endpoint })
const quota = (max: number, renewalSeconds: number, scope = ''): object => ({ max, renewalSeconds, scope })

describe('the limits of a request', () => {
  it.each<[string, KeyInput, ReturnType<typeof limitsOf> | object]>([
    ['are none where nothing is said', {}, {}],
    [
      'are those over all APIs',
      { rate: 5, per: 10, quotaMax: 7, quotaRenewalRate: 60 },
      { rate: rate(5, 10), quota: quota(7, 60) },
    ],
    ['are none below 0', { rate: -1, per: 1, quotaMax: -1, quotaRenewalRate: 60 }, {}],
    ['have a fractional rate as it is', { rate: 0.5, per: 0.25 }, { rate: rate(0.5, 0.25) }],
    ['have a window of a second where it was forgotten', { rate: 5 }, { rate: rate(5, 1) }],
    ['have a window of a second where it is below 0', { rate: 5, per: -3 }, { rate: rate(5, 1) }],
    ['have a quota that never renews', { quotaMax: 5 }, { quota: quota(5, Infinity) }],
    [
      'are those of the API',
      {
        rate: 5,
        per: 10,
        quotaMax: 7,
        accessRights: { a: { limit: { rate: 1, per: 2, quotaMax: 3, quotaRenewalRate: 4 } } },
      },
      { rate: rate(1, 2, 'a'), quota: quota(3, 4, 'a') },
    ],
    [
      'keep the rate of the key under a quota of the API',
      { rate: 5, per: 10, accessRights: { a: { limit: { quotaMax: 3, quotaRenewalRate: 4 } } } },
      { rate: rate(5, 10), quota: quota(3, 4, 'a') },
    ],
    [
      'keep the quota of the key under a rate of the API',
      { quotaMax: 5, quotaRenewalRate: 10, accessRights: { a: { limit: { rate: 3, per: 4 } } } },
      { rate: rate(3, 4, 'a'), quota: quota(5, 10) },
    ],
    [
      'are lifted for one API below 0',
      { rate: 5, per: 10, quotaMax: 7, accessRights: { a: { limit: { rate: -1, quotaMax: -1 } } } },
      {},
    ],
    [
      'are counted in the scope that is written',
      { accessRights: { a: { allowanceScope: 'gold', limit: { rate: 1, per: 2, quotaMax: 3, quotaRenewalRate: 4 } } } },
      { rate: rate(1, 2, 'gold'), quota: quota(3, 4, 'gold') },
    ],
    [
      'are counted over all APIs where a scope is written, but no limit',
      { rate: 5, per: 10, accessRights: { a: { allowanceScope: 'gold' } } },
      { rate: rate(5, 10) },
    ],
    [
      'are those over all APIs for one without rights',
      { rate: 5, per: 10, accessRights: { b: { limit: { rate: 1 } } } },
      { rate: rate(5, 10) },
    ],
    [
      'try again as the key says',
      { throttleInterval: 0.5, throttleRetryLimit: 3 },
      { throttle: { intervalMs: 500, retries: 3 } },
    ],
    ['do not try again without an interval', { throttleInterval: 0, throttleRetryLimit: 3 }, {}],
    ['do not try again without a number of tries', { throttleInterval: 1 }, {}],
    ['do not try again below 0', { throttleInterval: -1, throttleRetryLimit: -1 }, {}],
    [
      'try again as the API says',
      {
        throttleInterval: 1,
        throttleRetryLimit: 3,
        accessRights: { a: { limit: { throttleInterval: 2, throttleRetryLimit: 1 } } },
      },
      { throttle: { intervalMs: 2000, retries: 1 } },
    ],
    [
      'try again as the key says under a rate of the API',
      { throttleInterval: 1, throttleRetryLimit: 3, accessRights: { a: { limit: { rate: 1, per: 1 } } } },
      { rate: rate(1, 1, 'a'), throttle: { intervalMs: 1000, retries: 3 } },
    ],
    [
      'do not try again where the API says so',
      {
        throttleInterval: 1,
        throttleRetryLimit: 3,
        accessRights: { a: { limit: { throttleInterval: -1, throttleRetryLimit: -1 } } },
      },
      {},
    ],
  ])('%s', (_, input, expected) => {
    expect(limitsOf(key(input), 'a', 'GET', '/')).toEqual({
      rate: undefined,
      quota: undefined,
      throttle: undefined,
      ...expected,
    })
  })
})

describe('the limits of an endpoint', () => {
  const session = key({
    rate: 100,
    per: 60,
    quotaMax: 7,
    quotaRenewalRate: 60,
    accessRights: {
      a: {
        allowanceScope: 'gold',
        limit: { rate: 50, per: 60 },
        endpoints: [
          {
            path: '/stock/{sku}',
            methods: [
              { name: 'get', limit: { rate: 5, per: 10 } },
              { name: 'PUT', limit: { rate: -1 } },
              { name: 'PATCH', limit: { rate: 0, per: 5 } },
            ],
          },
          { path: '/stock/*', methods: [{ name: 'GET', limit: { rate: 9, per: 10 } }] },
        ],
      },
      b: { endpoints: [{ path: '/stock/{sku}', methods: [{ name: 'GET', limit: { rate: 4 } }] }] },
      c: {
        endpoints: [
          { path: '/a', methods: [{ name: 'GET', limit: { rate: 1, per: 10 } }] },
          { path: '/b/', methods: [{ name: 'GET', limit: { rate: 2, per: 10 } }] },
          { path: '/', methods: [{ name: 'GET', limit: { rate: 3, per: 10 } }] },
          { path: '/my docs;{n}', methods: [{ name: 'GET', limit: { rate: 5, per: 10 } }] },
          { path: '/broken(', methods: [{ name: 'POST', limit: { rate: 4, per: 10 } }] },
        ],
      },
    },
  })

  it.each<[string, api: string, method: string, path: string, object | undefined]>([
    ['the first that matches', 'a', 'GET', '/stock/1', rate(5, 10, 'a', 'get /stock/{sku}')],
    ['a method in any case', 'a', 'gEt', '/stock/1', rate(5, 10, 'a', 'get /stock/{sku}')],
    ['a later one', 'a', 'GET', '/stock/1/2', rate(9, 10, 'a', 'GET /stock/*')],
    ['no limit below 0', 'a', 'PUT', '/stock/1', undefined],
    ['no limit at 0', 'a', 'PATCH', '/stock/1', undefined],
    ['the limit of the API for other methods', 'a', 'DELETE', '/stock/1', rate(50, 60, 'gold')],
    ['the limit of the API for other paths', 'a', 'GET', '/other', rate(50, 60, 'gold')],
    ['one that is written without the slash at the end', 'c', 'GET', '/a/', rate(1, 10, 'c', 'GET /a')],
    ['one that is written with a slash at the end', 'c', 'GET', '/b', rate(2, 10, 'c', 'GET /b/')],
    ['the root by itself', 'c', 'GET', '/', rate(3, 10, 'c', 'GET /')],
    ['one that is escaped in the path', 'c', 'GET', '/my%20docs%3B7', rate(5, 10, 'c', 'GET /my docs;{n}')],
    ['those of a pattern that nobody can read for every path', 'c', 'POST', '/x', rate(4, 10, 'c', 'POST /broken(')],
    ['not those of such a pattern for other methods', 'c', 'GET', '/broken(', rate(100, 60)],
    ['the same endpoint of another API by itself', 'b', 'GET', '/stock/1', rate(4, 1, 'b', 'GET /stock/{sku}')],
    ['the limit of the key where the API has none', 'b', 'GET', '/other', rate(100, 60)],
  ])('are %s', (_, api, method, path, expected) => {
    expect(limitsOf(session, api, method, path).rate).toEqual(expected)
  })

  it('leave the quota as it is', () => {
    expect(limitsOf(session, 'a', 'GET', '/stock/1').quota).toEqual(quota(7, 60))
  })

  it('are worked out once for a session', () => {
    const again = (method: string, path: string): boolean =>
      limitsOf(session, 'a', method, path) === limitsOf(session, 'a', method, path)
    expect([again('GET', '/stock/1'), again('GET', '/other')]).toEqual([true, true])
    const changed = { ...session, accessRights: {} }
    expect(limitsOf(changed, 'a', 'GET', '/stock/1').rate).toEqual(rate(100, 60))
  })
})
