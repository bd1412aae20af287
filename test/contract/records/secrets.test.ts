import { inspect } from 'node:util'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { AnalyticsRecord, ApiDefinitionInput, GatewayEvent } from '@postern/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { closeAll } from '../../support/cleanup.ts'
import { RawClient } from '../../support/raw-client.ts'
import { handshakeText, webSocketUpstream } from '../../support/websocket.ts'
import { connect, run, settled, upstreamOfTest, type WireResponse } from '../harness.ts'

// `debug` reads it once, when it is loaded: this is before.
vi.hoisted(() => void (process.env['DEBUG'] = '*'))

afterEach(async () => {
  vi.restoreAllMocks()
  await closeAll()
})

const CANARY = 'c4n4ry-v4lue'
const ESCAPED = 'c4n4ry%2Dv4lue'
const EVENTS: readonly GatewayEvent[] = [
  'authFailure',
  'pluginError',
  'upstreamError',
  'lateChange',
  'keyExpired',
  'rateLimitExceeded',
  'quotaExceeded',
  'storeError',
  'recordDropped',
  'recordsLost',
]

interface Said {
  /** Records, events, warnings, what was logged and what went to stderr. */
  readonly text: string
  readonly records: readonly AnalyticsRecord[]
  readonly debugged: string
}

/** Everything anybody but the client and the plugins may read of what `send` does. */
async function saidOf(
  definition: ApiDefinitionInput,
  send: (port: number) => Promise<unknown>,
  { count = 1, heard = true }: { readonly count?: number; readonly heard?: boolean } = {},
): Promise<Said> {
  const said: unknown[] = []
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  stderr.mockClear()
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  vi.spyOn(process, 'emitWarning').mockImplementation((...warning: unknown[]) => void said.push(warning))
  const seenByPlugins: AnalyticsRecord[] = []
  const { gateway, server, port } = await run(
    {
      records: { detailed: true, tagHeaders: ['x-secret', 'authorization'] },
      secrets: { headers: ['X-Secret', 'user-agent'], query: ['key'], bodyFields: ['password'] },
      ...definition,
      hooks: { ...definition.hooks, analytics: [(record) => void seenByPlugins.push(structuredClone(record))] },
    },
    { sinks: [(records) => void said.push(records), () => Promise.reject(new Error('down'))] },
  )
  server.on('upgrade', gateway.upgrade)
  if (heard) for (const event of EVENTS) gateway.on(event, (data) => void said.push([event, data]))
  await send(port)
  await expect.poll(() => gateway.records.list()).toHaveLength(count)
  await settled()
  await gateway.close({ timeoutMs: 50 })
  const records = gateway.records.list()
  const raws = [...records, ...seenByPlugins].flatMap(({ rawRequest, rawResponse }) =>
    [rawRequest, rawResponse].map((raw) => Buffer.from(raw, 'base64').toString('latin1')),
  )
  const debugged = stderr.mock.calls.map(([line]) => String(line)).join('')
  const printed = stdout.mock.calls.map(([line]) => String(line)).join('')
  stdout.mockRestore()
  const withoutDefinitions = inspect([said, seenByPlugins], { depth: 8, maxStringLength: null, maxArrayLength: null })
  return { text: [withoutDefinitions, ...raws, debugged, printed].join('\n'), records, debugged }
}

function expectNothingOf(text: string): void {
  for (const form of [CANARY, ESCAPED, 'n4ry', Buffer.from(CANARY).toString('base64').slice(0, 12)])
    expect(text).not.toContain(form)
}

/** An upstream that says everything back: what it was asked, and what it was asked with. */
const echoing = (encode?: (body: string) => Buffer, coding = ''): Promise<{ readonly url: string }> =>
  upstreamOfTest((req, res, body) => {
    const text = JSON.stringify({ url: req.url, headers: req.headers, body, raw: req.rawHeaders })
    res.setHeader('set-cookie', [`sid=${CANARY}; Path=/`, 'theme=dark'])
    res.setHeader('x-secret', CANARY)
    res.setHeader('location', `/next?key=${CANARY}`)
    res.setHeader('x-echo', `you said ${req.headers['x-secret'] as string}`)
    res.setHeader('content-type', 'application/json')
    if (coding !== '') res.setHeader('content-encoding', coding)
    res.end(encode === undefined ? text : encode(text))
  })

const HEADERS = [
  `Authorization: Bearer ${CANARY}`,
  `Proxy-Authorization: Basic ${Buffer.from(`ann:${CANARY}`).toString('base64')}`,
  `Cookie: a=1; session=${CANARY}`,
  `X-Secret: ${CANARY}`,
  `User-Agent: ${CANARY}`,
  `Referer: http://a/b?key=${ESCAPED}&x=1`,
]
const TARGET = `/stock?x=1&KEY=${CANARY}&next=%2Fb%3Fkey%3D${ESCAPED}`

async function ask(
  port: number,
  headers: readonly string[] = HEADERS,
  target = TARGET,
  body = `{"user":"ann","password":"${CANARY}","more":{"Password":["${CANARY}"]}}`,
  type = 'application/json',
): Promise<WireResponse> {
  return (await connect(port)).request('POST', target, [...headers, `Content-Type: ${type}`], body)
}

describe('a secret in every place', () => {
  it.each<[string, ((body: string) => Buffer) | undefined, string]>([
    ['says everything back', undefined, ''],
    ['says it back in gzip', gzipSync, 'gzip'],
    ['says it back in brotli', brotliCompressSync, 'br'],
    ['says it back in an encoding nobody knows', (body) => Buffer.from(body), 'secret'],
  ])('is nowhere, also where the upstream %s', async (_, encode, coding) => {
    const upstream = await echoing(encode, coding)
    let heard = ''
    const { text, records } = await saidOf({ name: 'orders', upstream: upstream.url }, async (port) => {
      heard = (await ask(port)).body
    })
    expectNothingOf(text)
    expect(coding !== '' || heard.includes(CANARY)).toBe(true)
    // Enough was said for the search to mean something.
    const [record] = records
    expect(record).toMatchObject({
      originalUrl: '/stock?x=1&KEY=***&next=%2Fb%3Fkey%3D***',
      userAgent: '***',
      tags: ['x-secret-***', 'authorization-***'],
    })
    const request = Buffer.from(record!.rawRequest, 'base64').toString()
    for (const line of ['Authorization: ***', 'Cookie: ***', 'Referer: http://a/b?key=***&x=1', '"user":"ann"'])
      expect(request).toContain(line)
    expect(request).toContain('"password":"***"')
    const response = Buffer.from(record!.rawResponse, 'base64').toString()
    expect(response.match(/set-cookie: \*\*\*/gi)).toHaveLength(2)
    expect(response).toContain(coding === 'secret' ? 'Postern-Note: the body is left out' : '"user')
  })

  it.each([
    ['a form', 'application/x-www-form-urlencoded', `user=ann&password=${ESCAPED}&x=1`, 'user=ann&password=***&x=1'],
    ['XML', 'application/soap+xml', `<a><password>${CANARY}</password></a>`, '<a><password>***</password></a>'],
    [
      'a form of several parts',
      'multipart/form-data; boundary=b',
      `--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n${CANARY}\r\n--b--\r\n`,
      `name="password"\r\n\r\n***\r\n--b--`,
    ],
    ['a kind nobody can look into', 'application/x-protobuf', `\n\u000C${CANARY}`, 'the body is left out'],
    ['a table', 'text/csv', `password\n${CANARY}`, 'the body is left out'],
  ])('is not in the record of %s', async (_, type, body, shown) => {
    const upstream = await upstreamOfTest((_req, res, received) => {
      res.setHeader('content-type', type)
      res.end(received)
    })
    const { text, records } = await saidOf({ name: 'orders', upstream: upstream.url }, (port) =>
      ask(port, [], '/', body, type),
    )
    expectNothingOf(text)
    const { rawRequest, rawResponse } = records[0]!
    for (const raw of [rawRequest, rawResponse]) expect(Buffer.from(raw, 'base64').toString()).toContain(shown)
  })
})

const PLACES: readonly (readonly [string, ApiDefinitionInput, readonly string[], string])[] = [
  ['a token in a header', { name: 'a', authentication: { token: { header: 'X-Key' } } }, [`X-Key: ${CANARY}`], '/'],
  ['a token in the query', { name: 'a', authentication: { token: { query: 'token' } } }, [], `/?token=${ESCAPED}`],
  [
    'a token in a cookie',
    { name: 'a', authentication: { token: { cookie: 'token' } } },
    [`Cookie: token=${CANARY}`],
    '/',
  ],
  [
    'what a plugin asks for',
    {
      name: 'a',
      authentication: { credential: { header: 'x-ticket', query: 'ticket' } },
      hooks: { auth: () => ({ metadata: {} }) },
    },
    [`X-Ticket: ${CANARY}`],
    `/?Ticket=${CANARY}`,
  ],
  [
    'an id in a header',
    {
      name: 'a',
      authentication: { idExtractor: { source: 'header', header: 'X-Id', mode: 'value' } },
      hooks: { auth: () => ({ metadata: {} }) },
    },
    [`X-Id: ${CANARY}`],
    '/',
  ],
]

describe('where a definition finds its callers', () => {
  it.each(PLACES)('%s is secret without a word', async (_, definition, headers, target) => {
    const { secrets: none, ...rest } = { secrets: {}, ...definition }
    for (const heard of [true, false]) {
      const { text, records } = await saidOf({ ...rest, secrets: none }, (port) => ask(port, headers, target, '{}'), {
        heard,
      })
      expectNothingOf(text)
      expect(Buffer.from(records[0]!.rawRequest, 'base64').toString()).toContain('***')
    }
  })

  it.each([
    ['a field of a form', { source: 'form', param: 'id', mode: 'value' }, `id=${ESCAPED}&x=1`, 'id=***&x=1'],
    ['a body', { source: 'body', mode: 'regex', expression: '[a-z0-9-]+$' }, `ID ${CANARY}`, 'the body is left out'],
  ] as const)('%s is secret without a word', async (_, idExtractor, body, shown) => {
    const { text, records } = await saidOf(
      { name: 'a', authentication: { idExtractor }, hooks: { auth: () => ({ metadata: {} }) } },
      (port) => ask(port, [], `/?id=${CANARY}`, body, 'application/x-www-form-urlencoded'),
    )
    // The one that was sent besides in the query is no secret where the body is read.
    expectNothingOf(idExtractor.source === 'body' ? text.replaceAll(`/?id=${CANARY}`, '') : text)
    expect(Buffer.from(records[0]!.rawRequest, 'base64').toString()).toContain(shown)
  })
})

describe('a plugin that breaks on a secret', () => {
  it.each<[string, NonNullable<ApiDefinitionInput['hooks']>]>([
    [
      'sets a field to what it cannot carry',
      { pre: [(request) => request.headers.set('x-copy', `${request.headers.get('x-secret')}\n`)] },
    ],
    [
      'appends the same',
      { pre: [(request) => request.headers.append('x-copy', `${request.headers.get('x-secret')}\n`)] },
    ],
    [
      'sets the whole target as the path',
      {
        pre: [
          (request) => {
            request.path = request.originalUrl
          },
        ],
      },
    ],
    [
      'names an upstream with credentials',
      {
        pre: [
          (request) => {
            request.upstream = `http://ann:${request.headers.get('x-secret')}@127.0.0.1`
          },
        ],
      },
    ],
    ['returns a field', { pre: [((request: { headers: Headers }) => request.headers.get('x-secret')) as never] }],
    [
      'lets somebody in by a text',
      { auth: ((request: { headers: Headers }) => request.headers.get('x-secret')) as never },
    ],
    ['reads as JSON what is none', { pre: [async (request) => void (await request.json())] }],
    ['reads the answer as JSON, which is none', { response: [async (response) => void (await response.json())] }],
    ['calls what is no path', { pre: [(request, { call }) => call('a', request.originalUrl.slice(1))] }],
    [
      'is late with it',
      {
        pre: [
          {
            timeoutMs: 1,
            plugin: (async (request: { headers: Headers }) => {
              await new Promise((resolve) => void setTimeout(resolve, 20))
              return request.headers.get('x-secret')
            }) as never,
          },
        ],
      },
    ],
  ])('because it %s says nothing of it', async (_, hooks) => {
    const upstream = await upstreamOfTest((_req, res) => res.end(`${CANARY} is no JSON`))
    for (const heard of [true, false]) {
      const { text } = await saidOf(
        { name: 'a', upstream: upstream.url, hooks },
        async (port) => {
          const { status } = await ask(
            port,
            [`X-Secret: ${CANARY}`],
            `/?key=${CANARY}`,
            `${CANARY} is no JSON`,
            'application/x-protobuf',
          )
          expect(status).toBeGreaterThanOrEqual(400)
          await new Promise((resolve) => void setTimeout(resolve, 30))
        },
        { heard },
      )
      expectNothingOf(text)
      expect(text).toMatch(/PSTN_/)
    }
  })
})

describe('an upgrade with a secret', () => {
  it('is recorded without it, and debugged without it, by the library that makes the connection too', async () => {
    const upstream = await webSocketUpstream()
    const { text, records, debugged } = await saidOf({ name: 'a', upstream: upstream.url }, async (port) => {
      const client = new RawClient(port)
      client.write(handshakeText(`/chat?key=${CANARY}`, `${HEADERS.slice(0, 4).join('\r\n')}\r\n`))
      expect((await client.answer()).status).toBe(101)
      client.socket.destroy()
    })
    expectNothingOf(text)
    expect(upstream.seen[0]!.target).toBe(`/chat?key=${CANARY}`)
    expect(records).toMatchObject([
      { upgraded: true, originalUrl: '/chat?key=***', rawRequest: '', rawResponse: '', responseCode: 101 },
    ])
    expect(debugged).toContain('http-proxy-3')
  })
})

describe('a secret in a path', () => {
  it('is masked word for word where it stands at a secret place as well', async () => {
    const { records } = await saidOf({ name: 'a' }, (port) => ask(port, [`X-Secret: ${CANARY}`], `/of/${CANARY}`))
    const raw = Buffer.from(records[0]!.rawRequest, 'base64').toString()
    expect(raw).toMatch(/^POST \/of\/\*\*\* HTTP/)
    expect(raw).not.toContain(CANARY)
  })
})

describe('a short secret', () => {
  it('is masked where it is declared, and not where it is a word like any other', async () => {
    const upstream = await upstreamOfTest((_req, res) => {
      res.setHeader('content-type', 'text/plain')
      res.end('dark matter')
    })
    const { records } = await saidOf({ name: 'a', upstream: upstream.url }, (port) =>
      ask(port, ['Cookie: theme=dark'], '/'),
    )
    expect(Buffer.from(records[0]!.rawRequest, 'base64').toString()).toContain('Cookie: ***')
    expect(Buffer.from(records[0]!.rawResponse, 'base64').toString()).toContain('dark matter')
  })
})
