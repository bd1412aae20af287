import {
  type ApiDefinitionInput,
  checkDefinitions,
  type Hook,
  type PluginSettings,
  respond,
  type SessionInput,
} from '@postern/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { connect, run, startUpstream, type Upstream, type WireResponse } from './harness.ts'

/*
 * The order of the contract, section 2, as it is observed on real requests: every plugin, the endpoint's and the
 * upstream itself note their names in one list.
 */

const SESSION: SessionInput = { metadata: { token: 'ann' } }
let trail: string[] = []
let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream((_req, res) => {
    trail.push('upstream')
    res.end('from the upstream')
  })
})
afterAll(() => upstream.close())
beforeEach(() => {
  trail = []
  upstream.received.length = 0
})

/** A plugin that notes its name; `then` is what it returns, at once or later. */
function noting(name: string, then: () => unknown = () => undefined): PluginSettings<never> {
  return {
    name,
    plugin: (() => {
      trail.push(name)
      return then()
    }) as never,
  }
}

function later(then: () => unknown = () => undefined): () => Promise<unknown> {
  return async () => {
    await new Promise((resolve) => setImmediate(resolve))
    return then()
  }
}

const FULL: ApiDefinitionInput = {
  name: 'orders',
  listenPath: '/orders/',
  hooks: {
    pre: [noting('pre 1'), noting('pre 2', later()), noting('pre 3')],
    auth: noting('auth', () => SESSION),
    postAuth: [noting('postAuth 1', later()), noting('postAuth 2')],
    post: [noting('post 1'), noting('post 2', later()), noting('post 3')],
    response: [noting('response 1', later()), noting('response 2'), noting('response 3', later())],
    analytics: [noting('analytics 1', later()), noting('analytics 2')],
  },
  endpoints: {
    'GET /stock/:sku': [noting('endpoint 1'), noting('endpoint 2', later()), noting('endpoint 3')],
    'GET /other': [noting('another endpoint')],
    '* /stock/:sku/any': [noting('any method')],
  },
}

const ALL = [
  ['pre 1', 'pre 2', 'pre 3', 'auth', 'postAuth 1', 'postAuth 2', 'endpoint 1', 'endpoint 2', 'endpoint 3'],
  ['post 1', 'post 2', 'post 3', 'upstream', 'response 1', 'response 2', 'response 3', 'analytics 1', 'analytics 2'],
].flat()

interface Served {
  readonly response: WireResponse
  readonly trail: readonly string[]
}

/** One request, waited for until its record is through. */
async function serve(definition: ApiDefinitionInput, method: string, target: string): Promise<Served> {
  const { gateway, port } = await run({ upstream: upstream.url, ...definition })
  gateway.on('pluginError', () => undefined)
  const response = await (await connect(port)).request(method, target)
  await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
  return { response, trail }
}

describe('a request that nothing ends', () => {
  it('meets every plugin of every hook, in order, whether they answer at once or later', async () => {
    const served = await serve(FULL, 'GET', '/orders/stock/7')
    expect([served.response.status, served.trail]).toEqual([200, ALL])
  })

  it('meets no endpoint plugins where no endpoint matches', async () => {
    const served = await serve(FULL, 'GET', '/orders/stock')
    expect(served.trail).toEqual(ALL.filter((name) => !name.startsWith('endpoint')))
  })

  it('meets the plugins of one endpoint only, the most specific one', async () => {
    const definition: ApiDefinitionInput = {
      name: 'orders',
      endpoints: {
        'GET /*rest': [noting('rest')],
        'GET /:kind/:id': [noting('parameters')],
        'GET /stock/:id': [noting('literal first')],
        'GET /stock/7': [noting('literal')],
        '* /stock/7': [noting('any method')],
      },
    }
    const met = async (method: string, target: string): Promise<readonly string[]> => {
      trail = []
      return (await serve(definition, method, target)).trail.filter((name) => name !== 'upstream')
    }
    expect([
      await met('GET', '/stock/7'),
      await met('POST', '/stock/7'),
      await met('GET', '/stock/8'),
      await met('GET', '/tools/8'),
      await met('GET', '/a/b/c'),
      await met('POST', '/a'),
    ]).toEqual([['literal'], ['any method'], ['literal first'], ['parameters'], ['rest'], []])
  })

  it('with HEAD meets the endpoint of GET, and one of its own first', async () => {
    const served = await serve(FULL, 'HEAD', '/orders/stock/7')
    expect([served.response.status, served.trail]).toEqual([200, ALL])
    trail = []
    const own = await serve(
      { name: 'orders', endpoints: { 'GET /x': [noting('get')], 'HEAD /x': [noting('head')] } },
      'HEAD',
      '/x',
    )
    expect(own.trail).toEqual(['head', 'upstream'])
  })

  it('on a keyless API skips authentication and everything behind it', async () => {
    const { pre, post, response, analytics } = FULL.hooks ?? {}
    const served = await serve({ ...FULL, hooks: { pre, post, response, analytics } }, 'GET', '/orders/stock/7')
    expect(served.trail).toEqual(ALL.filter((name) => !/auth/i.test(name)))
  })

  it('meets one plugin as often as it is named', async () => {
    const twice = noting('twice')
    const served = await serve({ name: 'orders', hooks: { pre: [twice, twice], post: [twice] } }, 'GET', '/')
    expect(served.trail).toEqual(['twice', 'twice', 'twice', 'upstream'])
  })
})

/** The full API with one plugin ending the request. */
function endedBy(hook: Hook, name: string, how: () => unknown): ApiDefinitionInput {
  const replace = (list: readonly unknown[] = []): never[] =>
    list.map((entry) => ((entry as { name: string }).name === name ? noting(name, how) : entry)) as never[]
  const hooks = FULL.hooks ?? {}
  return {
    ...FULL,
    hooks: {
      pre: replace(hooks.pre),
      auth: hook === 'auth' ? noting(name, how) : hooks.auth,
      postAuth: replace(hooks.postAuth),
      post: replace(hooks.post),
      response: replace(hooks.response),
      analytics: replace(hooks.analytics),
    },
    endpoints: { 'GET /stock/:sku': replace(FULL.endpoints?.['GET /stock/:sku']) },
  }
}

const decision = (): unknown => ({ responseCode: 202, responseBody: 'ended' })
const failure = (): never => {
  throw new Error('broken')
}
const STAGES: readonly (readonly [hook: Hook, name: string])[] = [
  ['pre', 'pre 1'],
  ['pre', 'pre 2'],
  ['auth', 'auth'],
  ['postAuth', 'postAuth 1'],
  ['endpoint', 'endpoint 2'],
  ['post', 'post 1'],
  ['post', 'post 3'],
]

describe.each(STAGES)('a request ended at %s by "%s"', (hook, name) => {
  const upTo = [...ALL.slice(0, ALL.indexOf(name) + 1), 'analytics 1', 'analytics 2']

  it.each([
    ['a decision', decision, 202],
    ['a later decision', later(decision), 202],
    ['a failure', failure, hook === 'auth' ? 403 : 500],
    ['a later failure', later(failure), hook === 'auth' ? 403 : 500],
  ])('through %s meets nothing more but analytics', async (_, how, status) => {
    const served = await serve(endedBy(hook, name, how), 'GET', '/orders/stock/7')
    expect([served.response.status, served.trail, upstream.received]).toEqual([status, upTo, []])
  })
})

describe('a response that a plugin replaces or breaks', () => {
  it.each([
    ['replaced', decision, 202],
    ['broken', failure, 500],
  ])('is %s with the last word: no later response plugin runs, analytics do', async (_, how, status) => {
    const served = await serve(endedBy('response', 'response 2', how), 'GET', '/orders/stock/7')
    expect([served.response.status, served.trail]).toEqual([status, ALL.filter((name) => name !== 'response 3')])
  })
})

describe('a record that a plugin drops', () => {
  it('meets no later analytics plugin', async () => {
    const { gateway, port } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: {
        analytics: [
          noting(
            'first',
            later(() => false),
          ),
          noting('second'),
        ],
      },
    })
    const connection = await connect(port)
    await connection.request('GET', '/')
    await vi.waitFor(() => expect(trail).toEqual(['upstream', 'first']))
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect([trail, gateway.records.list(), gateway.records.dropped]).toEqual([['upstream', 'first'], [], 0])
  })
})

describe('a key that is refused after authentication', () => {
  const CASES: readonly (readonly [string, Partial<SessionInput>, number, string])[] = [
    ['inactive', { isInactive: true }, 403, 'Key is inactive, please renew'],
    ['expired', { expires: 1 }, 401, 'Key has expired, please renew'],
    ['inactive and expired', { isInactive: true, expires: 1 }, 403, 'Key is inactive, please renew'],
  ]

  it.each(CASES)(
    'because it is %s has met postAuth, and meets neither endpoint nor post nor upstream',
    async (_, key, status, message) => {
      const served = await serve(
        { ...FULL, hooks: { ...FULL.hooks, auth: noting('auth', () => ({ ...SESSION, ...key })) } },
        'GET',
        '/orders/stock/7',
      )
      expect([served.response.status, JSON.parse(served.response.body)]).toEqual([status, { error: message }])
      expect(served.trail).toEqual([...ALL.slice(0, ALL.indexOf('postAuth 2') + 1), 'analytics 1', 'analytics 2'])
    },
  )

  it('does not because it expires later, or never', async () => {
    const definition = (expires: number): ApiDefinitionInput => ({
      name: 'orders',
      hooks: { auth: () => ({ ...SESSION, expires }) },
    })
    const soon = Math.floor(Date.now() / 1000) + 3600
    const statuses = [await serve(definition(soon), 'GET', '/'), await serve(definition(0), 'GET', '/')]
    expect(statuses.map(({ response }) => response.status)).toEqual([200, 200])
  })
})

describe('what a pre plugin changed', () => {
  it('is what the endpoint is chosen by', async () => {
    const definition: ApiDefinitionInput = {
      name: 'orders',
      hooks: {
        pre: [
          (request) => {
            request.method = 'PUT'
            request.path = '/renamed'
          },
        ],
      },
      endpoints: { 'GET /x': [noting('as it came')], 'PUT /renamed': [noting('as it was changed')] },
    }
    const served = await serve(definition, 'GET', '/x')
    expect(served.trail).toEqual(['as it was changed', 'upstream'])
  })

  it('at an endpoint does not choose another endpoint', async () => {
    const definition: ApiDefinitionInput = {
      name: 'orders',
      endpoints: {
        'GET /x': [
          (request) => {
            request.path = '/y'
          },
          noting('second of x'),
        ],
        'GET /y': [noting('y')],
      },
    }
    const served = await serve(definition, 'GET', '/x')
    expect([served.trail, upstream.received.map(({ url }) => url)]).toEqual([['second of x', 'upstream'], ['/y']])
  })
})

describe('a post plugin', () => {
  it('has the last look: it sees what all the others made of the request', async () => {
    let seen: unknown
    const definition: ApiDefinitionInput = {
      name: 'orders',
      hooks: {
        pre: [(request) => request.headers.append('x-by', 'pre')],
        auth: (request) => {
          request.headers.append('x-by', 'auth')
          return SESSION
        },
        postAuth: [(request) => request.headers.append('x-by', 'postAuth')],
        post: [
          (request) => {
            seen = request.headers.getAll('x-by')
            request.headers.set('x-by', 'post')
          },
        ],
      },
      endpoints: { 'GET /': [(request) => request.headers.append('x-by', 'endpoint')] },
    }
    await serve(definition, 'GET', '/')
    expect([seen, upstream.received[0]?.headers['x-by']]).toEqual([['pre', 'auth', 'postAuth', 'endpoint'], 'post'])
  })
})

describe('explain', () => {
  it('agrees with what really ran', async () => {
    const { gateway, port } = await run({ ...FULL, upstream: upstream.url })
    const cases = [
      ['GET', '/orders/stock/7?full=1'],
      ['HEAD', '/orders/stock/7'],
      ['POST', '/orders/stock/7'],
      ['DELETE', '/orders/stock/7/any'],
      ['GET', '/orders'],
      ['GET', '/orders/%73tock/7'],
    ] as const
    const connection = await connect(port)
    for (const [i, [method, target]] of cases.entries()) {
      const explained = gateway.explain(method, target)
      trail = []
      await connection.request(method, target)
      await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(i + 1))
      expect(explained.hooks.flatMap(({ plugins }) => plugins)).toEqual(trail.filter((name) => name !== 'upstream'))
      expect(explained.upstream).toBe(
        `${upstream.url}${upstream.received.at(-1)?.url}`.replace(/\/$/, explained.path === '/orders' ? '/' : ''),
      )
    }
  })

  it('names the API, the endpoint, its parameters and where the request would go', async () => {
    const { gateway } = await run({ ...FULL, id: 'orders-v1', upstream: upstream.url })
    expect(gateway.explain('GET', '/orders/stock/a%20b?full=1')).toMatchObject({
      method: 'GET',
      path: '/orders/stock/a%20b',
      api: { id: 'orders-v1', name: 'orders', listenPath: '/orders' },
      endpoint: { key: 'GET /stock/:sku', params: { sku: 'a b' } },
      upstream: `${upstream.url}/stock/a%20b?full=1`,
    })
  })

  it('runs nothing and leaves no trace', async () => {
    const { gateway } = await run({ ...FULL, upstream: upstream.url })
    gateway.explain('GET', '/orders/stock/7')
    await new Promise((resolve) => setImmediate(resolve))
    expect([trail, upstream.received, gateway.records.list()]).toEqual([[], [], []])
  })

  it('prints what a person wants to know', async () => {
    const { gateway } = await run({ ...FULL, upstream: 'http://127.0.0.1:9000' })
    expect(String(gateway.explain('GET', '/orders/stock/7'))).toBe(
      [
        'GET /orders/stock/7',
        '  api        orders at /orders',
        '  pre        pre 1 > pre 2 > pre 3',
        '  auth       auth',
        '  postAuth   postAuth 1 > postAuth 2',
        '  endpoint   endpoint 1 > endpoint 2 > endpoint 3  (matches "GET /stock/:sku")',
        '  post       post 1 > post 2 > post 3',
        '  response   response 1 > response 2 > response 3',
        '  analytics  analytics 1 > analytics 2',
        '  params     {"sku":"7"}',
        '  upstream   http://127.0.0.1:9000/stock/7',
      ].join('\n'),
    )
  })

  it('says why a hook would not run', async () => {
    const { gateway } = await run({
      name: 'open',
      listenPath: '/open/',
      records: false,
      endpoints: { 'POST /x': [noting('x')] },
    })
    const why = (method: string, url: string): Record<string, string> =>
      Object.fromEntries(gateway.explain(method, url).hooks.map((row) => [row.hook, row.why]))
    expect(why('GET', '/open/x')).toEqual({
      pre: 'none defined',
      auth: 'the API is keyless',
      postAuth: 'never runs on a keyless API',
      endpoint: 'the path matches, but only for POST',
      post: 'none defined',
      response: 'none defined',
      analytics: 'records are off',
    })
    expect(why('GET', '/open/y')['endpoint']).toBe('no endpoint matches /y')
    expect(gateway.explain('GET', '/open/x').upstream).toBe('the host application')
  })

  it('says that the option forward is asked, where that stands behind', async () => {
    const { gateway } = await run({ name: 'open' }, { forward: () => respond(200, 'mock') })
    expect(gateway.explain('GET', '/').upstream).toBe('the option forward')
  })

  it.each<[string, readonly unknown[], string]>([
    ['a URL alone', ['/orders/7?key=secret'], '"/orders/7?..." and undefined'],
    ['nothing', [], 'undefined and undefined'],
    ['a URL that is no text', ['GET', new URL('http://a/orders/7')], '"GET" and an instance of URL'],
    ['a request in one', [{ method: 'GET', url: '/' }], 'an object with method, url and undefined'],
  ])('asks for a method and a URL: %s', async (_, given, found) => {
    const definition = { name: 'orders', upstream: upstream.url }
    const { gateway } = await run(definition)
    for (const explainer of [gateway, await checkDefinitions(definition)])
      expect(() => explainer.explain(...(given as [string, string]))).toThrow(
        expect.objectContaining({
          code: 'PSTN_VALUE_INVALID',
          message: `explain() takes a method and a URL, such as explain('GET', '/orders/1'); found ${found}.`,
        }),
      )
  })

  it('says what becomes of a request that no API takes', async () => {
    const { gateway, port } = await run({ name: 'open', listenPath: '/open/', upstream: upstream.url })
    const elsewhere = gateway.explain('GET', '/openly')
    expect([elsewhere.api, elsewhere.endpoint, elsewhere.hooks]).toEqual([undefined, undefined, []])
    expect(elsewhere.upstream).toContain('/open')
    const malformed = gateway.explain('GET', '/open/%zz')
    expect([malformed.path, malformed.api]).toEqual([undefined, undefined])
    expect(malformed.upstream).toContain('400')
    const connection = await connect(port)
    const statuses = [await connection.request('GET', '/openly'), await connection.request('GET', '/open/%zz')]
    expect(statuses.map(({ status }) => status)).toEqual([404, 400])
  })
})
