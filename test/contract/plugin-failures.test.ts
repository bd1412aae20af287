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
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  connect,
  envelope,
  fields,
  listenTo,
  run,
  settled,
  startUpstream,
  type Upstream,
  UPSTREAM_BODY,
  watchProcess,
} from './harness.ts'

/*
 * The failure table: every way a plugin can go wrong, at every hook. Each cell asks for the documented answer, for
 * exactly one response, for a process that noticed nothing, and for an ordinary answer to the request behind it.
 */

const HOOKS: readonly Hook[] = ['pre', 'auth', 'postAuth', 'endpoint', 'post', 'response', 'analytics']
const SESSION: SessionInput = { metadata: { token: 'caller' } }
const SECRET = 'SECRET OF THE PLUGIN'

/** What the client is told when a plugin of that hook breaks. */
const BROKEN: Readonly<Record<Hook, readonly [status: number, body: string]>> = {
  pre: [500, envelope('Middleware error')],
  auth: [403, envelope('Key not authorised')],
  postAuth: [500, envelope('Middleware error')],
  endpoint: [500, envelope('Middleware error')],
  post: [500, envelope('Middleware error')],
  response: [500, envelope('Middleware error')],
  analytics: [200, UPSTREAM_BODY],
}

// A cell that hangs is a failed cell; there are hundreds of them.
vi.setConfig({ testTimeout: 3_000 })

type Settle = (value?: unknown) => void
type Act = (subject: never, context: PluginContext) => unknown

let upstream: Upstream
let seenByProcess: readonly unknown[]
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  seenByProcess = watchProcess()
})

/** An API whose one plugin at `hook` misbehaves on the first request and is in order from then on. */
function withCulprit(hook: Hook, act: Act, timeoutMs = 5_000): ApiDefinitionInput {
  let calls = 0
  const plugin = (subject: never, context: PluginContext): unknown => {
    calls += 1
    if (calls === 1) return act(subject, context)
    return hook === 'auth' ? SESSION : undefined
  }
  const culprit = { plugin: plugin as never, name: 'culprit', timeoutMs }
  const at = <T>(wanted: Hook, otherwise: T): T => (hook === wanted ? (culprit as T) : otherwise)
  const list = (wanted: Hook): never[] => (hook === wanted ? [culprit as never] : [])
  return {
    name: 'orders',
    upstream: upstream.url,
    hooks: {
      pre: list('pre'),
      auth: at('auth', () => SESSION),
      postAuth: list('postAuth'),
      post: list('post'),
      response: list('response'),
      analytics: list('analytics'),
    },
    endpoints: { 'GET /bad': list('endpoint'), 'GET /good': [] },
  }
}

/** What became of one misbehaviour. */
interface Cell {
  readonly status: number
  readonly body: string
  readonly contentType: readonly string[]
  /** Whether a header of the upstream's answer came along. */
  readonly showsUpstream: boolean
  /** Whether anything the plugin threw can be read by the client. */
  readonly showsSecret: boolean
  readonly pluginErrors: readonly GatewayErrorCode[]
  readonly authFailures: readonly { readonly status: number; readonly message: string }[]
  readonly dropped: readonly GatewayErrorCode[]
}

interface Watched {
  readonly afterAnswer?: () => Promise<void> | void
  readonly timeoutMs?: number
}

/** Sends the request that meets the misbehaviour, then an ordinary one on the same connection. */
async function meet(hook: Hook, act: Act, { afterAnswer, timeoutMs }: Watched = {}): Promise<Cell> {
  const { gateway, port } = await run(withCulprit(hook, act, timeoutMs))
  const pluginErrors = listenTo(gateway, 'pluginError')
  const authFailures = listenTo(gateway, 'authFailure')
  const dropped = listenTo(gateway, 'recordDropped')
  const connection = await connect(port)

  const response = await connection.request('GET', '/bad')
  const expectedDrops = hook === 'analytics' ? 1 : 0
  await vi.waitFor(() => expect(dropped.length).toBe(expectedDrops))
  await afterAnswer?.()
  await settled()
  expect(connection.stray, 'one request has one answer').toBe('')

  const next = await connection.request('GET', '/good')
  expect([next.status, next.body], 'an ordinary request afterwards').toEqual([200, UPSTREAM_BODY])
  const other = await (await connect(port)).request('GET', '/good')
  expect([other.status, other.body], 'an ordinary request on another connection').toEqual([200, UPSTREAM_BODY])

  const kept = 3 - expectedDrops
  await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(kept))
  expect(gateway.records.dropped).toBe(expectedDrops)
  await settled()
  expect(connection.stray, 'one request has one answer').toBe('')
  expect(seenByProcess).toEqual([])
  for (const event of pluginErrors)
    expect([event.hook, event.plugin, event.api.name]).toEqual([hook, 'culprit', 'orders'])
  const { status, body, head } = response
  return {
    status,
    body,
    contentType: fields(response, 'content-type'),
    showsUpstream: fields(response, 'x-upstream').length > 0,
    showsSecret: (head + body).includes(SECRET),
    pluginErrors: pluginErrors.map(({ error }) => error.code),
    authFailures: authFailures.map((event) => ({ status: event.status, message: event.message })),
    dropped: dropped.map(({ error }) => error.code),
  }
}

/** The plugin broke: the fixed answer of its hook, and nothing of anybody's secrets. */
function broken(hook: Hook, code: GatewayErrorCode, later: readonly GatewayErrorCode[] = []): Cell {
  const [status, body] = BROKEN[hook]
  const unseen = hook === 'analytics'
  return {
    status,
    body,
    contentType: [unseen ? 'text/plain' : 'application/json'],
    showsUpstream: unseen,
    showsSecret: false,
    pluginErrors: unseen ? later : [code, ...later],
    authFailures: [],
    dropped: unseen ? [code] : [],
  }
}

/** The plugin decided. */
function refused(
  status: number,
  message: string,
  body = envelope(message),
  pluginErrors: readonly GatewayErrorCode[] = [],
): Cell {
  return {
    status,
    body,
    contentType: ['application/json'],
    showsUpstream: false,
    showsSecret: false,
    pluginErrors,
    authFailures: [{ status, message }],
    dropped: [],
  }
}

/** An auth plugin returned a session that names nobody: its caller is refused, and the plugin's author told why. */
const WITHOUT_TOKEN = refused(403, 'Forbidden', envelope('Forbidden'), ['PSTN_SESSION_MISSING'])

function throwing(make: () => unknown): Act {
  return () => {
    throw make()
  }
}

function rejecting(make: () => unknown): Act {
  return async () => {
    await Promise.resolve()
    throw make()
  }
}

/** An object with that `then`, whatever it does. */
function thenable(then: (resolve: Settle, reject: Settle) => void): object {
  // oxlint-disable-next-line unicorn/no-thenable -- what plugins return is the point
  return { then }
}

function hostileError(): Error {
  const error = new Error(SECRET)
  // The platform writes the stack on the first look, with the message in it.
  expect(error.stack).toContain(SECRET)
  for (const name of [
    'message',
    'name',
    'stack',
    'cause',
    'code',
    'status',
    'expose',
    'headers',
    'constructor',
    'toString',
  ]) {
    Object.defineProperty(error, name, {
      get: () => {
        throw new Error(SECRET)
      },
    })
  }
  return error
}

function hostileProxy(target: object = {}): object {
  const refuse = (): never => {
    throw new Error(SECRET)
  }
  return new Proxy(target, {
    get: refuse,
    has: refuse,
    ownKeys: refuse,
    getPrototypeOf: refuse,
    getOwnPropertyDescriptor: refuse,
    set: refuse,
    defineProperty: refuse,
    isExtensible: refuse,
    preventExtensions: refuse,
  })
}

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const THROWN: readonly (readonly [what: string, make: () => unknown])[] = [
  ['an Error', () => new Error(SECRET)],
  ['an Error with a cause', () => new Error(SECRET, { cause: new Error(SECRET) })],
  ['a string', () => SECRET],
  ['undefined', () => undefined],
  ['null', () => null],
  ['a number', () => 42],
  ['a frozen Error', () => Object.freeze(new Error(SECRET))],
  ['an Error whose getters throw', hostileError],
  ['a proxy that throws whatever is done with it', hostileProxy],
  ['a revoked proxy', revokedProxy],
  ['a function', () => () => SECRET],
  ['an http-errors error with status 500', () => Object.assign(new Error(SECRET), { status: 500, expose: true })],
  ['an http-errors error that is not exposed', () => Object.assign(new Error(SECRET), { status: 404, expose: false })],
  ['an exposed error whose status is text', () => Object.assign(new Error(SECRET), { status: '404', expose: true })],
  ['an exposed error with status 400.5', () => Object.assign(new Error(SECRET), { status: 400.5, expose: true })],
  [
    'an exposed error with a header no message can carry',
    () => Object.assign(new Error(SECRET), { status: 404, expose: true, headers: { 'x-note': `a\r\nb: ${SECRET}` } }),
  ],
]

describe.each(HOOKS)('a plugin at %s that throws', (hook) => {
  it.each(THROWN)('%s is answered as broken', async (_, make) => {
    expect(await meet(hook, throwing(make))).toEqual(broken(hook, 'PSTN_PLUGIN_THREW'))
  })

  it.each(THROWN)('%s after waiting is answered as broken', async (_, make) => {
    expect(await meet(hook, rejecting(make))).toEqual(broken(hook, 'PSTN_PLUGIN_THREW'))
  })

  it.each(THROWN)('%s is answered the same when nobody listens to events', async (_, make) => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warnings.mockRestore())
    const { gateway, port } = await run(withCulprit(hook, throwing(make)))
    const connection = await connect(port)
    const response = await connection.request('GET', '/bad')
    expect([response.status, response.body]).toEqual(BROKEN[hook])
    const next = await connection.request('GET', '/good')
    expect([next.status, next.body]).toEqual([200, UPSTREAM_BODY])
    await vi.waitFor(() => expect(gateway.records.list().length + gateway.records.dropped).toBe(2))
    expect(warnings.mock.calls.map(([message]) => String(message))).toEqual([
      expect.stringContaining('[PSTN_PLUGIN_THREW]'),
    ])
    await settled()
    expect(seenByProcess).toEqual([])
  })
})

interface Nonsense {
  readonly what: string
  readonly make: () => unknown
  readonly code?: GatewayErrorCode
  /** Nobody can look at it at all. */
  readonly opaque?: boolean
  /** At `auth`, what is as good as no session is a refusal, not a failure. */
  readonly noSession?: 'nothing' | 'without a token'
  /** At `analytics`, where it means something. */
  readonly not?: Hook
}

const NONSENSE: readonly Nonsense[] = [
  { what: 'null', make: () => null, noSession: 'nothing' },
  { what: 'false', make: () => false, not: 'analytics' },
  { what: 'true', make: () => true },
  { what: 'a number', make: () => 42 },
  { what: 'text', make: () => SECRET },
  { what: 'a symbol', make: () => Symbol(SECRET) },
  { what: 'a bigint', make: () => 1n },
  { what: 'a function', make: () => () => SECRET },
  { what: 'an array', make: () => [200, SECRET] },
  { what: 'an empty object', make: () => ({}), noSession: 'without a token' },
  { what: 'an object with an own __proto__', make: () => JSON.parse('{"__proto__":{"responseCode":200}}') as unknown },
  {
    what: 'an object whose getter throws',
    make: () => ({
      get responseCode() {
        throw new Error(SECRET)
      },
    }),
    code: 'PSTN_PLUGIN_THREW',
  },
  { what: 'a proxy that throws whatever is done with it', make: hostileProxy, code: 'PSTN_PLUGIN_THREW', opaque: true },
  { what: 'a revoked proxy', make: revokedProxy, code: 'PSTN_PLUGIN_THREW', opaque: true },
  { what: 'responseCode 0', make: () => ({ responseCode: 0 }) },
  { what: 'responseCode -1', make: () => ({ responseCode: -1, responseBody: SECRET }) },
  { what: 'responseCode 99', make: () => ({ responseCode: 99 }) },
  { what: 'responseCode 101', make: () => ({ responseCode: 101 }) },
  { what: 'responseCode 1000', make: () => ({ responseCode: 1000, overrideError: true }) },
  { what: 'responseCode "200"', make: () => ({ responseCode: '200', responseBody: SECRET }) },
  { what: 'responseCode NaN', make: () => ({ responseCode: Number.NaN }) },
  { what: 'responseCode 200.5', make: () => ({ responseCode: 200.5 }) },
  { what: 'responseCode undefined', make: () => ({ responseCode: undefined }) },
  { what: 'an unknown override key', make: () => ({ responseCode: 200, responsebody: SECRET }) },
  {
    what: 'a header with a line break',
    make: () => ({ responseCode: 200, responseHeaders: { 'x-note': `a\r\nx-b: ${SECRET}` } }),
    code: 'PSTN_HEADER_INVALID',
  },
  {
    what: 'a header name with a space',
    make: () => ({ responseCode: 200, responseHeaders: { 'x note': 'a' } }),
    code: 'PSTN_HEADER_INVALID',
  },
  {
    what: 'a refusal with a header with a line break',
    make: () => ({ responseCode: 401, responseHeaders: { 'x-note': 'a\nb' } }),
    code: 'PSTN_HEADER_INVALID',
  },
  { what: 'headers that are text', make: () => ({ responseCode: 200, responseHeaders: 'x-note: a' }) },
  { what: 'a body that is a number', make: () => ({ responseCode: 200, responseBody: 42 }) },
  { what: 'a refusal whose body is a function', make: () => ({ responseCode: 401, responseBody: () => SECRET }) },
  { what: 'a refusal whose body is a number', make: () => ({ responseCode: 401, responseBody: 42 }) },
  { what: 'a responseError that is an object', make: () => ({ responseCode: 401, responseError: { text: SECRET } }) },
  {
    what: 'an overrideError that is text',
    make: () => ({ responseCode: 401, responseBody: SECRET, overrideError: 'yes' }),
  },
  { what: 'a Response.error()', make: () => Response.error() },
]

function documented({ code = 'PSTN_PLUGIN_BAD_RETURN', opaque, noSession }: Nonsense, hook: Hook): Cell {
  if (hook === 'auth' && noSession !== undefined)
    return noSession === 'nothing' ? refused(403, 'Forbidden') : WITHOUT_TOKEN
  // The analytics hook takes no decision: it does not look at the inside of one.
  return broken(hook, hook === 'analytics' && opaque !== true ? 'PSTN_PLUGIN_BAD_RETURN' : code)
}

describe.each(HOOKS)('a plugin at %s that returns', (hook) => {
  const rows = NONSENSE.filter(({ not }) => not !== hook).map((row) => [row.what, row] as const)

  it.each(rows)('%s is answered as documented', async (_, row) => {
    expect(await meet(hook, row.make)).toEqual(documented(row, hook))
  })

  it.each(rows)('a promise of %s is answered as documented', async (_, row) => {
    expect(await meet(hook, () => Promise.resolve().then(row.make))).toEqual(documented(row, hook))
  })
})

describe('an auth plugin', () => {
  it.each<[string, Act]>([
    ['nothing', () => undefined],
    ['a promise of nothing', () => Promise.resolve()],
  ])('that returns %s refuses the caller', async (_, act) => {
    expect(await meet('auth', act)).toEqual(refused(403, 'Forbidden'))
  })

  it.each<[string, Act]>([
    ['a session without metadata', () => ({ alias: 'Ann' })],
    ['a session without a token', () => ({ metadata: { tier: 'gold' } })],
    ['a session with an empty token', () => ({ metadata: { token: '' } })],
  ])('that returns %s refuses the caller and is reported', async (_, act) => {
    expect(await meet('auth', act)).toEqual(WITHOUT_TOKEN)
  })

  it('that returns a session without a token says so in both events', async () => {
    const { gateway, port } = await run(withCulprit('auth', () => ({ metadata: { tier: 'gold' } })))
    const authFailures = listenTo(gateway, 'authFailure')
    const pluginErrors = listenTo(gateway, 'pluginError')
    await (await connect(port)).request('GET', '/bad')
    expect(authFailures.map(({ code, status }) => [code, status])).toEqual([['PSTN_SESSION_MISSING', 403]])
    expect(pluginErrors.map(({ error }) => error.message)).toEqual([
      'The session has no metadata.token; expected the unique id of the caller.',
    ])
  })

  it.each<[string, Act]>([
    ['an unknown field', () => ({ rat: 5, metadata: { token: 'a' } })],
    ['a rate that is text', () => ({ rate: '5', metadata: { token: 'a' } })],
    ['a rate without per', () => ({ rate: 5, metadata: { token: 'a' } })],
    [
      'a rate without per for an API it does not ask for',
      () => ({ accessRights: { orders: {}, prices: { limit: { rate: 5 } } }, metadata: { token: 'a' } }),
    ],
    [
      'a path that no path starts with',
      () => ({
        accessRights: { orders: { allowedUrls: [{ url: 'stock', methods: ['GET'] }] } },
        metadata: { token: 'a' },
      }),
    ],
    [
      'a path without methods',
      () => ({ accessRights: { orders: { allowedUrls: [{ url: '/stock', methods: [] }] } }, metadata: { token: 'a' } }),
    ],
    ['an expires that is NaN', () => ({ expires: Number.NaN, metadata: { token: 'a' } })],
    ['an expires in milliseconds', () => ({ expires: Date.now() + 60_000, metadata: { token: 'a' } })],
    ['tags that are text', () => ({ tags: 'a', metadata: { token: 'a' } })],
    ['metadata that is an array', () => ({ metadata: ['a'] })],
    ['metadata that cannot be stored', () => ({ metadata: { token: 'a', load: () => 1 } })],
  ])('that returns a session with %s is broken', async (_, act) => {
    expect(await meet('auth', act)).toEqual(broken('auth', 'PSTN_PLUGIN_BAD_RETURN'))
  })
})

describe('an analytics plugin', () => {
  it('that returns false drops the record on purpose, which is not counted as a failure', async () => {
    const { gateway, port } = await run(withCulprit('analytics', () => false))
    const dropped = listenTo(gateway, 'recordDropped')
    const connection = await connect(port)
    await connection.request('GET', '/bad')
    await connection.request('GET', '/good')
    await vi.waitFor(() => expect(gateway.records.list().map(({ path }) => path)).toEqual(['/good']))
    expect([gateway.records.dropped, dropped]).toEqual([0, []])
  })
})

describe.each(HOOKS)('a plugin at %s that throws an exposed 4xx error', (hook) => {
  const message = 'I am a "teapot"'
  const teapot = (): Error => Object.assign(new Error(message), { status: 418, expose: true })
  const expected =
    hook === 'analytics'
      ? broken(hook, 'PSTN_PLUGIN_THREW')
      : refused(418, message, envelope(String.raw`I am a \"teapot\"`))

  it.each<[string, Act]>([
    ['at once', throwing(teapot)],
    ['after waiting', rejecting(teapot)],
  ])('%s has made a decision, except where there is none to make', async (_, act) => {
    expect(await meet(hook, act)).toEqual(expected)
  })
})

describe.each(HOOKS)('a plugin at %s that never settles', (hook) => {
  const never = (): Promise<unknown> => new Promise(() => undefined)

  it.each<[string, Act]>([
    ['its promise', never],
    ['its thenable', () => thenable(() => undefined)],
    ['the promise its thenable resolves with', () => thenable((resolve) => resolve(never()))],
    ['the thenable its promise resolves with', () => Promise.resolve().then(() => thenable(() => undefined))],
  ])('%s is answered as broken at its deadline', async (_, act) => {
    expect(await meet(hook, act, { timeoutMs: 20 })).toEqual(broken(hook, 'PSTN_PLUGIN_TIMEOUT'))
  })

  it('finds its signal aborted at the deadline', async () => {
    let signal: AbortSignal | undefined
    const act: Act = (_subject, context) => {
      signal = context.signal
      expect(signal.aborted).toBe(false)
      return new Promise(() => undefined)
    }
    await meet(hook, act, { timeoutMs: 20 })
    expect(signal?.aborted).toBe(true)
    expect(signal?.reason).toMatchObject({ code: 'PSTN_PLUGIN_TIMEOUT' })
  })
})

describe.each(HOOKS)('a plugin at %s that settles after its deadline', (hook) => {
  it.each<[string, (settle: { resolve: (value: unknown) => void; reject: (error: unknown) => void }) => void]>([
    ['with nothing', ({ resolve }) => resolve(undefined)],
    ['with a decision', ({ resolve }) => resolve({ responseCode: 200, responseBody: SECRET, overrideError: true })],
    ['with a session', ({ resolve }) => resolve(SESSION)],
    ['with a proxy that throws whatever is done with it', ({ resolve }) => resolve(hostileProxy())],
    ['by rejecting', ({ reject }) => reject(new Error(SECRET))],
    ['by rejecting with an error whose getters throw', ({ reject }) => reject(hostileError())],
  ])('%s changes no answer and is reported', async (_, finish) => {
    let settle: { resolve: (value: unknown) => void; reject: (error: unknown) => void } | undefined
    const act: Act = () =>
      new Promise((resolve, reject) => {
        settle = { resolve, reject }
      })
    const cell = await meet(hook, act, { timeoutMs: 20, afterAnswer: () => finish(settle!) })
    expect(cell).toEqual(broken(hook, 'PSTN_PLUGIN_TIMEOUT', ['PSTN_PLUGIN_LATE']))
  })
})

describe.each(HOOKS)('a plugin at %s that answers twice', (hook) => {
  const pass = hook === 'auth' ? SESSION : undefined

  it.each<[string, (resolve: Settle, reject: Settle) => void]>([
    [
      'resolves twice',
      (resolve) => {
        resolve(pass)
        resolve({ responseCode: 200, responseBody: SECRET, overrideError: true })
      },
    ],
    [
      'resolves and then rejects',
      (resolve, reject) => {
        resolve(pass)
        reject(new Error(SECRET))
      },
    ],
    [
      'resolves and then throws',
      (resolve) => {
        resolve(pass)
        throw new Error(SECRET)
      },
    ],
  ])('and %s is taken at its first word', async (_, then) => {
    const { gateway, port } = await run(withCulprit(hook, () => thenable(then)))
    const connection = await connect(port)
    const first = await connection.request('GET', '/bad')
    expect([first.status, first.body]).toEqual([200, UPSTREAM_BODY])
    await settled()
    const second = await connection.request('GET', '/good')
    expect([second.status, second.body, connection.stray]).toEqual([200, UPSTREAM_BODY, ''])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(2))
    expect(seenByProcess).toEqual([])
  })

  it('and rejects first is broken, whatever it says later', async () => {
    const then = (resolve: Settle, reject: Settle): void => {
      reject(new Error(SECRET))
      resolve(pass)
    }
    expect(await meet(hook, () => thenable(then))).toEqual(broken(hook, 'PSTN_PLUGIN_THREW'))
  })

  it('and decides twice has decided once', async () => {
    const decision = (text: string): object => ({ responseCode: 200, responseBody: text, overrideError: true })
    const then = (resolve: Settle): void => {
      resolve(decision('first'))
      resolve(decision('second'))
    }
    const expected =
      hook === 'analytics'
        ? broken(hook, 'PSTN_PLUGIN_BAD_RETURN')
        : { ...refused(200, '', 'first'), contentType: ['text/plain; charset=utf-8'], authFailures: [] }
    expect(await meet(hook, () => thenable(then))).toEqual(expected)
  })
})

/** Everything that can be done to a request; each is tried on its own. */
const REQUEST_CHANGES: readonly ((request: GatewayRequest) => void)[] = [
  (request) => void (request.method = 'DELETE'),
  (request) => void (request.path = '/late'),
  (request) => void (request.query = 'late=1'),
  (request) => request.query.set('late', '1'),
  (request) => request.query.append('late', '1'),
  (request) => request.query.delete('late'),
  // oxlint-disable-next-line unicorn/no-array-sort -- a query is no array
  (request) => request.query.sort(),
  (request) => request.headers.set('x-late', '1'),
  (request) => request.headers.append('x-late', '1'),
  (request) => request.headers.delete('host'),
  (request) => request.setBody('late'),
  (request) => void (request.upstream = 'http://late.invalid'),
]

const RESPONSE_CHANGES: readonly ((response: GatewayResponse) => void)[] = [
  (response) => void (response.status = 404),
  (response) => response.headers.set('x-late', '1'),
  (response) => response.headers.append('x-late', '1'),
  (response) => response.headers.delete('content-length'),
  (response) => response.setBody('late'),
  (response) => response.transform(new TransformStream() as never),
]

describe.each(HOOKS.filter((hook) => hook !== 'analytics'))('a plugin at %s that keeps its subject', (hook) => {
  it('changes nothing after the end, throws nothing there, and is reported', async () => {
    let subject: unknown
    const { gateway, port } = await run(
      withCulprit(hook, (kept: unknown) => {
        subject = kept
        return hook === 'auth' ? SESSION : undefined
      }),
    )
    const late = listenTo(gateway, 'lateChange')
    const connection = await connect(port)
    const before = upstream.received.length
    const first = await connection.request('GET', '/bad')
    expect([first.status, first.body]).toEqual([200, UPSTREAM_BODY])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))

    const complaints = await fromTimer(() => changeEverything(hook, subject))
    expect(complaints, 'an exception in a timer would end the process').toEqual([])
    expect(late.map(({ api, path }) => [api.name, path])).toContainEqual(['orders', '/bad'])

    const second = await connection.request('GET', '/good')
    expect([second.status, second.body, fields(second, 'x-late'), connection.stray]).toEqual([
      200,
      UPSTREAM_BODY,
      [],
      '',
    ])
    expect(upstream.received.slice(before).map(({ method, url }) => [method, url])).toEqual([
      ['GET', '/bad'],
      ['GET', '/good'],
    ])
    await vi.waitFor(() =>
      expect(gateway.records.list().map(({ path, responseCode }) => [path, responseCode])).toEqual([
        ['/bad', 200],
        ['/good', 200],
      ]),
    )
    expect(seenByProcess).toEqual([])
  })

  it('changes nothing either when it had ended the request itself', async () => {
    let subject: unknown
    const { gateway, port } = await run(
      withCulprit(hook, (kept: unknown) => {
        subject = kept
        return { responseCode: 200, responseBody: 'ended', overrideError: true }
      }),
    )
    const late = listenTo(gateway, 'lateChange')
    const connection = await connect(port)
    const first = await connection.request('GET', '/bad')
    expect([first.status, first.body]).toEqual([200, 'ended'])
    expect(await fromTimer(() => changeEverything(hook, subject))).toEqual([])
    expect(late.length).toBeGreaterThan(0)
    const second = await connection.request('GET', '/good')
    expect([second.status, second.body, connection.stray]).toEqual([200, UPSTREAM_BODY, ''])
    expect(seenByProcess).toEqual([])
  })

  it('changes nothing either after its deadline has passed', async () => {
    let subject: unknown
    const { gateway, port } = await run(
      withCulprit(
        hook,
        (kept: unknown) => {
          subject = kept
          return new Promise(() => undefined)
        },
        20,
      ),
    )
    listenTo(gateway, 'pluginError')
    const late = listenTo(gateway, 'lateChange')
    const connection = await connect(port)
    const first = await connection.request('GET', '/bad')
    expect([first.status, first.body]).toEqual(BROKEN[hook])
    expect(await fromTimer(() => changeEverything(hook, subject))).toEqual([])
    expect(late.length).toBeGreaterThan(0)
    const second = await connection.request('GET', '/good')
    expect([second.status, second.body, connection.stray]).toEqual([200, UPSTREAM_BODY, ''])
    expect(seenByProcess).toEqual([])
  })
})

describe.each(['postAuth', 'endpoint', 'post', 'response'] as const)(
  'a plugin at %s that keeps its context',
  (hook) => {
    it('notes nothing on the session after the end', async () => {
      let kept: PluginContext & { session: { metadata: Record<string, unknown> } } = undefined as never
      const known: unknown[] = []
      const culprit = withCulprit(hook, (_subject, context) => void (kept = context as never))
      const { gateway, port } = await run({
        ...culprit,
        hooks: {
          ...culprit.hooks,
          auth: (_request, { session }) => {
            known.push(session === undefined ? undefined : { ...session.metadata })
            return SESSION
          },
        },
      })
      const connection = await connect(port)
      await connection.request('GET', '/bad', ['Authorization: caller'])
      await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
      const complaints = await fromTimer(() => {
        kept.session.metadata['late'] = true
        kept.state['late'] = true
        kept.log.info('late')
        return []
      })
      expect(complaints).toEqual([])
      await connection.request('GET', '/good', ['Authorization: caller'])
      expect(known).toEqual([undefined, { token: 'caller' }])
      expect(seenByProcess).toEqual([])
    })
  },
)

describe('an analytics plugin that keeps its record', () => {
  it('does not change what has been stored', async () => {
    let kept: AnalyticsRecord | undefined
    const { gateway, port } = await run(withCulprit('analytics', (record: AnalyticsRecord) => void (kept = record)))
    const connection = await connect(port)
    await connection.request('GET', '/bad')
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    const complaints = await fromTimer(() => {
      kept!.path = '/late'
      kept!.tags.push('late')
      return []
    })
    expect(complaints).toEqual([])
    expect(gateway.records.list().map(({ path, tags }) => [path, tags])).toEqual([['/bad', []]])
    expect(seenByProcess).toEqual([])
  })
})

function changeEverything(hook: Hook, subject: unknown): unknown[] {
  const changes = hook === 'response' ? RESPONSE_CHANGES : REQUEST_CHANGES
  return changes.flatMap((change) => {
    try {
      change(subject as never)
      return []
    } catch (error) {
      return [error]
    }
  })
}

/** Does it where no caller could catch an exception. */
function fromTimer(act: () => unknown[]): Promise<unknown[]> {
  return new Promise((resolve) => {
    setTimeout(() => {
      try {
        resolve(act())
      } catch (error) {
        resolve([error])
      }
    }, 1)
  })
}
