import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type ApiDefinitionInput,
  type AuthPlugin,
  deny,
  type GatewayEvent,
  type GatewayOptions,
  type KeyInput,
  memoryStore,
  type SessionView,
  type TokenInput,
} from '@postern/core'
import { createGateway } from '@postern/http'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  connect,
  type Connection,
  envelope,
  fields,
  listenTo,
  run,
  type Running,
  settled,
  startUpstream,
  type Upstream,
  UPSTREAM_BODY,
  upstreamOfTest,
  type WireResponse,
} from './harness.ts'

// `debug` reads it once, when it is loaded: this is before.
vi.hoisted(() => void (process.env['DEBUG'] = '*'))

const KEY = 'k-3f9a'
const OTHER = 'k-77b1'

const MISSING = [401, envelope('Authorization field missing')]
const AMBIGUOUS = [400, envelope('More than one credential')]
const UNKNOWN = [403, envelope('Access to this API has been disallowed')]
const THROUGH = [200, UPSTREAM_BODY]

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  upstream.received.length = 0
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
})

/** An API on the wire that knows `KEY` and `OTHER`. */
async function withKeys(
  definition: Partial<ApiDefinitionInput>,
  { key = {}, options }: { readonly key?: KeyInput; readonly options?: GatewayOptions } = {},
): Promise<Running & { readonly connection: Connection }> {
  const running = await run({ name: 'orders', upstream: upstream.url, ...definition }, options)
  await running.gateway.sessions.create(key, { key: KEY })
  await running.gateway.sessions.create({}, { key: OTHER })
  return { ...running, connection: await connect(running.port) }
}

async function ask(
  token: true | TokenInput,
  headers: readonly string[],
  target = '/stock',
): Promise<readonly [status: number, body: string]> {
  const { connection, gateway } = await withKeys({ authentication: { token } })
  const refusals = listenTo(gateway, 'authFailure')
  const { status, body } = await connection.request('GET', target, headers)
  expect(upstream.received).toHaveLength(status === 200 ? 1 : 0)
  // Only an unknown key is worth an event: without one, or with two, nobody tried to be somebody.
  expect(refusals).toHaveLength(status === 403 ? 1 : 0)
  return [status, body]
}

const everywhere: TokenInput = { query: 'api_key', cookie: 'session' }

describe('a key', () => {
  it.each<[string, true | TokenInput, readonly string[], string?]>([
    ['in the Authorization header', true, [`Authorization: ${KEY}`]],
    ['in the header, whatever its case', true, [`aUTHORIZATION: ${KEY}`]],
    ['behind "Bearer "', true, [`Authorization: Bearer ${KEY}`]],
    ['behind "bearer "', true, [`Authorization: bearer ${KEY}`]],
    ['behind "BEARER "', true, [`Authorization: BEARER ${KEY}`]],
    ['in a header of its own', { header: 'X-API-Key' }, [`x-api-key: ${KEY}`]],
    ['behind "Bearer " in a header of its own', { header: 'X-API-Key' }, [`x-api-key: Bearer ${KEY}`]],
    ['in the query', { header: false, query: 'api_key' }, [], `/stock?a=1&api_key=${KEY}&b=2`],
    ['in the query, escaped', { header: false, query: 'api_key' }, [], '/stock?api%5Fkey=k%2D3f9a'],
    ['behind "Bearer " in the query', { header: false, query: 'api_key' }, [], `/stock?api_key=Bearer%20${KEY}`],
    ['in a cookie', { header: false, cookie: 'session' }, [`Cookie: a=1; session=${KEY}; b=2`]],
    ['in a quoted cookie', { header: false, cookie: 'session' }, [`Cookie: session="${KEY}"`]],
    ['in one of several places', everywhere, [`Cookie: session=${KEY}`]],
    ['twice in the header', true, [`Authorization: ${KEY}`, `Authorization: ${KEY}`]],
    ['with and without "Bearer "', true, [`Authorization: ${KEY}`, `Authorization: Bearer ${KEY}`]],
    ['in all places', everywhere, [`Authorization: ${KEY}`, `Cookie: session=${KEY}`], `/stock?api_key=${KEY}`],
    ['beside an empty place', everywhere, [`Authorization: ${KEY}`, 'Cookie: session='], '/stock?api_key='],
    ['beside another key that is asked for nowhere', true, [`Authorization: ${KEY}`], `/stock?api_key=${OTHER}`],
  ])('%s lets its caller in', async (_, token, headers, target) => {
    expect(await ask(token, headers, target)).toEqual(THROUGH)
  })

  it.each<[string, true | TokenInput, readonly string[], string?]>([
    ['nowhere', true, []],
    ['empty', true, ['Authorization:']],
    ['in the header where only the query is asked', { header: false, query: 'api_key' }, [`Authorization: ${KEY}`]],
    ['in Authorization where another header is asked', { header: 'x-api-key' }, [`Authorization: ${KEY}`]],
    ['in the query where only the header is asked', true, [], `/stock?authorization=${KEY}`],
    ['in a parameter of another case', { query: 'api_key' }, [], `/stock?API_KEY=${KEY}`],
    ['in a cookie of another case', { cookie: 'session' }, [`Cookie: Session=${KEY}`]],
    ['in a cookie of a longer name', { cookie: 'session' }, [`Cookie: xsession=${KEY}; session2=${KEY}`]],
  ])('%s is none', async (_, token, headers, target) => {
    expect(await ask(token, headers, target)).toEqual(MISSING)
  })

  it.each<[string, readonly string[]]>([
    ['with "Bearer:" before it', [`Authorization: Bearer: ${KEY}`]],
    ['with a second space behind "Bearer"', [`Authorization: Bearer  ${KEY}`]],
    ['with "Bearer" twice', [`Authorization: Bearer Bearer ${KEY}`]],
    ['with another scheme', [`Authorization: Basic ${KEY}`]],
    ['with "Bearer" alone', ['Authorization: Bearer']],
    ['in another case', [`Authorization: ${KEY.toUpperCase()}`]],
    ['cut short', [`Authorization: ${KEY.slice(0, -1)}`]],
    ['with something behind it', [`Authorization: ${KEY}, ${KEY}`]],
    ['beyond ASCII', [`Authorization: ${KEY}\u00E9`]],
  ])('%s is unknown', async (_, headers) => {
    expect(await ask(true, headers)).toEqual(UNKNOWN)
  })

  it.each<[string, string]>([
    ['NUL', '%00'],
    ['a line break', '%0d%0a'],
    ['a space', '%20'],
    ['bytes that are no UTF-8', '%ff%fe'],
  ])('with %s behind it is unknown', async (_, end) => {
    expect(await ask({ query: 'api_key' }, [], `/stock?api_key=${KEY}${end}`)).toEqual(UNKNOWN)
  })

  it.each<[string, readonly string[], string?]>([
    ['two headers', [`Authorization: ${KEY}`, `Authorization: ${OTHER}`]],
    ['header and query', [`Authorization: ${KEY}`], `/stock?api_key=${OTHER}`],
    ['header and cookie', [`Authorization: ${KEY}`, `Cookie: session=${OTHER}`]],
    ['query and cookie', [`Cookie: session=${OTHER}`], `/stock?api_key=${KEY}`],
    ['two parameters', [], `/stock?api_key=${KEY}&api_key=${OTHER}`],
    ['two parameters, one of them escaped', [], `/stock?api_key=${KEY}&api%5fkey=${OTHER}`],
    ['two cookies', [`Cookie: session=${KEY}; session=${OTHER}`]],
    ['two lines of cookies', [`Cookie: session=${KEY}`, `Cookie: session=${OTHER}`]],
  ])('in %s beside a different one is refused', async (_, headers, target) => {
    expect(await ask(everywhere, headers, target)).toEqual(AMBIGUOUS)
  })

  it('of 64 KiB is unknown, in the header and in the query', async () => {
    const gateway = createGateway({
      name: 'orders',
      upstream: upstream.url,
      authentication: { token: { query: 'api_key' } },
    })
    const server = http.createServer({ maxHeaderSize: 1024 * 1024 }, gateway)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const connection = await connect((server.address() as AddressInfo).port)
    const long = 'k'.repeat(64 * 1024)
    const inHeader = await connection.request('GET', '/', [`Authorization: ${long}`])
    const inQuery = await connection.request('GET', `/?api_key=${long}`)
    expect([
      [inHeader.status, inHeader.body],
      [inQuery.status, inQuery.body],
    ]).toEqual([UNKNOWN, UNKNOWN])
    await vi.waitFor(() => expect(gateway.records.list().map(({ apiKey }) => apiKey)).toEqual(['', '']))
  })
})

describe('the upstream', () => {
  const headers = [`Authorization: ${KEY}`, `X-API-Key: ${KEY}`, `Cookie: a=1; session=${KEY}; b=2`]
  const target = `/stock?a=%7e&api_key=${KEY}&b=2&api%5Fkey=${KEY}`

  it.each<[string, TokenInput, string, string | undefined, string | undefined]>([
    ['the query by default', everywhere, '/stock?a=%7e&b=2', KEY, `a=1; session=${KEY}; b=2`],
    ['the query', { ...everywhere, strip: 'query' }, '/stock?a=%7e&b=2', KEY, `a=1; session=${KEY}; b=2`],
    ['all places', { ...everywhere, strip: 'all' }, '/stock?a=%7e&b=2', undefined, 'a=1; b=2'],
    ['no place', { ...everywhere, strip: 'none' }, target, KEY, `a=1; session=${KEY}; b=2`],
    ['no place but those where keys are', { strip: 'all' }, target, undefined, `a=1; session=${KEY}; b=2`],
  ])('does not see the key in what is stripped: %s', async (_, token, url, authorization, cookie) => {
    const { connection } = await withKeys({ authentication: { token } })
    expect((await connection.request('GET', target, headers)).status).toBe(200)
    const [received] = upstream.received
    expect([received?.url, received?.headers['authorization'], received?.headers['cookie']]).toEqual([
      url,
      authorization,
      cookie,
    ])
    expect(received?.headers['x-api-key']).toBe(KEY)
  })

  it('sees no cookie header where the key was the only cookie, and none of several Authorization lines', async () => {
    const { connection } = await withKeys({ authentication: { token: { ...everywhere, strip: 'all' } } })
    const lines = [`Authorization: ${KEY}`, `Authorization: Bearer ${KEY}`, `Cookie: session=${KEY}`]
    expect((await connection.request('GET', '/stock', lines)).status).toBe(200)
    expect(upstream.received[0]?.rawHeaders.join('\n')).not.toMatch(/authorization|cookie|k-3f9a/i)
  })

  it('sees the question mark of an empty query no more', async () => {
    const { connection } = await withKeys({ authentication: { token: { query: 'api_key' } } })
    await connection.request('GET', `/stock?api_key=${KEY}`)
    expect(upstream.received[0]?.url).toBe('/stock')
  })
})

describe('the record', () => {
  it.each<['query' | 'none', string, number]>([
    ['query', `/stock?a=%7e&api_key=${KEY}&b=2`, 200],
    ['none', `/stock?a=%7e&api_key=${KEY}&b=2`, 200],
    ['query', `/stock?a=%7e&api%5fkey=${KEY}&b=2`, 200],
    ['query', `/stock?a=%7e&api_key=${KEY}&api_key=${OTHER}&b=2`, 400],
    ['query', '/stock?a=%7e&api_key=nobody&b=2', 403],
  ])('masks the key of the query (strip: %s, %s)', async (strip, target, status) => {
    const { connection, gateway } = await withKeys({ authentication: { token: { query: 'api_key', strip } } })
    expect((await connection.request('GET', target)).status).toBe(status)
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    const [record] = gateway.records.list()
    expect(record?.originalUrl).toBe(target.replaceAll(/(api(?:_|%5f)key=)[^&]*/g, '$1***'))
  })

  it('names the caller by the id the session is stored under', async () => {
    const { connection, gateway } = await withKeys(
      { authentication: { token: true } },
      { key: { alias: 'Ann', tags: ['a'] } },
    )
    await connection.request('GET', '/stock', [`Authorization: ${KEY}`])
    await connection.request('GET', '/stock')
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(2))
    const { id } = (await gateway.sessions.get(KEY))!
    expect(gateway.records.list().map(({ apiKey, alias, tags }) => [apiKey, alias, tags])).toEqual([
      [id, 'Ann', ['a']],
      ['', '', []],
    ])
  })
})

describe('a keyless API', () => {
  it('asks nobody, forwards what looks like a key, and has no session', async () => {
    const sessions: unknown[] = []
    const { connection, gateway } = await withKeys({
      authentication: undefined,
      hooks: { post: [(_request, { session }) => void sessions.push(session)] },
    })
    const [without, withOne] = [
      await connection.request('GET', '/stock'),
      await connection.request('GET', '/stock?api_key=x', ['Authorization: nobody']),
    ]
    expect([without.status, withOne.status, sessions]).toEqual([200, 200, [undefined, undefined]])
    expect([upstream.received[1]?.url, upstream.received[1]?.headers['authorization']]).toEqual([
      '/stock?api_key=x',
      'nobody',
    ])
    await vi.waitFor(() => expect(gateway.records.list().map(({ apiKey }) => apiKey)).toEqual(['', '']))
  })
})

describe('by plugin and by key', () => {
  const ann: AuthPlugin = (request) =>
    request.headers.get('x-user') === 'ann'
      ? { alias: 'from the plugin', metadata: { token: 'ann' } }
      : deny(401, 'Not Ann')

  const user = 'X-User: ann'
  const key = `Authorization: ${KEY}`

  it.each<[string, readonly string[], readonly (number | string)[]]>([
    ['both let in', [user, key], THROUGH],
    ['the plugin refuses a good key', [key], [401, envelope('Not Ann')]],
    ['both refuse: the plugin speaks first', [], [401, envelope('Not Ann')]],
    ['there is no key', [user], MISSING],
    ['nobody made the key', [user, 'Authorization: nobody'], UNKNOWN],
    ['there are two keys', [user, key, `Authorization: ${OTHER}`], AMBIGUOUS],
  ])('where %s', async (_, headers, expected) => {
    for (const baseIdentity of ['plugin', 'token'] as const) {
      const { connection } = await withKeys({ hooks: { auth: ann }, authentication: { token: true, baseIdentity } })
      const { status, body } = await connection.request('GET', '/stock', headers)
      expect([status, body], `${baseIdentity} counts`).toEqual(expected)
    }
  })

  it('a plugin that breaks lets nobody in, whoever has a key', async () => {
    const broken: AuthPlugin = () => {
      throw new Error('broken')
    }
    const { connection, gateway } = await withKeys({ hooks: { auth: broken }, authentication: { token: true } })
    listenTo(gateway, 'pluginError')
    const { status, body } = await connection.request('GET', '/stock', [key])
    expect([status, body]).toEqual([403, envelope('Key not authorised')])
  })

  it.each(['plugin', 'token'] as const)('the base identity (%s) is whose session counts', async (baseIdentity) => {
    const views: (string | undefined)[][] = []
    const look = (_: unknown, { session }: { readonly session: SessionView | undefined }): void =>
      void views.push([session?.keyId, session?.alias])
    const { connection, gateway } = await withKeys(
      {
        hooks: { auth: ann, postAuth: [look], post: [look], response: [look] },
        endpoints: { 'GET /stock': [look] },
        authentication: { token: true, baseIdentity },
      },
      { key: { alias: 'from the store' } },
    )
    expect((await connection.request('GET', '/stock', [user, key])).status).toBe(200)
    const seen = baseIdentity === 'plugin' ? ['ann', 'from the plugin'] : [KEY, 'from the store']
    expect(views).toEqual([seen, seen, seen, seen])
    await vi.waitFor(() => expect(gateway.records.list()[0]?.alias).toBe(seen[1]))
    const stored = (await gateway.sessions.get(KEY))!
    expect(gateway.records.list()[0]?.apiKey === stored.id).toBe(baseIdentity === 'token')
  })

  it('without a word the plugin is the base identity', async () => {
    const seen: unknown[] = []
    const { connection } = await withKeys({
      hooks: { auth: ann, post: [(_request, { session }) => void seen.push(session?.keyId)] },
      authentication: { token: true },
    })
    await connection.request('GET', '/stock', [user, key])
    expect(seen).toEqual(['ann'])
  })

  it.each(['plugin', 'token'] as const)(
    'the limits of the base identity (%s) are the only ones',
    async (baseIdentity) => {
      const single = { rate: 1, per: 3_600 }
      const limited = baseIdentity === 'plugin' ? { plugin: single, key: {} } : { plugin: {}, key: single }
      const free = baseIdentity === 'plugin' ? { plugin: {}, key: single } : { plugin: single, key: {} }
      for (const [{ plugin, key: session }, statuses] of [
        [limited, [200, 429, 429]],
        [free, [200, 200, 200]],
      ] as const) {
        const { connection } = await withKeys(
          {
            hooks: { auth: () => ({ ...plugin, metadata: { token: 'ann' } }) },
            authentication: { token: true, baseIdentity },
          },
          { key: session },
        )
        const met: number[] = []
        for (let i = 0; i < 3; i += 1) met.push((await connection.request('GET', '/stock', [key])).status)
        expect(met).toEqual(statuses)
      }
    },
  )

  it.each<[string, KeyInput, number, string]>([
    ['is inactive', { isInactive: true }, 403, 'Key is inactive, please renew'],
    ['has expired', { expires: 1 }, 401, 'Key has expired, please renew'],
    ['is for another API', { accessRights: { invoices: {} } }, 403, 'Access to this API has been disallowed'],
    [
      'is for another path',
      { accessRights: { orders: { allowedUrls: [{ url: '/prices', methods: ['GET'] }] } } },
      403,
      'Access to this resource has been disallowed',
    ],
  ])(
    'either session that %s keeps the caller out, whichever is the base identity',
    async (_, session, status, message) => {
      for (const baseIdentity of ['plugin', 'token'] as const) {
        for (const bad of ['plugin', 'token'] as const) {
          const { connection } = await withKeys(
            {
              hooks: { auth: () => ({ ...(bad === 'plugin' ? session : {}), metadata: { token: 'ann' } }) },
              authentication: { token: true, baseIdentity },
            },
            { key: bad === 'token' ? session : {} },
          )
          const met = await connection.request('GET', '/stock', [key])
          expect([met.status, met.body], `${bad} is bad, ${baseIdentity} counts`).toEqual([status, envelope(message)])
        }
      }
    },
  )

  it('the plugin sees the key that is stripped afterwards', async () => {
    const seen: unknown[] = []
    const { connection } = await withKeys({
      hooks: {
        auth: (request) => {
          seen.push(request.headers.get('authorization'))
          return { metadata: { token: 'ann' } }
        },
        postAuth: [(request) => void seen.push(request.headers.get('authorization'))],
      },
      authentication: { token: { strip: 'all' } },
    })
    expect((await connection.request('GET', '/stock', [key])).status).toBe(200)
    expect(seen).toEqual([KEY, null])
  })
})

describe('a protected API decides for', () => {
  const requests: readonly (readonly [what: string, method: string, target: string, headers: readonly string[]])[] = [
    ['GET', 'GET', '/stock', []],
    ['HEAD', 'HEAD', '/stock', []],
    ['OPTIONS', 'OPTIONS', '/stock', []],
    ['OPTIONS *', 'OPTIONS', '*', []],
    ['a preflight', 'OPTIONS', '/stock', ['Origin: http://a.test', 'Access-Control-Request-Method: GET']],
    ['PROPFIND', 'PROPFIND', '/stock', []],
    ['PURGE', 'PURGE', '/stock', []],
    ['an absolute target', 'GET', 'http://elsewhere.test/stock', []],
    ['a doubled slash', 'GET', '//stock', []],
    ['dots', 'GET', '/a/../stock', []],
    ['an escaped path', 'GET', '/%73tock', []],
    ['an upgrade', 'GET', '/stock', ['Connection: Upgrade', 'Upgrade: websocket']],
    ['a method named in a header', 'GET', '/stock', ['X-HTTP-Method-Override: OPTIONS']],
    ['headers of a real gateway', 'GET', '/stock', ['X-Tyk-Authorization: x', 'X-Tyk-API-ID: orders']],
  ]

  it.each(requests)('%s as for any other request', async (_, method, target, headers) => {
    for (const definition of [
      { authentication: { token: true } },
      {
        hooks: {
          auth: ((request) =>
            request.headers.get('authorization') === KEY
              ? { metadata: { token: 'a' } }
              : deny(401, 'Authorization field missing')) as AuthPlugin,
        },
      },
    ]) {
      const { port } = await withKeys(definition)
      const refused = await (await connect(port)).request(method, target, headers)
      const bodies = method === 'HEAD' ? [401, ''] : MISSING
      // A question about the server as a whole belongs to no API; nobody is let in by it either.
      const expected = target === '*' ? [404, envelope('Not Found')] : bodies
      expect([refused.status, refused.body]).toEqual(expected)
      expect(upstream.received).toEqual([])
    }
  })
})

describe('a credential', () => {
  /** Everything anybody but the client and the plugins may read. */
  async function everythingSaidBy(
    definition: Partial<ApiDefinitionInput>,
    send: (running: Running, connection: Connection) => Promise<readonly WireResponse[]>,
    { heard, key = {} }: { readonly heard: boolean; readonly key?: KeyInput | undefined },
  ): Promise<{ readonly text: string; readonly debugged: string }> {
    const said: unknown[] = []
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    stderr.mockClear()
    vi.spyOn(process, 'emitWarning').mockImplementation((...warning: unknown[]) => void said.push(warning))
    const log = { debug: note, info: note, warn: note, error: note }
    function note(...line: unknown[]): void {
      said.push(line)
    }
    const running = await run({ name: 'orders', upstream: upstream.url, ...definition }, { log, store: memoryStore() })
    const { gateway } = running
    await gateway.sessions.create(key, { key: CANARY })
    if (heard) for (const event of EVENTS) gateway.on(event, (data) => void said.push(visible(data)))
    const answers = await send(running, await connect(running.port))
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(answers.length))
    await settled()
    for (const { head, body } of answers) said.push(head, body)
    said.push(gateway.records.list(), gateway.sessions, gateway.explain('GET', '/stock').toString())
    for (const { session, ...info } of (await gateway.sessions.list()).keys) said.push(info, session)
    const debugged = stderr.mock.calls.map(([line]) => String(line)).join('')
    return { text: `${JSON.stringify(said)}${debugged}`, debugged }
  }

  const CANARY = 'canary-5d1c0ffee'
  const EVENTS: readonly GatewayEvent[] = [
    'authFailure',
    'pluginError',
    'upstreamError',
    'lateChange',
    'keyExpired',
    'rateLimitExceeded',
    'quotaExceeded',
    'quotaThreshold',
    'storeError',
    'recordDropped',
  ]

  /** Errors with all they carry; the API as the event names it. */
  function visible(data: object): unknown {
    return Object.fromEntries(
      Object.entries(data).map(([name, value]) => [name, value instanceof Error ? chain(value) : value]),
    )
  }

  function chain(error: Error): unknown {
    const { stack, cause } = error
    return { ...error, text: String(error), stack, cause: cause instanceof Error ? chain(cause) : cause }
  }

  const places: readonly (readonly [place: string, target: string, headers: readonly string[]])[] = [
    ['a header', '/stock', [`Authorization: Bearer ${CANARY}`]],
    ['the query', `/stock?api_key=${CANARY}`, []],
    ['an escaped parameter', `/stock?api%5Fkey=${CANARY}&x=1`, []],
    ['a cookie', '/stock', [`Cookie: session=${CANARY}`]],
  ]

  /** Ways in which a request with the key ends; `key` is what it may do. */
  const ends: readonly (readonly [how: string, definition: Partial<ApiDefinitionInput>, key: KeyInput | undefined])[] =
    [
      ['let through', {}, {}],
      ['unknown', {}, undefined],
      ['inactive', {}, { isInactive: true }],
      ['expired', {}, { expires: 1 }],
      ['for another API', {}, { accessRights: { invoices: {} } }],
      ['limited', {}, { rate: 1, per: 3_600, quotaMax: 100, monitor: { triggerLimits: [1] } }],
      ['out of quota', {}, { quotaMax: 1 }],
      ['with an upstream that is away', { upstream: 'http://127.0.0.1:1' }, {}],
      ['with a plugin that breaks', { hooks: { post: [broken] } }, {}],
      ['with a plugin that refuses', { hooks: { postAuth: [() => deny(403, 'Not today')] } }, {}],
      [
        'with metadata that cannot be saved',
        { hooks: { post: [(_request, { session }) => void (session!.metadata['f'] = () => 1)] } },
        {},
      ],
      [
        'with a record that cannot be kept',
        { hooks: { analytics: [(record) => void (record.tags = [(() => 1) as never])] } },
        {},
      ],
    ]

  function broken(): never {
    throw new Error('broken')
  }

  it.each(ends)('that is %s is in no event, record, warning, log line or answer', async (_, definition, key) => {
    for (const strip of ['query', 'none'] as const) {
      for (const heard of [true, false]) {
        for (const [place, target, headers] of places) {
          const { text } = await everythingSaidBy(
            { authentication: { token: { ...everywhere, strip } }, ...definition },
            async ({ gateway }, connection) => {
              if (key === undefined) await gateway.sessions.delete(CANARY)
              // What cannot be kept leaves no record: one is enough, then.
              const answers = [await connection.request('GET', target, headers)]
              answers.push(await connection.request('GET', target, headers))
              return definition.hooks?.analytics === undefined ? answers : []
            },
            { heard, key },
          )
          expect(text, `${place}, strip ${strip}`).not.toContain(CANARY)
        }
      }
    }
  })

  it('is looked for where something is said: debug output, events and records are read by these tests', async () => {
    const { text, debugged } = await everythingSaidBy(
      { authentication: { token: true } },
      async (_, connection) => [await connection.request('GET', '/seen', [`Authorization: ${CANARY}`])],
      { heard: false, key: { isInactive: true, alias: 'the canary' } },
    )
    expect(debugged).toMatch(/postern:events.*keyExpired/)
    expect([text.includes('"path":"/seen"'), text.includes('"alias":"the canary"'), text.includes('inactive')]).toEqual(
      [true, true, true],
    )
  })

  it('that comes twice is in none of them either', async () => {
    const { text } = await everythingSaidBy(
      { authentication: { token: everywhere } },
      async (_, connection) => [
        await connection.request('GET', `/stock?api_key=${CANARY}`, ['Authorization: another']),
        await connection.request('GET', '/stock?api_key=another', [`Authorization: ${CANARY}`]),
      ],
      { heard: true },
    )
    expect(text).not.toContain(CANARY)
  })

  it.each<[string, AuthPlugin]>([
    ['lets in', (request) => ({ metadata: { token: request.headers.get('authorization')! } })],
    ['gives no name', () => ({ metadata: {} })],
    ['refuses', () => deny(401, 'Unknown key')],
    ['returns nothing', (() => undefined) as never],
    ['returns no session', (() => 5) as never],
    ['breaks', broken],
    [
      'names a policy nobody has',
      (request) => ({ applyPolicies: ['gold'], metadata: { token: request.headers.get('authorization')! } }),
    ],
    ['limits', (request) => ({ rate: 1, per: 3_600, metadata: { token: request.headers.get('authorization')! } })],
  ])('that an auth plugin %s is in none of them', async (_, auth) => {
    for (const heard of [true, false]) {
      const { text } = await everythingSaidBy(
        { hooks: { auth } },
        async (__, connection) => [
          await connection.request('GET', '/stock', [`Authorization: ${CANARY}`]),
          await connection.request('GET', '/stock', [`Authorization: ${CANARY}`]),
        ],
        { heard },
      )
      expect(text).not.toContain(CANARY)
    }
  })

  it.each<[string, readonly string[], string, string]>([
    ['a header', [`X-Caller: ${CANARY}`], '/stock', ''],
    ['the query', [], `/stock?caller=${CANARY}`, ''],
    ['a form', ['Content-Type: application/x-www-form-urlencoded'], '/stock', `caller=${CANARY}`],
  ])('that an id extractor finds in %s is in none of them', async (place, headers, target, body) => {
    const { text } = await everythingSaidBy(
      {
        hooks: {
          auth: () => ({ idExtractorDeadline: Math.floor(Date.now() / 1_000) + 60, rate: 1, per: 3_600, metadata: {} }),
        },
        authentication: {
          idExtractor:
            place === 'a header'
              ? { source: 'header', header: 'x-caller', mode: 'value' }
              : { source: 'form', param: 'caller', mode: 'value' },
        },
      },
      async (_, connection) => [
        await connection.request('POST', target, headers, body),
        await connection.request('POST', target, headers, body),
      ],
      { heard: true },
    )
    expect(text).not.toContain(CANARY)
  })

  it('is told apart from others in events all the same', async () => {
    const { connection, gateway } = await withKeys({ authentication: { token: true } }, { key: { isInactive: true } })
    const refusals = listenTo(gateway, 'authFailure')
    const expired = listenTo(gateway, 'keyExpired')
    for (const key of ['nobody', 'another', 'nobody', KEY])
      await connection.request('GET', '/stock', [`Authorization: ${key}`])
    const [nobody, another, again] = refusals.map(({ key }) => key)
    expect([nobody, nobody === another, nobody === '']).toEqual([again, false, false])
    expect(expired.map(({ key }) => key)).toEqual([(await gateway.sessions.get(KEY))?.masked])
    expect(expired[0]).toMatchObject({ method: 'GET', path: '/stock', clientAddress: '127.0.0.1', reason: 'inactive' })
  })
})

describe('a definition', () => {
  it.each<[string, unknown]>([
    ['empty', ''],
    ['of two words', 'x key'],
    ['with a colon', 'x-key:'],
    ['with a line break', 'x-key\n'],
    ['beyond ASCII', 'clé'],
    ['no text', 5],
    ['true', true],
  ])('whose header for keys is %s is refused', (_, header) => {
    const token = { header, query: 'api_key' } as TokenInput
    expect(() => createGateway({ name: 'orders', authentication: { token } })).toThrow(
      expect.objectContaining({
        code: 'PSTN_DEFINITION_INVALID',
        cause: [expect.objectContaining({ path: 'authentication.token.header' })],
      }),
    )
  })

  it.each(['x-api-key', 'X_Key', '!#$%&`~'])('may take keys from the header %s', async (header) => {
    const { connection } = await withKeys(
      { authentication: { token: { header } }, underscoreHeaders: 'keep' },
      { key: {} },
    )
    expect((await connection.request('GET', '/stock', [`${header}: ${KEY}`])).status).toBe(200)
  })

  it('that misspells how it asks is told what was meant, and nothing beside it', () => {
    const authentication = { tokens: true } as ApiDefinitionInput['authentication']
    expect(() => createGateway({ name: 'orders', authentication })).toThrow(
      'The definition of "orders" has a problem:\n  - authentication.tokens: unknown key; did you mean "token"?',
    )
  })
})

describe('the session an auth plugin is shown', () => {
  const seen: unknown[] = []
  const remember: AuthPlugin = (request, { session }) => {
    seen.push(session?.metadata['visits'])
    const visits = Number(session?.metadata['visits'] ?? 0) + 1
    return { metadata: { token: request.headers.get('authorization')?.replace(/^Bearer /, '') ?? '', visits } }
  }

  it('is what the store holds for the presented token in this API, and nothing for a stranger', async () => {
    seen.length = 0
    const { port, gateway } = await run([
      { name: 'orders', listenPath: '/orders', upstream: upstream.url, hooks: { auth: remember } },
      { name: 'prices', listenPath: '/prices', upstream: upstream.url, hooks: { auth: remember } },
    ])
    const connection = await connect(port)
    for (const [target, token] of [
      ['/orders/1', 'ann'],
      ['/orders/1', 'Bearer ann'],
      ['/orders/1', 'bob'],
      ['/prices/1', 'ann'],
      ['/orders/1', 'ann'],
    ]) {
      const records = gateway.records.list().length
      await connection.request('GET', target!, [`Authorization: ${token}`])
      await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(records + 1))
    }
    expect(seen).toEqual([undefined, 1, undefined, undefined, 2])
  })

  it('opens no API that asks for keys', async () => {
    const upstreamOnly = await upstreamOfTest()
    const { port } = await run([
      { name: 'orders', listenPath: '/orders', upstream: upstreamOnly.url, hooks: { auth: remember } },
      { name: 'prices', listenPath: '/prices', upstream: upstreamOnly.url, authentication: { token: true } },
    ])
    const connection = await connect(port)
    expect((await connection.request('GET', '/orders/1', ['Authorization: ann'])).status).toBe(200)
    const { status, body } = await connection.request('GET', '/prices/1', ['Authorization: ann'])
    expect([status, body, upstreamOnly.received.length]).toEqual([...UNKNOWN, 1])
  })
})

it('an API that strips nothing answers the limits of its key', async () => {
  const { connection } = await withKeys(
    { authentication: { token: { strip: 'none' } } },
    { key: { rate: 2, per: 3_600 } },
  )
  const first = await connection.request('GET', '/stock', [`Authorization: ${KEY}`])
  expect([first.status, fields(first, 'x-ratelimit-remaining')]).toEqual([200, ['1']])
})
