import { type AnalyticsRecord, type ApiDefinitionInput, deny, type Hook, memoryStore, respond } from '@postern/core'
import { createGateway } from '@postern/http'
import type { Store } from '@postern/core/store'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { pluginFolder } from '../../support/plugin-folder.ts'
import { remote } from '../../support/stores.ts'
import { connect, listenTo, run, settled, startUpstream, type Upstream } from '../harness.ts'

let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())

const SESSION = {
  metadata: { token: 'ann', tyk_developer_id: 'd-7' },
  alias: 'Ann',
  tags: ['a', 'b'],
  oauthClientId: 'o-1',
}

/** The only record of one request. */
async function recordOf(
  definition: ApiDefinitionInput,
  [method, target, headers = [], body = '']: readonly [string, string, (readonly string[])?, string?],
): Promise<AnalyticsRecord> {
  const { gateway, port } = await run(definition)
  for (const event of ['pluginError', 'upstreamError'] as const) listenTo(gateway, event)
  await gateway.ready().catch(() => undefined)
  await (await connect(port)).request(method, target, headers, body)
  await expect.poll(() => gateway.records.list()).toHaveLength(1)
  return gateway.records.list()[0]!
}

describe('the record of a request', () => {
  it('has every field', async () => {
    const before = Date.now()
    const record = await recordOf(
      {
        name: 'orders',
        id: 'orders-1',
        orgId: 'acme',
        listenPath: '/shop/',
        version: 'v2',
        upstream: upstream.url,
        records: { tags: ['shop'], tagHeaders: ['X-Region'], retention: 3_600 },
        hooks: {
          pre: [
            (request) => {
              request.path = '/changed'
              request.method = 'PUT'
              request.headers.set('user-agent', 'changed')
            },
          ],
          auth: () => ({ ...SESSION, applyPolicies: ['gold'] }),
        },
        policies: { gold: { accessRights: { 'orders-1': { versions: ['v2'] } }, tags: ['b', 'c'] } },
      },
      [
        'POST',
        '/shop//%7ebooks?x=1&x=2',
        ['User-Agent: test', 'X-Region: eu', 'Content-Type: text/plain'],
        'twelve bytes',
      ],
    )
    const { timestamp, expireAt, latency, apiKey, ...fields } = record
    expect(fields).toEqual({
      apiId: 'orders-1',
      apiName: 'orders',
      apiVersion: 'v2',
      orgId: 'acme',
      alias: 'Ann',
      oauthId: 'o-1',
      tags: ['pol-gold', 'dev-d-7', 'a', 'b', 'c', 'x-region-eu', 'shop'],
      method: 'PUT',
      host: new URL(upstream.url).host,
      path: '/changed',
      rawPath: '/shop/~books',
      originalPath: '/shop//%7ebooks',
      originalUrl: '/shop//%7ebooks?x=1&x=2',
      listenPath: '/shop',
      trackPath: false,
      contentLength: 12,
      userAgent: 'changed',
      clientAddress: '127.0.0.1',
      responseCode: 200,
      code: '',
      upgraded: false,
      network: { bytesIn: 12, bytesOut: 22 },
      rawRequest: '',
      rawResponse: '',
    })
    expect(apiKey).toMatch(/^\S{16,}$/)
    expect(timestamp.getTime()).toBeGreaterThanOrEqual(before - 1)
    expect(timestamp.getTime()).toBeLessThanOrEqual(Date.now())
    expect(expireAt.getTime() - timestamp.getTime()).toBe(3_600_000)
    expect(latency.totalMs).toBeGreaterThan(latency.upstreamMs)
    expect(latency.upstreamMs).toBeGreaterThan(0)
    expect(latency.upstreamMs + latency.gatewayMs).toBeCloseTo(latency.totalMs)
  })

  it('says what there is to say without a session, a version and a retention', async () => {
    const record = await recordOf({ name: 'a', upstream: upstream.url }, ['GET', '/'])
    expect(record).toMatchObject({ apiVersion: 'Non Versioned', apiKey: '', alias: '', oauthId: '', tags: [] })
    expect(record).toMatchObject({ contentLength: 0, userAgent: '', listenPath: '/', rawPath: '/' })
    const years = (record.expireAt.getTime() - record.timestamp.getTime()) / 31_557_600_000
    expect(years).toBe(100)
  })

  it('has the host the request is for: the upstream a plugin chose, or the one the client asked for where there is none', async () => {
    const elsewhere = 'http://localhost:9'
    const chosen = await recordOf(
      {
        name: 'a',
        upstream: upstream.url,
        hooks: {
          pre: [
            (request) => {
              request.upstream = elsewhere
            },
            () => respond(200),
          ],
        },
      },
      ['GET', '/'],
    )
    expect(chosen.host).toBe('localhost:9')
    expect((await recordOf({ name: 'a' }, ['GET', '/'])).host).toBe('gateway.test')
  })

  it.each([
    ['of undeclared length', ['Transfer-Encoding: chunked'], '3\r\nabc\r\n0\r\n\r\n', -1, 3],
    ['that is empty', ['Content-Length: 0'], '', 0, 0],
  ])('counts a body %s', async (_, headers, body, contentLength, bytesIn) => {
    const { gateway, port } = await run({ name: 'a', upstream: upstream.url })
    const connection = await connect(port)
    connection.write(`POST / HTTP/1.1\r\nHost: a\r\n${headers.join('\r\n')}\r\n\r\n${body}`)
    await expect.poll(() => gateway.records.list()).toHaveLength(1)
    const [record] = gateway.records.list()
    expect([record!.contentLength, record!.network.bytesIn]).toEqual([contentLength, bytesIn])
  })

  it('counts no body nobody took, and none of an answer that has none', async () => {
    const refused = await recordOf({ name: 'a', hooks: { pre: [() => deny(403)] } }, ['POST', '/', [], 'body'])
    expect([refused.contentLength, refused.network.bytesIn]).toEqual([4, 0])
    const head = await recordOf({ name: 'a', upstream: upstream.url }, ['HEAD', '/'])
    expect([head.method, head.network.bytesOut]).toEqual(['HEAD', 0])
  })
})

const GRANT = { auth: () => SESSION }

describe('a record is made', () => {
  it.each<[string, ApiDefinitionInput, readonly string[], Partial<AnalyticsRecord>]>([
    [
      'a plugin has answered',
      { name: 'a', hooks: { pre: [() => respond(200, 'hello')] } },
      [],
      { responseCode: 200, code: '', network: { bytesIn: 0, bytesOut: 5 } },
    ],
    [
      'a plugin has refused',
      { name: 'a', hooks: { ...GRANT, postAuth: [() => deny(402, 'pay')] } },
      [],
      { responseCode: 402, code: '', alias: 'Ann' },
    ],
    [
      'a plugin has broken',
      {
        name: 'a',
        hooks: {
          pre: [
            () => {
              throw new Error('broken')
            },
          ],
        },
      },
      [],
      { responseCode: 500, code: 'PSTN_PLUGIN_THREW' },
    ],
    ['no key was given', { name: 'a', authentication: { token: true } }, [], { responseCode: 401, apiKey: '' }],
    [
      'the head was refused',
      { name: 'a', hooks: { pre: [() => respond(200)] } },
      ['Host: another.test', 'User-Agent: test'],
      { responseCode: 400, code: 'PSTN_HEAD_INVALID', userAgent: 'test', rawPath: '/x' },
    ],
    [
      'the upstream could not be reached',
      { name: 'a', upstream: 'http://127.0.0.1:1' },
      [],
      { responseCode: 502, code: 'PSTN_UPSTREAM_UNREACHABLE', host: '127.0.0.1:1' },
    ],
    ['nothing stood behind the gateway', { name: 'a' }, [], { responseCode: 404, code: 'PSTN_NOT_FOUND' }],
  ])('where %s', async (_, definition, headers, expected) => {
    expect(await recordOf(definition, ['GET', '/x', headers])).toMatchObject(expected)
  })

  it('where a rate has refused', async () => {
    const { gateway, port } = await run({ name: 'a', upstream: upstream.url, limits: { rate: 1, per: 60 } })
    const connection = await connect(port)
    await connection.request('GET', '/')
    await connection.request('GET', '/')
    await expect
      .poll(() => gateway.records.list().map(({ responseCode, code }) => [responseCode, code]))
      .toEqual([
        [200, ''],
        [429, 'PSTN_API_RATE_LIMITED'],
      ])
  })

  it('for a call to another API, of the API that was called', async () => {
    const { gateway, port } = await run([
      {
        name: 'a',
        listenPath: '/a',
        hooks: {
          pre: [async (_, { call }) => respond(200, await (await call('b', '/x?key=s3cret', { body: 'four' })).text())],
        },
      },
      { name: 'b', listenPath: '/b', secrets: { query: ['key'] }, hooks: { pre: [() => respond(201, 'called')] } },
    ])
    await (await connect(port)).request('GET', '/a')
    await expect.poll(() => gateway.records.list()).toHaveLength(2)
    expect(gateway.records.list()[0]).toMatchObject({
      apiName: 'b',
      method: 'POST',
      rawPath: '/b/x',
      originalUrl: '/x?key=***',
      contentLength: 4,
      responseCode: 201,
      network: { bytesOut: 6 },
    })
  })

  it('where the plugin files of the API are missing, but not where they would have masked it', async () => {
    const directory = pluginFolder({})
    const missing = { path: 'none.mjs', functionName: 'none' }
    const definitions: ApiDefinitionInput[] = [
      { name: 'a', listenPath: '/a', hooks: { pre: [missing] } },
      { name: 'b', listenPath: '/b', hooks: { analytics: [missing] } },
    ]
    const { gateway, port } = await run(definitions, { pluginsDirectory: directory })
    const dropped = listenTo(gateway, 'recordDropped')
    listenTo(gateway, 'loadError')
    await expect(gateway.ready()).rejects.toThrow('none.mjs')
    const connection = await connect(port)
    for (const path of ['/a', '/b']) expect((await connection.request('GET', path)).status).toBe(503)
    await settled()
    expect(gateway.records.list().map(({ apiName, code }) => [apiName, code])).toEqual([['a', 'PSTN_API_UNAVAILABLE']])
    expect([gateway.records.dropped, dropped.map(({ api, error }) => [api.name, error.code])]).toEqual([
      1,
      [['b', 'PSTN_API_UNAVAILABLE']],
    ])
  })
})

describe('the record of a client that has left', () => {
  it.each<[string, (memory: Store) => Store]>([
    ['at once', (memory) => memory],
    ['later', remote],
  ])('says nothing of an answer nobody got, where the session is saved %s', async (_, store) => {
    const silent = await startUpstream(() => undefined)
    onTestFinished(() => silent.close())
    const { gateway, port } = await run(
      { name: 'orders', upstream: silent.url, records: { detailed: true }, hooks: { auth: () => SESSION } },
      { store: store(memoryStore()) },
    )
    const connection = await connect(port)
    connection.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await expect.poll(() => silent.received).toHaveLength(1)
    connection.hangUp()
    await expect.poll(() => gateway.records.list()).toHaveLength(1)
    expect(gateway.records.list()).toMatchObject([{ responseCode: 499, code: '', rawResponse: '' }])
  })
})

describe('no record is made', () => {
  it('of what meets no API, nor where an API wants none', async () => {
    const { gateway, port } = await run([
      { name: 'a', listenPath: '/a', records: false, hooks: { pre: [() => respond(200)] } },
    ])
    const connection = await connect(port)
    for (const path of ['/a', '/b']) await connection.request('GET', path)
    await settled()
    expect(gateway.records.list()).toEqual([])
  })
})

describe('an endpoint', () => {
  const definition: ApiDefinitionInput = {
    name: 'a',
    listenPath: '/shop',
    records: { track: ['GET /stock/:sku', '* ~^/old/'], skip: ['GET /health', 'POST /stock/:sku'] },
    hooks: {
      pre: [
        (request) => {
          request.path = '/changed'
          return respond(200)
        },
      ],
    },
  }

  async function recorded(requests: readonly (readonly [method: string, path: string])[]): Promise<unknown[]> {
    const { gateway, port } = await run(definition)
    const connection = await connect(port)
    for (const [method, path] of requests) await connection.request(method, path)
    await settled()
    return gateway.records.list().map(({ path, rawPath, trackPath }) => [path, rawPath, trackPath])
  }

  it('that is tracked is recorded by its pattern, as the client asked for it', async () => {
    const found = await recorded([
      ['GET', '/shop/stock/7'],
      ['HEAD', '/shop/stock/8'],
      ['PUT', '/shop/old/9'],
      ['GET', '/shop/stock'],
      ['GET', '/shop/changed'],
    ])
    expect(found).toEqual([
      ['/stock/:sku', '/shop/stock/7', true],
      ['/stock/:sku', '/shop/stock/8', true],
      ['~^/old/', '/shop/old/9', true],
      ['/changed', '/shop/stock', false],
      ['/changed', '/shop/changed', false],
    ])
  })

  it('that is skipped is not recorded', async () => {
    const found = await recorded([
      ['GET', '/shop/health'],
      ['POST', '/shop/stock/7'],
      ['POST', '/shop/health'],
    ])
    expect(found).toEqual([['/changed', '/shop/health', false]])
  })
})

describe('the latency of a record', () => {
  const HOOKS: Hook[] = ['pre', 'auth', 'postAuth', 'endpoint', 'post', 'response', 'analytics']
  /** Long enough to be told from everything else. */
  const slowly = async (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 15))
  const SLOW: Record<Hook, ApiDefinitionInput> = {
    pre: { name: 'a', hooks: { pre: [slowly] } },
    auth: { name: 'a', hooks: { auth: () => slowly().then(() => SESSION) } },
    postAuth: { name: 'a', hooks: { ...GRANT, postAuth: [slowly] } },
    endpoint: { name: 'a', endpoints: { 'GET /': [slowly] } },
    post: { name: 'a', hooks: { post: [slowly] } },
    response: { name: 'a', hooks: { response: [slowly] } },
    analytics: { name: 'a', hooks: { analytics: [slowly] } },
  }

  it.each(HOOKS)('says how long the plugins at %s took, and of no hook without plugins', async (hook) => {
    const { latency } = await recordOf({ ...SLOW[hook], upstream: upstream.url }, ['GET', '/'])
    const { [hook]: took, ...others } = latency.hooks
    expect(took).toBeGreaterThan(10)
    const alone = hook === 'postAuth' ? ['auth'] : []
    expect(Object.keys(others)).toEqual(alone)
    // From analytics plugins the client has its answer before.
    expect(hook === 'analytics' || latency.gatewayMs > 10).toBe(true)
  })

  it('says it for every hook that was reached, and for those that ended the request', async () => {
    const passes = (): undefined => undefined
    const definition = (ends: Hook | undefined): ApiDefinitionInput => {
      const plugin = (hook: Hook) => (): never => (hook === ends ? respond(200) : undefined) as never
      return {
        name: 'a',
        upstream: upstream.url,
        hooks: {
          pre: [passes, plugin('pre')],
          auth: () => (ends === 'auth' ? deny(401) : SESSION),
          postAuth: [plugin('postAuth')],
          post: [plugin('post')],
          response: [plugin('response')],
          analytics: [passes],
        },
        endpoints: { 'GET /': [plugin('endpoint')] },
      }
    }
    const reached: Record<string, string[]> = {}
    for (const ends of [...HOOKS.slice(0, -1), undefined]) {
      const { latency } = await recordOf(definition(ends), ['GET', '/'])
      reached[ends ?? 'none'] = Object.keys(latency.hooks)
      const spent = Object.entries(latency.hooks).filter(([hook]) => hook !== 'analytics')
      expect(spent.reduce((sum, [, ms]) => sum + ms, 0)).toBeLessThanOrEqual(latency.totalMs)
    }
    expect(reached).toEqual({
      pre: ['pre', 'analytics'],
      auth: ['pre', 'auth', 'analytics'],
      postAuth: ['pre', 'auth', 'postAuth', 'analytics'],
      endpoint: ['pre', 'auth', 'postAuth', 'endpoint', 'analytics'],
      post: ['pre', 'auth', 'postAuth', 'endpoint', 'post', 'analytics'],
      response: HOOKS,
      none: HOOKS,
    })
  })

  it('names no endpoint that was not met', async () => {
    const definition = { name: 'a', upstream: upstream.url, endpoints: { 'GET /other': [() => undefined] } }
    expect((await recordOf(definition, ['GET', '/'])).latency.hooks).toEqual({})
  })

  it('looks at no clock for the hooks of an API without records', async () => {
    let looks = 0
    const now = performance.now.bind(performance)
    const definition = (records: boolean): ApiDefinitionInput => ({
      name: 'a',
      records,
      hooks: { pre: [() => undefined], post: [() => respond(200)] },
    })
    const looksFor = async (records: boolean): Promise<number> => {
      const { port } = await run(definition(records))
      const connection = await connect(port)
      await connection.request('GET', '/')
      await settled()
      performance.now = () => {
        looks += 1
        return now()
      }
      looks = 0
      await connection.request('GET', '/')
      await settled()
      performance.now = now
      return looks
    }
    const [without, withRecords] = [await looksFor(false), await looksFor(true)]
    // One where `pre` begins, one where it ends and `post` begins, one where that ends.
    expect(withRecords - without).toBe(3)
  })
})

describe('what a session says', () => {
  it('is in the record also where it belongs to a key, with the one policy it names', async () => {
    const store = memoryStore()
    const definition = { name: 'a', authentication: { token: true }, policies: { gold: { accessRights: { a: {} } } } }
    const admin = createGateway(definition, { store })
    await admin.sessions.create(
      { alias: 'Bob', applyPolicyId: 'gold', metadata: { tyk_developer_id: 'd-9' }, tags: ['t'] },
      { key: 'the-key' },
    )
    const { gateway, port } = await run(definition, { store })
    await (await connect(port)).request('GET', '/', ['Authorization: the-key'])
    await expect
      .poll(() => gateway.records.list())
      .toMatchObject([{ alias: 'Bob', tags: ['pol-gold', 'dev-d-9', 't'] }])
  })
})
