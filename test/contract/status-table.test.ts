import {
  type ApiDefinitionInput,
  type AuthPlugin,
  deny,
  GatewayError,
  type GatewayErrorCode,
  type GatewayEvent,
  type GatewayEvents,
  type GatewayOptions,
  type KeyInput,
  memoryStore,
  type PolicyInput,
  respond,
  type SessionInput,
  type Store,
} from '@postern/core'
import { createGateway, type HttpGateway } from '@postern/http'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  connect,
  envelope,
  fields,
  run,
  startUpstream,
  type Upstream,
  UPSTREAM_BODY,
  type WireResponse,
} from './harness.ts'

/*
 * What a client meets where sessions, keys and limits decide: the real gateway's statuses, sentences and events, with the
 * contract's own decisions. Rows of the real gateway that cannot come about here: client certificates (this library has
 * none), organisation keys (inactive, quota, rate limit, off-thread), and "Session state is missing or unset": nobody gets
 * as far as that without a session.
 */

const KEY = 'a-key-of-long-ago'
const HOUR = 3_600
const now = (): number => Math.floor(Date.now() / 1_000)

interface Row {
  readonly when: string
  readonly definition: Partial<ApiDefinitionInput>
  readonly options?: GatewayOptions
  /** What `KEY` may do; left out: nobody made it. */
  readonly key?: KeyInput
  /** Policies there were when the key was made. */
  readonly policiesThen?: Readonly<Record<string, PolicyInput>>
  readonly store?: (store: Store) => Store
  /** Default: `KEY`. */
  readonly headers?: readonly string[]
  /** Default: GET. */
  readonly method?: string
  /** Requests before the one that is looked at. */
  readonly earlier?: number
  readonly status: number
  readonly message: string
  /** Why the gateway answered, as it is recorded; empty where a plugin did. */
  readonly code: GatewayErrorCode | ''
  /** What is raised, in short. */
  readonly events: readonly string[]
}

const byToken = { authentication: { token: true } } satisfies Partial<ApiDefinitionInput>

function byPlugin(check: AuthPlugin): Partial<ApiDefinitionInput> {
  return { hooks: { auth: { plugin: check, name: 'check' } } }
}

function granted(session: Partial<SessionInput>): Partial<ApiDefinitionInput> {
  return byPlugin(() => ({ metadata: { token: 'ann' }, ...session }))
}

/** What an untyped plugin may return. */
function returning(value: unknown): Partial<ApiDefinitionInput> {
  return byPlugin((() => value) as never)
}

function breaking(): never {
  throw new Error('broken')
}

/** A store that cannot do one of the things it is asked for. */
function failing(method: 'load' | 'take', code: 'PSTN_STORE_UNAVAILABLE' | 'PSTN_SESSION_CORRUPT') {
  return (store: Store): Store => ({
    ...store,
    local: false,
    [method]: () => Promise.reject(new GatewayError(code, 'The store is away.')),
  })
}

const away = (method: 'load' | 'take') => failing(method, 'PSTN_STORE_UNAVAILABLE')
const ONCE = { rate: 1, per: HOUR }
const ELSEWHERE = { orgId: 'elsewhere', accessRights: { orders: {} } }

const rows: readonly Row[] = [
  {
    when: 'there is no key',
    definition: byToken,
    headers: [],
    status: 401,
    message: 'Authorization field missing',
    code: 'PSTN_CREDENTIAL_MISSING',
    events: [],
  },
  {
    when: 'the key is empty',
    definition: byToken,
    headers: ['Authorization:'],
    status: 401,
    message: 'Authorization field missing',
    code: 'PSTN_CREDENTIAL_MISSING',
    events: [],
  },
  {
    when: 'there are two different keys',
    definition: byToken,
    key: {},
    headers: [`Authorization: ${KEY}`, 'Authorization: another'],
    status: 400,
    message: 'More than one credential',
    code: 'PSTN_CREDENTIAL_AMBIGUOUS',
    events: [],
  },
  {
    when: 'nobody made the key',
    definition: byToken,
    status: 403,
    message: 'Access to this API has been disallowed',
    code: 'PSTN_KEY_UNKNOWN',
    events: ['authFailure token PSTN_KEY_UNKNOWN'],
  },
  {
    when: 'the key is too short to be one',
    definition: byToken,
    headers: ['Authorization: ab'],
    status: 403,
    message: 'Access to this API has been disallowed',
    code: 'PSTN_KEY_UNKNOWN',
    events: ['authFailure token PSTN_KEY_UNKNOWN'],
  },
  {
    when: 'the only policy of the key is gone',
    definition: byToken,
    key: { applyPolicies: ['gold'] },
    policiesThen: { gold: { accessRights: { orders: {} } } },
    status: 403,
    message: 'Access to this API has been disallowed',
    code: 'PSTN_POLICY_INVALID',
    events: ['authFailure token PSTN_POLICY_INVALID'],
  },
  {
    when: 'the policy of the key belongs to another organisation by now',
    definition: byToken,
    key: { applyPolicies: ['gold'] },
    policiesThen: { gold: { accessRights: { orders: {} } } },
    options: { policies: { gold: ELSEWHERE } },
    status: 403,
    message: 'Access to this API has been disallowed',
    code: 'PSTN_POLICY_INVALID',
    events: ['authFailure token PSTN_POLICY_INVALID'],
  },
  {
    when: 'an id extractor finds nobody',
    definition: {
      ...granted({}),
      authentication: { idExtractor: { source: 'header', header: 'x-caller', mode: 'value' } },
    },
    status: 400,
    message: 'Authorization field missing',
    code: 'PSTN_CREDENTIAL_UNREADABLE',
    events: [],
  },
  {
    when: 'the auth plugin broke',
    definition: byPlugin(breaking),
    status: 403,
    message: 'Key not authorised',
    code: 'PSTN_AUTH_FAILED',
    events: ['pluginError PSTN_PLUGIN_THREW'],
  },
  {
    when: 'the auth plugin returned what is no session',
    definition: returning({ metadata: { token: 'ann' }, rate: 'five' }),
    status: 403,
    message: 'Key not authorised',
    code: 'PSTN_AUTH_FAILED',
    events: ['pluginError PSTN_PLUGIN_BAD_RETURN'],
  },
  {
    when: 'the auth plugin returned a rate without its period',
    definition: granted({ rate: 5 }),
    status: 403,
    message: 'Key not authorised',
    code: 'PSTN_AUTH_FAILED',
    events: ['pluginError PSTN_PLUGIN_BAD_RETURN'],
  },
  ...(['pre', 'postAuth', 'post'] as const).map((hook) => ({
    when: `a ${hook} plugin broke`,
    definition: { ...byToken, hooks: { [hook]: [breaking] } },
    key: {},
    status: 500,
    message: 'Middleware error',
    code: 'PSTN_PLUGIN_THREW' as const,
    events: ['pluginError PSTN_PLUGIN_THREW'],
  })),
  {
    when: 'an endpoint plugin broke',
    definition: { ...byToken, endpoints: { 'GET /stock': [breaking] } },
    key: {},
    status: 500,
    message: 'Middleware error',
    code: 'PSTN_PLUGIN_THREW',
    events: ['pluginError PSTN_PLUGIN_THREW'],
  },
  {
    when: 'the auth plugin refused with a word of its own',
    definition: byPlugin(() => deny(401, 'Unknown key')),
    status: 401,
    message: 'Unknown key',
    code: '',
    events: ['authFailure check undefined'],
  },
  {
    when: 'the auth plugin refused with a body',
    definition: byPlugin(() => ({ responseCode: 402, responseBody: 'Pay first' })),
    status: 402,
    message: 'Pay first',
    code: '',
    events: ['authFailure check undefined'],
  },
  {
    when: 'the auth plugin refused without a word',
    definition: byPlugin(() => ({ responseCode: 403 })),
    status: 403,
    message: 'Key not authorised',
    code: '',
    events: ['authFailure check undefined'],
  },
  {
    when: 'the auth plugin returned nothing',
    definition: returning(undefined),
    status: 403,
    message: 'Forbidden',
    code: 'PSTN_SESSION_MISSING',
    events: ['authFailure check PSTN_SESSION_MISSING'],
  },
  {
    when: 'the auth plugin named nobody',
    definition: granted({ metadata: {} }),
    status: 403,
    message: 'Forbidden',
    code: 'PSTN_SESSION_MISSING',
    events: ['pluginError PSTN_SESSION_MISSING', 'authFailure check PSTN_SESSION_MISSING'],
  },
  {
    when: 'the auth plugin named a policy nobody has',
    definition: granted({ applyPolicies: ['gold'] }),
    status: 403,
    message: 'Forbidden',
    code: 'PSTN_POLICY_INVALID',
    events: ['authFailure check PSTN_POLICY_INVALID'],
  },
  {
    when: 'the auth plugin named a policy of another organisation',
    definition: { ...granted({ applyPolicies: ['gold'] }), policies: { gold: ELSEWHERE } },
    status: 403,
    message: 'Forbidden',
    code: 'PSTN_POLICY_INVALID',
    events: ['authFailure check PSTN_POLICY_INVALID'],
  },
  {
    when: 'the auth plugin wrote out a policy that gives access to nothing',
    definition: granted({ metadata: { token: 'ann', policies: [{ rate: 5, per: 1 }] } }),
    status: 403,
    message: 'Forbidden',
    code: 'PSTN_POLICY_INVALID',
    events: ['authFailure check PSTN_POLICY_INVALID'],
  },
  {
    when: 'the key is inactive',
    definition: byToken,
    key: { isInactive: true },
    status: 403,
    message: 'Key is inactive, please renew',
    code: 'PSTN_KEY_INACTIVE',
    events: ['keyExpired inactive'],
  },
  {
    when: 'the key is inactive and has expired',
    definition: byToken,
    key: { isInactive: true, expires: 1 },
    status: 403,
    message: 'Key is inactive, please renew',
    code: 'PSTN_KEY_INACTIVE',
    events: ['keyExpired inactive'],
  },
  {
    when: 'the key has expired a moment ago',
    definition: byToken,
    key: { expires: now() - 1 },
    status: 401,
    message: 'Key has expired, please renew',
    code: 'PSTN_KEY_EXPIRED',
    events: ['keyExpired expired'],
  },
  {
    when: 'the session of the auth plugin is inactive',
    definition: granted({ isInactive: true }),
    status: 403,
    message: 'Key is inactive, please renew',
    code: 'PSTN_KEY_INACTIVE',
    events: ['keyExpired inactive'],
  },
  {
    when: 'the session of the auth plugin has expired',
    definition: granted({ expires: 1 }),
    status: 401,
    message: 'Key has expired, please renew',
    code: 'PSTN_KEY_EXPIRED',
    events: ['keyExpired expired'],
  },
  {
    when: 'the key is for another API',
    definition: byToken,
    key: { accessRights: { invoices: {} } },
    status: 403,
    message: 'Access to this API has been disallowed',
    code: 'PSTN_API_DISALLOWED',
    events: [],
  },
  {
    when: 'the key is for another version',
    definition: { ...byToken, version: 'v2' },
    key: { accessRights: { orders: { versions: ['v1'] } } },
    status: 403,
    message: 'Access to this API has been disallowed',
    code: 'PSTN_API_DISALLOWED',
    events: [],
  },
  {
    when: 'the key is for another path',
    definition: byToken,
    key: { accessRights: { orders: { allowedUrls: [{ url: '/prices', methods: ['GET'] }] } } },
    status: 403,
    message: 'Access to this resource has been disallowed',
    code: 'PSTN_URL_DISALLOWED',
    events: [],
  },
  {
    when: 'the key is for another method',
    definition: byToken,
    key: { accessRights: { orders: { allowedUrls: [{ url: '/stock', methods: ['POST'] }] } } },
    status: 403,
    message: 'Access to this resource has been disallowed',
    code: 'PSTN_URL_DISALLOWED',
    events: [],
  },
  {
    when: 'the rate of the key is used up',
    definition: byToken,
    key: ONCE,
    earlier: 1,
    status: 429,
    message: 'Rate Limit Exceeded',
    code: 'PSTN_RATE_LIMITED',
    events: ['rateLimitExceeded key'],
  },
  {
    when: 'the rate of the key for this API is used up',
    definition: byToken,
    key: { accessRights: { orders: { limit: ONCE } } },
    earlier: 1,
    status: 429,
    message: 'Rate Limit Exceeded',
    code: 'PSTN_RATE_LIMITED',
    events: ['rateLimitExceeded key'],
  },
  {
    when: 'the rate of the session of the auth plugin is used up',
    definition: granted(ONCE),
    earlier: 1,
    status: 429,
    message: 'Rate Limit Exceeded',
    code: 'PSTN_RATE_LIMITED',
    events: ['rateLimitExceeded key'],
  },
  {
    when: 'the rate of the API is used up',
    definition: { ...byToken, limits: ONCE },
    key: {},
    earlier: 1,
    status: 429,
    message: 'API Rate Limit Exceeded',
    code: 'PSTN_API_RATE_LIMITED',
    events: ['rateLimitExceeded api'],
  },
  {
    when: 'the rate of a keyless API is used up',
    definition: { limits: ONCE },
    earlier: 1,
    status: 429,
    message: 'API Rate Limit Exceeded',
    code: 'PSTN_API_RATE_LIMITED',
    events: ['rateLimitExceeded api'],
  },
  {
    when: 'the quota of the key is used up',
    definition: byToken,
    key: { quotaMax: 1, quotaRenewalRate: HOUR },
    earlier: 1,
    status: 403,
    message: 'Quota exceeded',
    code: 'PSTN_QUOTA_EXCEEDED',
    events: ['quotaExceeded'],
  },
  {
    when: 'the store cannot say whose key it is',
    definition: byToken,
    key: {},
    store: away('load'),
    status: 503,
    message: 'Session store unavailable',
    code: 'PSTN_STORE_UNAVAILABLE',
    events: ['storeError sessions refused'],
  },
  {
    when: 'nobody can say whose key it is, and such requests are to pass',
    definition: byToken,
    key: {},
    store: away('load'),
    options: { onStoreError: { sessions: 'pass' } },
    status: 503,
    message: 'Session store unavailable',
    code: 'PSTN_STORE_UNAVAILABLE',
    events: ['storeError sessions refused'],
  },
  {
    when: 'the store cannot count a quota',
    definition: byToken,
    key: { quotaMax: 1, quotaRenewalRate: HOUR },
    store: away('take'),
    status: 503,
    message: 'Session store unavailable',
    code: 'PSTN_STORE_UNAVAILABLE',
    events: ['storeError quota refused'],
  },
  {
    when: 'the store cannot count a rate, and such requests are to be refused',
    definition: { limits: ONCE },
    store: away('take'),
    options: { onStoreError: { rateLimit: 'refuse' } },
    status: 503,
    message: 'Session store unavailable',
    code: 'PSTN_STORE_UNAVAILABLE',
    events: ['storeError rateLimit refused'],
  },
  {
    when: 'what is stored for the key is no session',
    definition: byToken,
    key: {},
    store: failing('load', 'PSTN_SESSION_CORRUPT'),
    options: { onStoreError: { sessions: 'pass' } },
    status: 403,
    message: 'Access to this API has been disallowed',
    code: 'PSTN_SESSION_CORRUPT',
    events: ['storeError sessions refused'],
  },
]

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  // An auth plugin that returns nothing, and policies nobody has, are warned about; that is told elsewhere.
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
})

const SHORT: { readonly [E in GatewayEvent]: (data: GatewayEvents[E]) => string } = {
  authFailure: ({ plugin, code }) => `${plugin} ${code}`,
  pluginError: ({ error }) => error.code,
  upstreamError: ({ error }) => error.code,
  lateChange: ({ path }) => path,
  keyExpired: ({ reason }) => reason,
  rateLimitExceeded: ({ limit }) => limit,
  quotaExceeded: () => '',
  quotaThreshold: ({ percent }) => String(percent),
  storeError: ({ feature, outcome }) => `${feature} ${outcome}`,
  recordDropped: ({ error }) => error.code,
  recordsLost: ({ count, reason }) => `${count} ${reason}`,
  circuitBreaker: ({ state }) => state,
  reload: ({ changed }) => String(changed.length),
  loadError: ({ error }) => error.code,
  targetHealth: ({ healthy, reason }) => `${healthy} ${reason}`,
}

/** Every event there is, in the order it is raised. */
function listenToAll(gateway: HttpGateway): string[] {
  const seen: string[] = []
  for (const event of Object.keys(SHORT) as GatewayEvent[])
    gateway.on(event, (data) => void seen.push(`${event} ${SHORT[event](data as never)}`.trim()))
  return seen
}

interface Met {
  readonly response: WireResponse
  /** Why the gateway answered, as the record has it. */
  readonly code: string | undefined
  readonly events: readonly string[]
  /** How many requests got as far as the upstream. */
  readonly forwarded: number
}

async function meet(row: Row, extra: readonly string[] = []): Promise<Met> {
  const store = memoryStore()
  if (row.key !== undefined) {
    const admin = createGateway({ name: 'orders', ...byToken }, { store, policies: row.policiesThen })
    await admin.sessions.create(row.key, { key: KEY })
  }
  const { gateway, port } = await run(
    { name: 'orders', upstream: upstream.url, ...row.definition },
    { ...row.options, store: row.store?.(store) ?? store },
  )
  const connection = await connect(port)
  const ask = (): Promise<WireResponse> =>
    connection.request(row.method ?? 'GET', '/stock', [...(row.headers ?? [`Authorization: ${KEY}`]), ...extra])
  for (let i = 0; i < (row.earlier ?? 0); i += 1) expect((await ask()).body).toBe(UPSTREAM_BODY)
  const before = upstream.received.length
  const events = listenToAll(gateway)
  const response = await ask()
  await vi.waitFor(() => expect(gateway.records.list()).toHaveLength((row.earlier ?? 0) + 1))
  expect(connection.stray).toBe('')
  const code = gateway.records.list().at(-1)?.code
  return { response, code, events, forwarded: upstream.received.length - before }
}

describe.each(rows)('where $when', (row) => {
  it('the client reads the sentence as JSON, and the upstream is not asked', async () => {
    const { response, code, events, forwarded } = await meet(row)
    expect([response.status, response.body, code]).toEqual([row.status, envelope(row.message), row.code])
    expect(fields(response, 'content-type')).toEqual(['application/json'])
    expect(fields(response, 'content-length')).toEqual([String(Buffer.byteLength(response.body))])
    expect([events, forwarded]).toEqual([row.events, 0])
  })

  it('the client is told how to come in where, and only where, the gateway asks who it is', async () => {
    const asks = row.status === 401 && row.code !== ''
    expect(fields((await meet(row)).response, 'www-authenticate')).toEqual(asks ? ['Bearer'] : [])
  })

  it('a client that sent XML reads it as XML', async () => {
    const { response, events } = await meet(row, ['Content-Type: text/xml; charset=utf-8'])
    expect([response.status, response.body]).toEqual([
      row.status,
      `<?xml version = "1.0" encoding = "UTF-8"?>\n<error>${row.message}</error>\n`,
    ])
    expect([fields(response, 'content-type'), events]).toEqual([['text/xml'], row.events])
  })
})

describe('what is no refusal raises nothing', () => {
  it.each<[string, Pick<Row, 'definition' | 'key' | 'options' | 'store' | 'policiesThen'>]>([
    ['a key that was made', { definition: byToken, key: {} }],
    ['a key that has an hour left', { definition: byToken, key: { expires: now() + HOUR } }],
    ['a key for this API', { definition: byToken, key: { accessRights: { orders: {} } } }],
    [
      'a key for this version',
      { definition: { ...byToken, version: 'v2' }, key: { accessRights: { orders: { versions: ['v1', 'v2'] } } } },
    ],
    ['a key for any version', { definition: { ...byToken, version: 'v2' }, key: { accessRights: { orders: {} } } }],
    [
      'a key within its limits',
      { definition: { ...byToken, limits: ONCE }, key: { ...ONCE, quotaMax: 1, quotaRenewalRate: HOUR } },
    ],
    ['a session of the auth plugin', { definition: granted({}) }],
    ['an API that asks nobody', { definition: {} }],
  ])('%s', async (_, row) => {
    const { response, code, events } = await meet({ when: '', status: 200, message: '', code: '', events: [], ...row })
    expect([response.status, response.body, code, events]).toEqual([200, UPSTREAM_BODY, '', []])
  })

  it('an answer the auth plugin wrote itself', async () => {
    const definition = byPlugin(() => respond(401, 'as it is'))
    const { response, code, events, forwarded } = await meet({
      when: '',
      definition,
      status: 401,
      message: '',
      code: '',
      events: [],
    })
    expect([response.status, response.body, code, events, forwarded]).toEqual([401, 'as it is', '', [], 0])
  })

  it('a store that cannot count a rate', async () => {
    const definition = { limits: ONCE }
    const { response, code, events } = await meet({
      when: '',
      definition,
      store: away('take'),
      status: 200,
      message: '',
      code: '',
      events: [],
    })
    expect([response.status, response.body, code]).toEqual([200, UPSTREAM_BODY, ''])
    expect(events).toEqual(['storeError rateLimit passed'])
  })
})

describe('the record of', () => {
  it.each<[string, Partial<ApiDefinitionInput>, status: number, code: GatewayErrorCode | '']>([
    ['what the upstream answered', {}, 200, ''],
    ['what nobody is there to answer', { upstream: undefined }, 404, 'PSTN_NOT_FOUND'],
    ['an upstream that is away', { upstream: 'http://127.0.0.1:1' }, 502, 'PSTN_UPSTREAM_UNREACHABLE'],
    ['a body that is too large', { maxBodyBytes: 4 }, 413, 'PSTN_BODY_TOO_LARGE'],
    ['a response plugin that broke', { hooks: { response: [breaking] } }, 500, 'PSTN_PLUGIN_THREW'],
    ['a decision of a post plugin', { hooks: { post: [() => deny(403, 'Not today')] } }, 403, ''],
    ['an answer a response plugin put in its place', { hooks: { response: [() => respond(201, 'x')] } }, 201, ''],
    [
      'a plugin too late',
      { hooks: { post: [{ plugin: () => new Promise<undefined>(() => undefined), timeoutMs: 5 }] } },
      500,
      'PSTN_PLUGIN_THREW',
    ],
    [
      'what an analytics plugin renamed',
      { hooks: { analytics: [(record) => void (record.code = 'PSTN_CLOSED')] } },
      200,
      'PSTN_CLOSED',
    ],
  ])('%s has the status, and why the gateway itself answered', async (_, definition, status, code) => {
    const { gateway, port } = await run({ name: 'orders', upstream: upstream.url, ...definition })
    const connection = await connect(port)
    expect((await connection.request('POST', '/stock', [], 'a body')).status).toBe(status)
    await vi.waitFor(() => expect(gateway.records.list()).toMatchObject([{ responseCode: status, code }]))
  })
})
