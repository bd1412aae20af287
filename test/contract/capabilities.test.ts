import type {
  AnalyticsRecord,
  ApiDefinitionInput,
  GatewayErrorCode,
  GatewayRequest,
  GatewayResponse,
  Hook,
  PluginContext,
  SessionInput,
} from '@postern/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  connect,
  type Connection,
  envelope,
  fields,
  listenTo,
  run,
  settled,
  startUpstream,
  type Upstream,
  UPSTREAM_BODY,
  upstreamOfTest,
} from './harness.ts'

/*
 * The table of the contract, section 2, walked at run time: what the type checker refuses to TypeScript, the gateway
 * refuses to JavaScript. Contexts and subjects are therefore `any` here, as they are for a JavaScript author.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- what a JavaScript author has
type Anything = any
type Look = (subject: Anything, context: Anything) => unknown

const SESSION: SessionInput = { alias: 'Ann', tags: ['a'], rate: 0, metadata: { token: 'ann', tier: 'gold' } }
const HOOKS: readonly Hook[] = ['pre', 'auth', 'postAuth', 'endpoint', 'post', 'response', 'analytics']
const REQUEST_HOOKS = ['pre', 'auth', 'postAuth', 'endpoint', 'post'] as const

interface Row {
  readonly subject: 'request' | 'response' | 'record'
  /** `known` may be there or not, `maybe` is undefined on a keyless API. */
  readonly session: 'absent' | 'known' | 'readable'
  readonly metadata: 'absent' | 'readonly' | 'writable'
  readonly params: boolean
  readonly request: boolean
  readonly ends: 'ends' | 'replaces' | 'never'
}

const TABLE: Readonly<Record<Hook, Row>> = {
  pre: { subject: 'request', session: 'absent', metadata: 'absent', params: false, request: false, ends: 'ends' },
  auth: { subject: 'request', session: 'known', metadata: 'readonly', params: false, request: false, ends: 'ends' },
  postAuth: {
    subject: 'request',
    session: 'readable',
    metadata: 'writable',
    params: false,
    request: false,
    ends: 'ends',
  },
  endpoint: {
    subject: 'request',
    session: 'readable',
    metadata: 'writable',
    params: true,
    request: false,
    ends: 'ends',
  },
  post: { subject: 'request', session: 'readable', metadata: 'writable', params: false, request: false, ends: 'ends' },
  response: {
    subject: 'response',
    session: 'readable',
    metadata: 'writable',
    params: false,
    request: true,
    ends: 'replaces',
  },
  analytics: { subject: 'record', session: 'absent', metadata: 'absent', params: false, request: false, ends: 'never' },
}

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  upstream.received.length = 0
})

function apiWith(hook: Hook, plugin: Look): ApiDefinitionInput {
  const list = (wanted: Hook): never[] => (hook === wanted ? [plugin as never] : [])
  return {
    name: 'orders',
    id: 'orders-v1',
    orgId: 'acme',
    upstream: upstream.url,
    config: { tiers: { gold: 5 } },
    hooks: {
      pre: list('pre'),
      auth: (request, context) => (hook === 'auth' ? (plugin(request, context) as undefined) : undefined) ?? SESSION,
      postAuth: list('postAuth'),
      post: list('post'),
      response: list('response'),
      analytics: list('analytics'),
    },
    endpoints: { '* /stock/:sku': list('endpoint') },
  }
}

interface Seen<T> {
  readonly value: T
  readonly status: number
  readonly body: string
  readonly errors: readonly GatewayErrorCode[]
}

/** Sends one request through an API whose plugin at `hook` looks around; `value` is what it saw. */
async function lookAt<T>(hook: Hook, look: (subject: Anything, context: Anything) => T): Promise<Seen<T>> {
  const seen: T[] = []
  const { gateway, port } = await run(
    apiWith(hook, (subject, context) => {
      seen.push(look(subject, context))
    }),
  )
  const errors = listenTo(gateway, 'pluginError')
  const dropped = listenTo(gateway, 'recordDropped')
  const { status, body } = await (
    await connect(port)
  ).request('POST', '/stock/7?full=1', ['Authorization: ann'], '{"a":1}')
  await vi.waitFor(() => expect(gateway.records.list().length + gateway.records.dropped).toBe(1))
  return { value: seen[0]!, status, body, errors: [...errors, ...dropped].map(({ error }) => error.code) }
}

/** What an assignment or a call came to. */
function attempt(act: () => unknown): string {
  try {
    act()
    return 'done'
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name
  }
}

describe.each(HOOKS)('a plugin at %s', (hook) => {
  const row = TABLE[hook]

  it(`meets the ${row.subject} and the parts of the context its row names, and no others`, async () => {
    const { value, status, body, errors } = await lookAt(hook, (subject, context) => ({
      subject: 'status' in subject ? 'response' : 'latency' in subject ? 'record' : 'request',
      session: 'session' in context,
      params: 'params' in context,
      request: 'request' in context,
      sessionOf: context.session?.keyId,
    }))
    expect(value).toEqual({
      subject: row.subject,
      session: row.session !== 'absent',
      params: row.params,
      request: row.request,
      sessionOf: row.session === 'readable' ? 'ann' : undefined,
    })
    expect([status, body, errors]).toEqual([200, UPSTREAM_BODY, []])
  })

  it('reads the API, the config and the definition, and can change none of them', async () => {
    const { value } = await lookAt(hook, (_subject, context) => ({
      api: [context.api.id, context.api.name, context.api.orgId, context.api.definition.listenPath],
      config: context.config,
      same: context.config === context.api.definition.config,
      changes: [
        attempt(() => (context.config.tiers = {})),
        attempt(() => (context.config.tiers.gold = 6)),
        attempt(() => (context.config.more = 1)),
        attempt(() => delete context.config.tiers),
        attempt(() => (context.api.name = 'x')),
        attempt(() => (context.api.definition = {})),
        attempt(() => (context.api.definition.upstream.url = 'http://evil.invalid')),
        attempt(() => context.api.definition.hooks.pre.push(() => undefined)),
        attempt(() => (context.api.definition.endpoints['GET /x'] = [])),
      ],
    }))
    expect(value).toEqual({
      api: ['orders-v1', 'orders', 'acme', '/'],
      config: { tiers: { gold: 5 } },
      same: true,
      changes: Array.from({ length: 9 }, () => 'TypeError'),
    })
  })

  it('cannot put anything in the place of a member of its context', async () => {
    const { value } = await lookAt(hook, (_subject, context) =>
      ['api', 'config', 'requestId', 'log', 'state', 'signal', 'call', 'session', 'params', 'request']
        .filter((name) => name in context)
        .map((name) => [name, attempt(() => (context[name] = {}))]),
    )
    expect(value.filter(([, outcome]) => outcome !== 'TypeError')).toEqual([])
    expect(value.length).toBeGreaterThanOrEqual(6)
  })

  it('has a log with four levels, a state, a signal and a call', async () => {
    const { value, errors } = await lookAt(hook, (_subject, context) => {
      for (const level of ['debug', 'info', 'warn', 'error']) context.log[level]('said', { by: hook })
      return [typeof context.state, context.signal instanceof AbortSignal, typeof context.call]
    })
    expect([value, errors]).toEqual([['object', true, 'function'], []])
  })
})

describe.each(REQUEST_HOOKS)('a plugin at %s', (hook) => {
  it('reads method, path, query, headers and body of the request', async () => {
    let seen: unknown
    const { port } = await run(
      apiWith(hook, async (request: GatewayRequest) => {
        seen = [
          request.method,
          request.path,
          request.query.get('full'),
          request.headers.get('x-a'),
          await request.json(),
        ]
        return hook === 'auth' ? SESSION : undefined
      }),
    )
    await (await connect(port)).request('POST', '/stock/7?full=1', ['X-A: 1'], '{"a":1}')
    expect(seen).toEqual(['POST', '/stock/7', '1', '1', { a: 1 }])
  })

  it('changes method, path, query, headers and body of the request, and the upstream sees it', async () => {
    const { status } = await lookAt(hook, (request: GatewayRequest) => {
      request.method = 'PUT'
      request.path = '/stock/8'
      request.query.set('full', '0')
      request.headers.set('x-by', hook)
      request.setBody({ b: 2 })
    })
    expect(status).toBe(200)
    expect(upstream.received).toEqual([
      expect.objectContaining({ method: 'PUT', url: '/stock/8?full=0', body: '{"b":2}' }),
    ])
    expect(upstream.received[0]?.headers).toMatchObject({
      'x-by': hook,
      'content-type': 'application/json',
      'content-length': '7',
    })
  })

  it('sends the request to another upstream', async () => {
    const other = await upstreamOfTest((_req, res) => res.end('the other one'))
    const { body } = await lookAt(hook, (request: GatewayRequest) => {
      request.upstream = other.url
    })
    expect([body, upstream.received.length, other.received.length]).toEqual(['the other one', 0, 1])
  })

  it('ends the request, and the upstream is not asked', async () => {
    const { port } = await run(apiWith(hook, () => ({ responseCode: 202, responseBody: 'ended' })))
    const { status, body } = await (await connect(port)).request('GET', '/stock/7')
    expect([status, body, upstream.received]).toEqual([202, 'ended', []])
  })
})

describe('a plugin at pre', () => {
  it('is told no session even when the store knows the caller', async () => {
    const seen: unknown[] = []
    const { gateway, port } = await run(apiWith('pre', (_request, context) => void seen.push(context.session)))
    const connection = await connect(port)
    await connection.request('GET', '/', ['Authorization: ann'])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    await connection.request('GET', '/', ['Authorization: ann'])
    expect(seen).toEqual([undefined, undefined])
  })
})

describe('a plugin at auth', () => {
  it.each([
    ['as it is', 'ann'],
    ['as a bearer token', 'Bearer ann'],
    ['as a bearer token in small letters', 'bearer ann'],
  ])('is shown what the store holds for the token presented %s, and nothing for a stranger', async (_, credential) => {
    const seen: unknown[] = []
    const { gateway, port } = await run(
      apiWith('auth', (_request, context) => void seen.push(context.session?.metadata.tier)),
    )
    const connection = await connect(port)
    await connection.request('GET', '/', [`Authorization: ${credential}`])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    await connection.request('GET', '/', [`Authorization: ${credential}`])
    await connection.request('GET', '/', ['Authorization: someone else'])
    await connection.request('GET', '/')
    expect(seen).toEqual([undefined, 'gold', undefined, undefined])
  })

  it('can change nothing of it, however deep', async () => {
    const outcomes: string[][] = []
    const { gateway, port } = await run({
      ...apiWith('auth', () => undefined),
      hooks: {
        auth: (_request, context) => {
          const session: Anything = context.session
          if (session !== undefined) {
            outcomes.push([
              attempt(() => (session.rate = 99)),
              attempt(() => (session.keyId = 'x')),
              attempt(() => session.tags.push('x')),
              attempt(() => (session.metadata.tier = 'x')),
              attempt(() => (session.metadata.more = 'x')),
              attempt(() => delete session.metadata.token),
              attempt(() => (session.metadata.address.city = 'x')),
              attempt(() => session.metadata.lists.push('x')),
            ])
          }
          return { metadata: { token: 'ann', address: { city: 'Bonn' }, lists: ['a'] } }
        },
      },
    })
    const connection = await connect(port)
    await connection.request('GET', '/', ['Authorization: ann'])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    await connection.request('GET', '/', ['Authorization: ann'])
    expect(outcomes).toEqual([Array.from({ length: 8 }, () => 'TypeError')])
  })

  it('makes the session from what it returns; what it keeps of that is its own', async () => {
    const kept = { rate: 0, tags: ['a'], metadata: { token: 'ann', tier: 'gold' } }
    const tiers: unknown[] = []
    const { port } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: {
        auth: () => kept,
        postAuth: [
          (_request, { session }) => {
            kept.metadata.tier = 'stolen'
            kept.tags.push('stolen')
            tiers.push(session.metadata['tier'], [...session.tags])
          },
        ],
      },
    })
    await (await connect(port)).request('GET', '/')
    expect(tiers).toEqual(['gold', ['a']])
  })
})

describe.each(['postAuth', 'endpoint', 'post', 'response'] as const)('a plugin at %s', (hook) => {
  it('cannot write the session', async () => {
    const { value } = await lookAt(hook, (_subject, { session }) => [
      attempt(() => (session.rate = 99)),
      attempt(() => (session.quotaMax = 99)),
      attempt(() => (session.expires = 0)),
      attempt(() => (session.isInactive = false)),
      attempt(() => (session.keyId = 'other')),
      attempt(() => (session.metadata = {})),
      attempt(() => (session.more = 1)),
      attempt(() => session.tags.push('x')),
      attempt(() => delete session.metadata),
    ])
    expect(value).toEqual(Array.from({ length: 9 }, () => 'TypeError'))
  })

  it('that writes the session all the same has broken', async () => {
    const { status, body, errors } = await lookAt(hook, (_subject, { session }) => {
      session.rate = 99
    })
    expect([status, body, errors]).toEqual([500, envelope('Middleware error'), ['PSTN_PLUGIN_THREW']])
  })

  it('writes metadata, which is saved and known to the auth plugin of the next request', async () => {
    const known: unknown[] = []
    const definition = apiWith(hook, (_subject, { session }) => {
      session.metadata.visits = Number(session.metadata.visits ?? 0) + 1
      session.metadata.last = { hook }
    })
    const { gateway, port } = await run({
      ...definition,
      hooks: {
        ...definition.hooks,
        auth: (_request, { session }) => {
          known.push(session?.metadata)
          return { metadata: { token: 'ann', visits: session?.metadata['visits'] } }
        },
      },
    })
    const connection = await connect(port)
    for (const served of [1, 2, 3]) {
      await connection.request('GET', '/stock/7', ['Authorization: ann'])
      await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(served))
    }
    expect(known).toEqual([
      undefined,
      { token: 'ann', visits: 1, last: { hook } },
      { token: 'ann', visits: 2, last: { hook } },
    ])
  })
})

describe('metadata', () => {
  it('written at one hook is seen by the later ones, and saved once with all of it', async () => {
    const known: unknown[] = []
    const note =
      (hook: string) =>
      (_subject: unknown, { session }: Anything) => {
        session.metadata.trail = [...(session.metadata.trail ?? []), hook]
      }
    const { gateway, port } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: {
        auth: (_request, { session }) => {
          known.push(session?.metadata['trail'])
          return { metadata: { token: 'ann' } }
        },
        postAuth: [note('postAuth')],
        post: [note('post')],
        response: [note('response')],
      },
      endpoints: { 'GET /': [note('endpoint')] },
    })
    const connection = await connect(port)
    await connection.request('GET', '/', ['Authorization: ann'])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    await connection.request('GET', '/', ['Authorization: ann'])
    expect(known).toEqual([undefined, ['postAuth', 'endpoint', 'post', 'response']])
  })

  it('of a request that ended early is saved as well', async () => {
    const known: unknown[] = []
    const { gateway, port } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: {
        auth: (_request, { session }) => {
          known.push(session?.metadata['noted'])
          return { metadata: { token: 'ann' } }
        },
        postAuth: [
          (_request, { session }) => {
            session.metadata['noted'] = true
            return { responseCode: 403 }
          },
        ],
      },
    })
    const connection = await connect(port)
    await connection.request('GET', '/', ['Authorization: ann'])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    await connection.request('GET', '/', ['Authorization: ann'])
    expect(known).toEqual([undefined, true])
  })

  it('of one caller is never shown to another, also while both are under way', async () => {
    const seen: unknown[] = []
    const { port } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: {
        auth: (request) => ({ metadata: { token: request.headers.get('authorization') ?? '' } }),
        postAuth: [
          async (request, { session }) => {
            session.metadata['by'] = request.headers.get('authorization')
            await settled()
            seen.push([request.headers.get('authorization'), session.metadata['by'], session.keyId])
          },
        ],
      },
    })
    const connections = await Promise.all(Array.from({ length: 8 }, () => connect(port)))
    await Promise.all(connections.map((connection, i) => connection.request('GET', '/', [`Authorization: c${i}`])))
    expect(new Set(seen.map(String))).toEqual(new Set(Array.from({ length: 8 }, (_, i) => `c${i},c${i},c${i}`)))
  })
})

describe('a plugin at endpoint', () => {
  it('is given the parameters of its path, decoded, which it cannot change', async () => {
    const seen: unknown[] = []
    const { port } = await run({
      name: 'orders',
      upstream: upstream.url,
      endpoints: {
        'GET /stock/:sku/*rest': [
          (_request, { params }) => {
            const loose: Anything = params
            seen.push({ ...params }, 'hasOwnProperty' in params)
            seen.push(
              attempt(() => (loose.sku = 'x')),
              params['sku'],
            )
          },
        ],
      },
    })
    await (await connect(port)).request('GET', '/stock/a%20b%2Fc/d/e%2Ff')
    expect(seen).toEqual([{ sku: 'a b/c', rest: 'd/e%2Ff' }, false, 'TypeError', 'a b/c'])
  })
})

describe('on a keyless API', () => {
  it.each(['endpoint', 'post', 'response'] as const)('a plugin at %s finds no session', async (hook) => {
    const seen: unknown[] = []
    const plugin: Look = (_subject, context) => void seen.push(context.session)
    const { port } = await run({
      name: 'open',
      upstream: upstream.url,
      hooks: { post: hook === 'post' ? [plugin as never] : [], response: hook === 'response' ? [plugin as never] : [] },
      endpoints: { 'GET /': hook === 'endpoint' ? [plugin as never] : [] },
    })
    await (await connect(port)).request('GET', '/')
    expect(seen).toEqual([undefined])
  })
})

describe('a plugin at response', () => {
  it('changes status, headers and body of the response', async () => {
    const { status, body } = await lookAt('response', (response: GatewayResponse) => {
      response.status = 201
      response.headers.delete('x-upstream')
      response.setBody({ changed: true })
    })
    expect([status, body]).toEqual([201, '{"changed":true}'])
  })

  it('reads the body it got', async () => {
    let seen: unknown
    const { port } = await run(
      apiWith('response', async (response: GatewayResponse) => {
        seen = await response.text()
      }),
    )
    const { body } = await (await connect(port)).request('GET', '/')
    expect([seen, body]).toEqual([UPSTREAM_BODY, UPSTREAM_BODY])
  })

  it('replaces the answer', async () => {
    const { port } = await run(apiWith('response', () => ({ responseCode: 202, responseBody: 'replaced' })))
    const response = await (await connect(port)).request('GET', '/')
    expect([response.status, response.body, fields(response, 'x-upstream')]).toEqual([202, 'replaced', []])
  })

  it('reads the request as it was sent, body included', async () => {
    let seen: unknown
    const { port } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: {
        pre: [
          (request) => {
            request.headers.set('x-tenant', 'acme')
            request.path = '/v2/stock'
          },
        ],
        response: [
          async (_response, { request }) => {
            seen = [
              request.method,
              request.path,
              request.originalUrl,
              request.query.get('a'),
              request.query.getAll('a'),
              request.query.has('a', '2'),
              request.query.size,
              String(request.query),
              [...request.query],
              request.headers.get('x-tenant'),
              request.headers.has('host'),
              [...request.headers].length > 1,
              request.scheme,
              request.host,
              request.clientAddress,
              request.upstream,
              request.signal.aborted,
              await request.json(),
              await request.text(),
              (await request.bytes()).length,
            ]
          },
        ],
      },
    })
    await (await connect(port)).request('POST', '/stock?a=1&a=2', [], '{"a":1}')
    expect(seen).toEqual([
      'POST',
      '/v2/stock',
      '/stock?a=1&a=2',
      '1',
      ['1', '2'],
      true,
      2,
      'a=1&a=2',
      [
        ['a', '1'],
        ['a', '2'],
      ],
      'acme',
      true,
      true,
      'http',
      'gateway.test',
      '127.0.0.1',
      upstream.url,
      false,
      { a: 1 },
      '{"a":1}',
      7,
    ])
  })

  const mutations: readonly (readonly [what: string, act: (request: Anything) => unknown])[] = [
    ['method =', (request) => (request.method = 'PUT')],
    ['path =', (request) => (request.path = '/x')],
    ['query =', (request) => (request.query = 'x=1')],
    ['upstream =', (request) => (request.upstream = 'http://evil.invalid')],
    ['headers.set', (request) => request.headers.set('x-a', '1')],
    ['headers.append', (request) => request.headers.append('x-a', '1')],
    ['headers.delete', (request) => request.headers.delete('host')],
    ['query.set', (request) => request.query.set('a', '1')],
    ['query.append', (request) => request.query.append('a', '1')],
    ['query.delete', (request) => request.query.delete('a')],
    // oxlint-disable-next-line unicorn/no-array-sort -- a query is no array
    ['query.sort', (request) => request.query.sort()],
    ['setBody', (request) => request.setBody('x')],
  ]

  it.each(mutations)('is refused request.%s', async (_, act) => {
    const { value } = await lookAt('response', (_response, { request }) => attempt(() => act(request)))
    expect(value).toBe('PSTN_READ_ONLY')
  })

  it.each(['method', 'path', 'query', 'upstream'])('is refused request.%s = in sloppy code as well', async (name) => {
    // What a CommonJS plugin without "use strict" does, where a frozen property would swallow the change.
    // oxlint-disable-next-line no-implied-eval, typescript/no-implied-eval -- the only way to sloppy code
    const sloppily = new Function('request', `request.${name} = '/x'`) as (request: unknown) => void
    const { value } = await lookAt('response', (_response, { request }) => attempt(() => sloppily(request)))
    expect(value).toBe('PSTN_READ_ONLY')
  })

  it('that changes the request all the same has broken', async () => {
    const { status, body, errors } = await lookAt('response', (_response, { request }) => request.headers.set('a', 'b'))
    expect([status, body, errors]).toEqual([500, envelope('Middleware error'), ['PSTN_READ_ONLY']])
  })
})

describe('a plugin at analytics', () => {
  it('masks what is stored', async () => {
    const { gateway, port } = await run(
      apiWith('analytics', (record: AnalyticsRecord) => {
        record.apiKey = '***'
        record.path = '/masked'
      }),
    )
    await (await connect(port)).request('GET', '/stock/7')
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    expect(gateway.records.list()[0]).toMatchObject({ apiKey: '***', path: '/masked', alias: 'Ann', tags: ['a'] })
  })

  it('keeps the client waiting for nothing', async () => {
    const { port } = await run(apiWith('analytics', () => new Promise(() => undefined)))
    const { status, body } = await (await connect(port)).request('GET', '/')
    expect([status, body]).toEqual([200, UPSTREAM_BODY])
  })
})

describe('state', () => {
  it('is shared by the plugins of one request and by no others', async () => {
    const seen: unknown[] = []
    const note =
      (hook: string) =>
      (_subject: unknown, { state }: PluginContext) => {
        state['trail'] = [...((state['trail'] as string[] | undefined) ?? []), hook]
      }
    const { gateway, port } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: {
        pre: [note('pre')],
        auth: (_request, context) => {
          note('auth')(undefined, context)
          return SESSION
        },
        postAuth: [note('postAuth')],
        post: [note('post')],
        response: [note('response')],
        analytics: [(_record, { state }) => void seen.push(state['trail'])],
      },
      endpoints: { 'GET /': [note('endpoint')] },
    })
    const connections = await Promise.all([connect(port), connect(port)])
    await Promise.all(connections.map((connection) => connection.request('GET', '/')))
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(2))
    const trail = ['pre', 'auth', 'postAuth', 'endpoint', 'post', 'response']
    expect(seen).toEqual([trail, trail])
  })
})

/** A plugin that waits for its signal and tells why it was aborted. */
function waitingFor(reasons: unknown[], started: () => void): Look {
  return (_subject, { signal }: PluginContext) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        reasons.push((signal.reason as { code?: string }).code)
        reject(signal.reason as Error)
      })
      started()
    })
}

describe.each(['pre', 'auth', 'postAuth', 'endpoint', 'post', 'response'] as const)(
  'the signal of a plugin at %s',
  (hook) => {
    it('is aborted when the client hangs up', async () => {
      const reasons: unknown[] = []
      let started = (): void => undefined
      const underWay = new Promise<void>((resolve) => (started = resolve))
      const { gateway, port } = await run(
        apiWith(
          hook,
          waitingFor(reasons, () => started()),
        ),
      )
      listenTo(gateway, 'pluginError')
      const connection: Connection = await connect(port)
      connection.write('GET /stock/7 HTTP/1.1\r\nHost: a\r\n\r\n')
      await underWay
      connection.hangUp()
      await vi.waitFor(() => expect(reasons).toEqual(['PSTN_CLIENT_CLOSED']))
      await vi.waitFor(() => expect(gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([499]))
    })

    it('is aborted when its deadline passes, and the next plugin gets one of its own', async () => {
      const reasons: unknown[] = []
      const plugin = { plugin: waitingFor(reasons, () => undefined) as never, timeoutMs: 20 }
      const later: boolean[] = []
      const base = apiWith(hook, () => undefined)
      const { gateway, port } = await run({
        ...base,
        hooks: {
          ...base.hooks,
          ...(hook === 'endpoint' ? {} : { [hook]: hook === 'auth' ? plugin : [plugin] }),
          analytics: [(_record, { signal }) => void later.push(signal.aborted)],
        },
        endpoints: { 'GET /stock/:sku': hook === 'endpoint' ? [plugin] : [] },
      })
      listenTo(gateway, 'pluginError')
      const { status } = await (await connect(port)).request('GET', '/stock/7')
      expect([status, reasons]).toEqual([hook === 'auth' ? 403 : 500, ['PSTN_PLUGIN_TIMEOUT']])
      await vi.waitFor(() => expect(later).toEqual([false]))
    })
  },
)

describe('the signal of a request', () => {
  it('is aborted when the gateway closes before the plugin is done', async () => {
    const reasons: unknown[] = []
    let started = (): void => undefined
    const underWay = new Promise<void>((resolve) => (started = resolve))
    const { gateway, port } = await run(
      apiWith(
        'pre',
        waitingFor(reasons, () => started()),
      ),
    )
    listenTo(gateway, 'pluginError')
    const connection = await connect(port)
    connection.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await underWay
    await gateway.close({ timeoutMs: 1 })
    expect(reasons).toEqual(['PSTN_CLOSED'])
  })

  it('is not aborted for a request that was served', async () => {
    const signals: AbortSignal[] = []
    const { gateway, port } = await run(
      apiWith('pre', (request: GatewayRequest, context) => void signals.push(request.signal, context.signal)),
    )
    await (await connect(port)).request('GET', '/')
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    await settled()
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false])
  })
})
