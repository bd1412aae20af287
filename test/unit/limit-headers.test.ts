import { describe, expect, it } from 'vitest'
import type { Charge, Standing } from '../../packages/core/src/limits/charge.ts'
import { type LimitHeaders, limitHeaders } from '../../packages/core/src/limits/limit-headers.ts'

const NOW = 1_700_000_000_250

const key: Charge = { kind: 'sliding-window', subject: 'k1', scope: '', endpoint: '', max: 5, periodMs: 10_000 }
const keyEndpoint: Charge = { ...key, endpoint: 'GET /a', max: 2 }
const quota: Charge = { ...key, kind: 'quota', max: 1000, periodMs: 3_600_000 }
const forEver: Charge = { ...quota, periodMs: Infinity }
const api: Charge = { ...key, kind: 'gcra', subject: 'api:orders', max: 100, periodMs: 60_000 }
const apiEndpoint: Charge = { ...api, endpoint: 'POST /orders', max: 7, periodMs: 1500 }

function headers(
  limits: readonly (readonly [Charge, remaining: number, resetMs: number])[],
  refusedBy = -1,
  which: LimitHeaders = 'both',
): Record<string, string> {
  const standings: Standing[] = limits.map(([, remaining, resetMs]) => ({ remaining, resetMs }))
  const charges = limits.map(([charge]) => charge)
  return Object.fromEntries(limitHeaders(charges, { refusedBy, standings }, which, NOW))
}

describe('the headers of a request that passed', () => {
  it('tell every limit by name, and the tightest in the older form', () => {
    const limits = [
      [quota, 999, 3_599_999],
      [key, 4, 8000],
      [api, 60, 600],
    ] as const
    expect(headers(limits)).toEqual({
      'RateLimit-Policy': '"quota";q=1000;w=3600, "key";q=5;w=10, "api";q=100;w=60',
      RateLimit: '"quota";r=999;t=3600, "key";r=4;t=8, "api";r=60;t=1',
      'X-RateLimit-Limit': '5',
      'X-RateLimit-Remaining': '4',
      'X-RateLimit-Reset': '1700000009',
    })
  })

  it('tell limits of endpoints from the others, and round seconds up', () => {
    const limits = [
      [keyEndpoint, 1, 1],
      [apiEndpoint, 0, 0],
    ] as const
    expect(headers(limits, -1, 'ietf')).toEqual({
      'RateLimit-Policy': '"key-endpoint";q=2;w=10, "api-endpoint";q=7;w=2',
      RateLimit: '"key-endpoint";r=1;t=1, "api-endpoint";r=0;t=0',
    })
  })

  it('leave out times for what never renews', () => {
    expect(headers([[forEver, 3, Infinity]])).toEqual({
      'RateLimit-Policy': '"quota";q=1000',
      RateLimit: '"quota";r=3',
      'X-RateLimit-Limit': '1000',
      'X-RateLimit-Remaining': '3',
      'X-RateLimit-Reset': '0',
    })
  })

  it('are those that were asked for', () => {
    expect(Object.keys(headers([[key, 1, 1]], -1, 'x-ratelimit'))).toEqual([
      'X-RateLimit-Limit',
      'X-RateLimit-Remaining',
      'X-RateLimit-Reset',
    ])
    expect(headers([[key, 1, 1]], -1, 'none')).toEqual({})
  })

  it('are one and the same empty list where there is nothing to tell', () => {
    const none = limitHeaders([], { refusedBy: -1, standings: [] }, 'both', NOW)
    expect([none, Object.isFrozen(none)]).toEqual([[], true])
    expect(limitHeaders([key], { refusedBy: -1, standings: [{ remaining: 1, resetMs: 1 }] }, 'none', NOW)).toBe(none)
  })

  it('hold integers only, as large as a structured field takes', () => {
    const vast = { ...key, max: 1e20 }
    expect(headers([[vast, 1e20, 1e300]])).toEqual({
      'RateLimit-Policy': '"key";q=999999999999999;w=10',
      RateLimit: '"key";r=999999999999999;t=999999999999999',
      'X-RateLimit-Limit': '999999999999999',
      'X-RateLimit-Remaining': '999999999999999',
      'X-RateLimit-Reset': '999999999999999',
    })
    expect(headers([[key, -1, -5]], -1, 'ietf')['RateLimit']).toBe('"key";r=0;t=0')
  })
})

describe('the headers of a refusal', () => {
  it('describe the limit that refused and say when to come back', () => {
    const limits = [
      [key, 3, 9000],
      [quota, 0, 1_800_001],
      [api, 0, 100],
    ] as const
    expect(headers(limits, 1, 'x-ratelimit')).toEqual({
      'X-RateLimit-Limit': '1000',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Reset': '1700001801',
      'Retry-After': '1801',
    })
  })

  it.each<[string, readonly (readonly [Charge, number, number])[], string | undefined]>([
    ['at least a second', [[key, 0, 3]], '1'],
    ['the next whole second', [[key, 0, 1001]], '2'],
    [
      'when the last of the used-up limits gives more',
      [
        [key, 0, 3000],
        [quota, 0, 60_000],
        [api, 1, 90_000],
      ],
      '60',
    ],
    ['nothing where waiting is no use', [[forEver, 0, Infinity]], undefined],
    [
      'nothing where waiting is of no use for one of them',
      [
        [key, 0, 3000],
        [forEver, 0, Infinity],
      ],
      undefined,
    ],
  ])('ask to wait: %s', (_, limits, expected) => {
    for (const which of ['both', 'ietf', 'x-ratelimit', 'none'] as const)
      expect(headers(limits, 0, which)['Retry-After']).toBe(expected)
  })
})
