import { type ApiDefinitionInput, deny, type KeyInput, respond } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { envelope, fields, upstreamOfTest, type WireResponse } from './harness.ts'
import { type Limited, limitFields, runLimited, told } from './limits-harness.ts'

const WITH_KEYS: ApiDefinitionInput = { name: 'orders', authentication: { token: true } }

async function newKey({ gateway }: Limited, session: KeyInput): Promise<string> {
  return (await gateway.sessions.create(session)).key
}

/** The whole seconds in which something lies that is so many seconds away. */
async function within<T>(seconds: number, act: () => Promise<T>): Promise<readonly [T, readonly string[]]> {
  const before = Math.ceil(Date.now() / 1000 + seconds)
  const result = await act()
  const after = Math.ceil(Date.now() / 1000 + seconds)
  return [result, Array.from({ length: after - before + 1 }, (_, i) => String(before + i))]
}

const LIMITS = ['ratelimit', 'ratelimit-policy', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']

describe('the fields', () => {
  it('say of every limit how wide it is, what is left of it and when it gives more', async () => {
    const limited = await runLimited({
      ...WITH_KEYS,
      limits: { rate: 1000, per: 1, endpoints: { 'GET /x/:id': { rate: 50, per: 0.25 } } },
    })
    const key = await newKey(limited, {
      rate: 2,
      per: 60,
      quotaMax: 1000,
      quotaRenewalRate: 86_400,
      accessRights: {
        orders: { endpoints: [{ path: '/slow', methods: [{ name: 'GET', limit: { rate: 3, per: 1.5 } }] }] },
      },
    })
    const [first, resets] = await within(60, () => limited.ask({ key }))
    expect(limitFields(first)).toEqual({
      'ratelimit-policy': ['"key";q=2;w=60, "quota";q=1000;w=86400, "api";q=1000;w=1'],
      ratelimit: ['"key";r=1;t=60, "quota";r=999;t=86400, "api";r=999;t=1'],
      'x-ratelimit-limit': ['2'],
      'x-ratelimit-remaining': ['1'],
      'x-ratelimit-reset': [expect.toBeOneOf([...resets])],
    })
    limited.clock.pass(0.5)
    expect(told(await limited.ask({ key, path: '/slow' }))).toEqual({
      'key-endpoint': { q: 3, w: 2, r: 2, t: 2 },
      quota: { q: 1000, w: 86_400, r: 998, t: 86_400 },
      api: { q: 1000, w: 1, r: 998, t: 1 },
    })
    expect(told(await limited.ask({ key, path: '/x/1' }))).toMatchObject({
      'api-endpoint': { q: 50, w: 1, r: 49, t: 1 },
    })
  })

  it('of a refusal speak of the limit that refused, and say when to come back', async () => {
    const limited = await runLimited({ ...WITH_KEYS, limits: { rate: 1000, per: 1 } })
    const key = await newKey(limited, { rate: 2, per: 60 })
    await limited.statuses(2, { key })
    limited.clock.pass(1.5)
    const [refused, resets] = await within(58.5, () => limited.ask({ key }))
    expect(limitFields(refused)).toEqual({
      'ratelimit-policy': ['"key";q=2;w=60, "api";q=1000;w=1'],
      ratelimit: ['"key";r=0;t=59, "api";r=1000;t=1'],
      'x-ratelimit-limit': ['2'],
      'x-ratelimit-remaining': ['0'],
      'x-ratelimit-reset': [expect.toBeOneOf([...resets])],
      'retry-after': ['59'],
    })
  })

  it('X-RateLimit-* speak of the limit with the fewest requests left where none refused', async () => {
    const limited = await runLimited({ ...WITH_KEYS, limits: { rate: 4, per: 10 } })
    const key = await newKey(limited, { rate: 100, per: 60, quotaMax: 3, quotaRenewalRate: 3600 })
    const seen: (readonly string[])[] = []
    for (let i = 0; i < 3; i += 1) {
      const answer = await limited.ask({ key })
      seen.push([...fields(answer, 'x-ratelimit-limit'), ...fields(answer, 'x-ratelimit-remaining')])
    }
    expect(seen).toEqual([
      ['3', '2'],
      ['3', '1'],
      ['3', '0'],
    ])
  })

  it('are told in any order of magnitude', async () => {
    const limited = await runLimited(WITH_KEYS)
    const key = await newKey(limited, { quotaMax: Number.MAX_SAFE_INTEGER, quotaRenewalRate: 31_536_000 })
    const answer = await limited.ask({ key })
    expect(told(answer)['quota']).toMatchObject({ q: 999_999_999_999_999, r: 999_999_999_999_999 })
    expect(fields(answer, 'x-ratelimit-limit')[0]).toMatch(/^\d+$/)
  })
})

describe('the answers that have them', () => {
  const session: KeyInput = { rate: 5, per: 60 }

  it.each<[string, Partial<ApiDefinitionInput>, number]>([
    ['of an endpoint plugin', { endpoints: { 'GET /': [() => respond(200, 'mine')] } }, 200],
    ['of an endpoint plugin that refuses', { endpoints: { 'GET /': [() => deny(402, 'pay')] } }, 402],
    [
      'of an endpoint plugin, a Response',
      { endpoints: { 'GET /': [() => new Response('mine', { status: 201 })] } },
      201,
    ],
    ['of a post plugin', { hooks: { post: [() => respond(204)] } }, 204],
    ['to a plugin that broke', { hooks: { post: [() => Promise.reject(new Error('broken'))] } }, 500],
    ['of a response plugin', { hooks: { response: [() => respond(200, 'another')] } }, 200],
    ['of a response plugin that refuses', { hooks: { response: [() => deny(403, 'no')] } }, 403],
    ['to a response plugin that broke', { hooks: { response: [() => Promise.reject(new Error('broken'))] } }, 500],
  ])('are those %s', async (_, more, status) => {
    const limited = await runLimited({ ...WITH_KEYS, ...more })
    limited.gateway.on('pluginError', () => undefined)
    limited.gateway.on('authFailure', () => undefined)
    const answer = await limited.ask({ key: await newKey(limited, session) })
    expect([answer.status, told(answer)]).toEqual([status, { key: { q: 5, w: 60, r: 4, t: 60 } }])
    expect(Object.keys(limitFields(answer))).toEqual(LIMITS)
  })

  it.each([200, 204, 304, 404, 500])('are those of the upstream, %d', async (status) => {
    const upstream = await upstreamOfTest((_, res) => res.writeHead(status).end())
    const limited = await runLimited({ ...WITH_KEYS, upstream: upstream.url }, { forward: undefined })
    const answer = await limited.ask({ key: await newKey(limited, session) })
    expect([answer.status, told(answer)]).toEqual([status, { key: { q: 5, w: 60, r: 4, t: 60 } }])
  })

  it.each([
    ['cannot be reached', 'http://127.0.0.1:1', 502, 'Bad Gateway'],
    ['does not exist at all', undefined, 404, 'Not Found'],
  ])('is the one to a request whose upstream %s', async (_, upstream, status, message) => {
    const limited = await runLimited({ ...WITH_KEYS, upstream }, { forward: undefined })
    limited.gateway.on('upstreamError', () => undefined)
    const answer = await limited.ask({ key: await newKey(limited, session) })
    expect([answer.status, answer.body, told(answer)]).toEqual([
      status,
      envelope(message),
      { key: { q: 5, w: 60, r: 4, t: 60 } },
    ])
  })

  it('is the one to a request whose upstream is too slow', async () => {
    const upstream = await upstreamOfTest(() => undefined)
    const limited = await runLimited(
      { ...WITH_KEYS, upstream: { url: upstream.url, headersTimeoutMs: 30 } },
      { forward: undefined },
    )
    limited.gateway.on('upstreamError', () => undefined)
    const answer = await limited.ask({ key: await newKey(limited, session) })
    expect([answer.status, Object.keys(limitFields(answer))]).toEqual([504, LIMITS])
  })

  it('are those to HEAD', async () => {
    const limited = await runLimited(WITH_KEYS)
    const answer = await limited.ask({ key: await newKey(limited, session), method: 'HEAD' })
    expect([answer.status, answer.body, told(answer)]).toEqual([200, '', { key: { q: 5, w: 60, r: 4, t: 60 } }])
  })

  it('are the refusals of every limit', async () => {
    const limited = await runLimited({ ...WITH_KEYS, limits: { endpoints: { 'GET /api': { rate: 1, per: 60 } } } })
    const rated = await newKey(limited, { rate: 1, per: 60 })
    const quoted = await newKey(limited, { quotaMax: 1, quotaRenewalRate: 60 })
    const free = await newKey(limited, {})
    const asks = [
      [{ key: rated }, 429, 'key'],
      [{ key: quoted }, 403, 'quota'],
      [{ key: free, path: '/api' }, 429, 'api-endpoint'],
    ] as const
    for (const [ask, status, name] of asks) {
      await limited.ask(ask)
      const refused = await limited.ask(ask)
      expect([refused.status, told(refused)]).toEqual([status, { [name]: { q: 1, w: 60, r: 0, t: 60 } }])
      expect([fields(refused, 'retry-after'), fields(refused, 'x-ratelimit-remaining')]).toEqual([['60'], ['0']])
    }
  })

  it('are none of those to requests that were refused before they came to a limit', async () => {
    const limited = await runLimited({
      ...WITH_KEYS,
      limits: { rate: 5, per: 60 },
      hooks: { pre: [(request) => (request.path === '/pre' ? respond(200) : undefined)] },
    })
    const inactive = await newKey(limited, { ...session, isInactive: true })
    const asks = [
      [{ path: '/pre' }, 200],
      [{}, 401],
      [{ key: 'nobody made this' }, 403],
      [{ key: inactive }, 403],
    ] as const
    for (const [ask, status] of asks) {
      const answer = await limited.ask(ask)
      expect([answer.status, limitFields(answer)]).toEqual([status, {}])
    }
  })

  it('are none where nothing is limited', async () => {
    const limited = await runLimited([
      { name: 'keyless', listenPath: '/keyless/' },
      { ...WITH_KEYS, listenPath: '/keys/' },
      { name: 'plugin', listenPath: '/plugin/', hooks: { auth: () => ({ metadata: { token: 'ann' } }) } },
    ])
    const key = await newKey(limited, {})
    for (const ask of [{ path: '/keyless/' }, { path: '/keys/', key }, { path: '/plugin/' }])
      expect([(await limited.ask(ask)).status, limitFields(await limited.ask(ask))]).toEqual([200, {}])
  })

  it('are seen by response plugins, which may take them off', async () => {
    const seen: unknown[] = []
    const limited = await runLimited({
      name: 'a',
      limits: { rate: 5, per: 60 },
      hooks: {
        response: [
          (response) => {
            seen.push(response.headers.get('x-ratelimit-remaining'))
            response.headers.delete('x-ratelimit-remaining')
          },
        ],
      },
    })
    const answer = await limited.ask()
    expect([seen, fields(answer, 'x-ratelimit-remaining'), fields(answer, 'x-ratelimit-limit')]).toEqual([
      ['4'],
      [],
      ['5'],
    ])
  })
})

describe('limits.headers', () => {
  const ietf = ['ratelimit', 'ratelimit-policy']
  const older = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']

  it.each([
    ['both', [...ietf, ...older]],
    [undefined, [...ietf, ...older]],
    ['ietf', ietf],
    ['x-ratelimit', older],
    ['none', []],
  ] as const)('%s sends %j, and Retry-After with every refusal', async (headers, names) => {
    const limited = await runLimited({ name: 'a', limits: { rate: 1, per: 60, headers } })
    const [passed, refused] = [await limited.ask(), await limited.ask()]
    expect([passed.status, Object.keys(limitFields(passed))]).toEqual([200, names])
    expect([refused.status, Object.keys(limitFields(refused))]).toEqual([429, [...names, 'retry-after'].toSorted()])
    expect(fields(refused, 'retry-after')).toEqual(['60'])
  })
})

describe('what the upstream says of limits of its own', () => {
  async function through(headers: 'both' | 'ietf' | 'x-ratelimit' | 'none', rate = 5): Promise<WireResponse> {
    const upstream = await upstreamOfTest((_, res) => {
      const theirs = {
        'X-RateLimit-Limit': ['77', '78'],
        'X-Ratelimit-Remaining': '70',
        'x-ratelimit-reset': '1',
        RateLimit: ['"theirs";r=1;t=1', '"more";r=1;t=1'],
        'RateLimit-Policy': '"theirs";q=1;w=1',
        'Retry-After': '120',
      }
      res.writeHead(503, theirs)
      res.end()
    })
    const limited = await runLimited(
      { name: 'a', upstream: upstream.url, limits: { rate, per: 60, headers } },
      { forward: undefined },
    )
    return limited.ask()
  }

  it('gives way to ours, however often and in whatever case it was written', async () => {
    const answer = await through('both')
    expect(limitFields(answer)).toEqual({
      ratelimit: ['"api";r=4;t=60'],
      'ratelimit-policy': ['"api";q=5;w=60'],
      'x-ratelimit-limit': ['5'],
      'x-ratelimit-remaining': ['4'],
      'x-ratelimit-reset': [expect.stringMatching(/^\d{10}$/)],
      'retry-after': ['120'],
    })
  })

  it('goes through where we say nothing', async () => {
    expect(limitFields(await through('none'))).toEqual({
      ratelimit: ['"theirs";r=1;t=1', '"more";r=1;t=1'],
      'ratelimit-policy': ['"theirs";q=1;w=1'],
      'x-ratelimit-limit': ['77', '78'],
      'x-ratelimit-remaining': ['70'],
      'x-ratelimit-reset': ['1'],
      'retry-after': ['120'],
    })
  })

  it.each(['ietf', 'x-ratelimit'] as const)('gives way to what %s sends', async (headers) => {
    const answer = await through(headers)
    const ours = headers === 'ietf' ? ['ratelimit', '"api";r=4;t=60'] : ['x-ratelimit-remaining', '4']
    expect(fields(answer, ours[0]!)).toEqual([ours[1]])
  })
})

describe('Retry-After', () => {
  /** Refused until the very second it named, and then let in. */
  async function honest(limited: Limited, key?: string): Promise<number> {
    const ask = key === undefined ? {} : { key }
    const refused = await limited.ask(ask)
    const seconds = Number(fields(refused, 'retry-after')[0])
    expect(refused.status).not.toBe(200)
    expect(seconds).toBeGreaterThan(1)
    limited.clock.pass(seconds - 1)
    const early = await limited.ask(ask)
    limited.clock.pass(1)
    const inTime = await limited.ask(ask)
    expect([early.status, inTime.status]).toEqual([refused.status, 200])
    return seconds
  }

  it.each(['sliding-window', 'fixed-window', 'gcra'] as const)('is honest for %s', async (algorithm) => {
    const limited = await runLimited({ name: 'a', limits: { rate: 3, per: 30, algorithm } })
    limited.clock.pass(4.5)
    await limited.statuses(1)
    limited.clock.pass(2)
    await limited.statuses(2)
    expect(await honest(limited)).toBe({ 'sliding-window': 28, 'fixed-window': 24, gcra: 8 }[algorithm])
  })

  it('is honest for a quota', async () => {
    const limited = await runLimited(WITH_KEYS)
    const key = await newKey(limited, { quotaMax: 2, quotaRenewalRate: 60 })
    await limited.statuses(1, { key })
    limited.clock.pass(10)
    await limited.statuses(1, { key })
    expect(await honest(limited, key)).toBe(50)
  })

  it('waits for every limit that is used up, not only for the one that refused', async () => {
    const limited = await runLimited({ ...WITH_KEYS, limits: { rate: 1, per: 90 } })
    const key = await newKey(limited, { rate: 1, per: 10, quotaMax: 1, quotaRenewalRate: 50 })
    await limited.statuses(1, { key })
    const refused = await limited.ask({ key })
    expect([refused.body, fields(refused, 'x-ratelimit-limit'), fields(refused, 'retry-after')]).toEqual([
      envelope('Rate Limit Exceeded'),
      ['1'],
      ['90'],
    ])
    limited.clock.pass(90)
    expect(await limited.statuses(1, { key })).toEqual([200])
  })

  it('is honest after the limit was lowered, and nothing falls below 0', async () => {
    const limited = await runLimited(WITH_KEYS)
    const key = await newKey(limited, { rate: 4, per: 60 })
    for (let i = 0; i < 4; i += 1) {
      await limited.statuses(1, { key })
      limited.clock.pass(5)
    }
    await limited.gateway.sessions.update(key, { rate: 2 })
    const refused = await limited.ask({ key })
    expect(told(refused)).toEqual({ key: { q: 2, w: 60, r: 0, t: 50 } })
    expect(fields(refused, 'x-ratelimit-remaining')).toEqual(['0'])
    expect(await honest(limited, key)).toBe(50)
  })

  it('is a second at least', async () => {
    const limited = await runLimited({ name: 'a', limits: { rate: 1, per: 0.1 } })
    await limited.statuses(1)
    const refused = await limited.ask()
    expect([refused.status, fields(refused, 'retry-after'), told(refused)]).toEqual([
      429,
      ['1'],
      { api: { q: 1, w: 1, r: 0, t: 1 } },
    ])
  })

  it('is not said where a quota that never renews is used up as well', async () => {
    const limited = await runLimited(WITH_KEYS)
    const key = await newKey(limited, { rate: 1, per: 60, quotaMax: 1 })
    await limited.statuses(1, { key })
    const refused = await limited.ask({ key })
    expect([refused.status, fields(refused, 'retry-after')]).toEqual([429, []])
  })
})
