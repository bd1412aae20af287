import {
  type ApiDefinitionInput,
  deny,
  type Hook,
  respond,
  type ReturnOverrides,
  type SessionInput,
} from '@postern/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, envelope, fields, listenTo, run, startUpstream, type Upstream, type WireResponse } from './harness.ts'

const SESSION: SessionInput = { metadata: { token: 'ann' } }
const DECIDING = ['pre', 'auth', 'postAuth', 'endpoint', 'post', 'response'] as const satisfies readonly Hook[]

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())

function deciding(hook: Hook, decide: () => unknown): ApiDefinitionInput {
  const list = (wanted: Hook): never[] => (hook === wanted ? [decide as never] : [])
  return {
    name: 'orders',
    upstream: upstream.url,
    hooks: {
      pre: list('pre'),
      auth: hook === 'auth' ? (decide as never) : () => SESSION,
      postAuth: list('postAuth'),
      post: list('post'),
      response: list('response'),
    },
    endpoints: { '* /': list('endpoint') },
  }
}

interface Decided {
  readonly response: WireResponse
  readonly contentType: readonly string[]
  readonly refusals: readonly (readonly [status: number, message: string])[]
  readonly errors: readonly string[]
}

async function ask(
  decide: () => unknown,
  hook: Hook = 'pre',
  headers: readonly string[] = [],
  method = 'GET',
): Promise<Decided> {
  const { gateway, port } = await run(deciding(hook, decide))
  const refusals = listenTo(gateway, 'authFailure')
  const errors = listenTo(gateway, 'pluginError')
  const response = await (await connect(port)).request(method, '/', headers)
  return {
    response,
    contentType: fields(response, 'content-type'),
    refusals: refusals.map(({ status, message }) => [status, message]),
    errors: errors.map(({ error }) => error.code),
  }
}

describe('respond()', () => {
  it.each<[string, () => ReturnOverrides, number, string, readonly string[]]>([
    ['text', () => respond(200, 'plain'), 200, 'plain', ['text/plain; charset=utf-8']],
    ['an object', () => respond(201, { left: 3 }), 201, '{"left":3}', ['application/json']],
    ['an array', () => respond(200, [1, 2]), 200, '[1,2]', ['application/json']],
    ['bytes', () => respond(200, Buffer.from('raw')), 200, 'raw', ['application/octet-stream']],
    [
      'a part of a buffer',
      () => respond(200, new Uint8Array(Buffer.from('xraw')).subarray(1)),
      200,
      'raw',
      ['application/octet-stream'],
    ],
    ['nothing', () => respond(202), 202, '', []],
    ['null', () => respond(200, null), 200, '', []],
    ['empty text', () => respond(200, ''), 200, '', ['text/plain; charset=utf-8']],
    ['a type of its own', () => respond(200, '<a/>', { 'content-type': 'text/html' }), 200, '<a/>', ['text/html']],
    ['a refusing status', () => respond(404, 'no such thing'), 404, 'no such thing', ['text/plain; charset=utf-8']],
    ['a failing status', () => respond(503, { retry: true }), 503, '{"retry":true}', ['application/json']],
    ['text beyond ASCII', () => respond(200, 'caffè ☕'), 200, 'caffè ☕', ['text/plain; charset=utf-8']],
  ])('sends %s as it is, without envelope and event', async (_, decide, status, body, contentType) => {
    const decided = await ask(decide)
    expect([decided.response.status, decided.response.body, decided.contentType]).toEqual([status, body, contentType])
    expect(fields(decided.response, 'content-length')).toEqual([String(Buffer.byteLength(body))])
    expect([decided.refusals, decided.errors]).toEqual([[], []])
  })

  it.each([204, 304])('sends no body with %i', async (status) => {
    const { response } = await ask(() => respond(status, 'body'))
    expect([response.status, fields(response, 'content-length').filter((length) => length !== '0')]).toEqual([
      status,
      [],
    ])
  })

  it('sends a list of header values as one line each', async () => {
    const { response } = await ask(() => respond(200, '', { 'set-cookie': ['a=1', 'b=2'], 'x-one': 'c' }))
    expect([fields(response, 'set-cookie'), fields(response, 'x-one')]).toEqual([['a=1', 'b=2'], ['c']])
  })

  it.each([199, 99, 0, 600, 1000, Number.NaN, 200.5, '200', undefined, { sku: '7' }])(
    'refuses %j where it is called',
    (status) => {
      expect(() => respond(status as number)).toThrow(
        expect.objectContaining({
          code: 'PSTN_VALUE_INVALID',
          message: expect.stringMatching(
            /^respond\(\) takes a status first, an integer from 200 to 599, not .+\.$/,
          ) as string,
        }),
      )
    },
  )

  it('answers HEAD with the head only', async () => {
    const { response } = await ask(() => respond(200, 'body'), 'pre', [], 'HEAD')
    expect([response.status, response.body, fields(response, 'content-length')]).toEqual([200, '', ['4']])
  })

  it.each(DECIDING)('has the last word at %s', async (hook) => {
    const { response, refusals, errors } = await ask(() => respond(402, 'pay'), hook)
    expect([response.status, response.body, fields(response, 'x-upstream'), refusals, errors]).toEqual([
      402,
      'pay',
      [],
      [],
      [],
    ])
  })
})

describe('deny()', () => {
  it.each(DECIDING)('at %s answers the envelope and raises authFailure', async (hook) => {
    const decided = await ask(() => deny(401, 'Unknown key', { 'www-authenticate': 'Bearer' }), hook)
    expect([decided.response.status, decided.response.body]).toEqual([401, envelope('Unknown key')])
    expect(fields(decided.response, 'www-authenticate')).toEqual(['Bearer'])
    expect([decided.contentType, decided.refusals, decided.errors]).toEqual([
      ['application/json'],
      [[401, 'Unknown key']],
      [],
    ])
  })

  it.each([400, 403, 451, 500, 599])('takes %i', async (status) => {
    const { response } = await ask(() => deny(status))
    expect([response.status, response.body]).toEqual([status, envelope('Key not authorised')])
  })

  it.each([399, 200, 0, 99, 600, 1000, Number.NaN, 400.5, '401'])('refuses %s where it is called', (status) => {
    expect(() => deny(status as number)).toThrow(expect.objectContaining({ code: 'PSTN_VALUE_INVALID' }))
  })

  it('tells who is refused and where', async () => {
    const { gateway, port } = await run(
      deciding('auth', function checkKey() {
        return deny(401, 'Unknown key')
      }),
    )
    const refusals = listenTo(gateway, 'authFailure')
    await (await connect(port)).request('GET', '/stock?key=secret', ['Authorization: secret'])
    expect(refusals).toEqual([
      {
        api: expect.objectContaining({ name: 'orders' }),
        hook: 'auth',
        plugin: 'checkKey',
        key: '',
        status: 401,
        message: 'Unknown key',
        method: 'GET',
        path: '/stock',
        clientAddress: '127.0.0.1',
      },
    ])
  })
})

const PLAIN = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json'

interface Override {
  readonly what: string
  readonly overrides: ReturnOverrides
  readonly body: string
  readonly type: readonly string[]
  /** The message of the event, when there is one. */
  readonly refusal?: string
}

const OVERRIDES: readonly Override[] = [
  {
    what: 'below 400: the body as it is',
    overrides: { responseCode: 200, responseBody: 'b' },
    body: 'b',
    type: [PLAIN],
  },
  {
    what: 'below 400 with overrideError: the same',
    overrides: { responseCode: 302, responseBody: 'b', overrideError: true },
    body: 'b',
    type: [PLAIN],
  },
  {
    what: 'below 400: responseError beats responseBody',
    overrides: { responseCode: 200, responseBody: 'b', responseError: 'e' },
    body: 'e',
    type: [PLAIN],
  },
  {
    what: 'below 400: an empty responseError beats nothing',
    overrides: { responseCode: 200, responseBody: 'b', responseError: '' },
    body: 'b',
    type: [PLAIN],
  },
  { what: 'below 400 without anything', overrides: { responseCode: 200 }, body: '', type: [] },
  {
    what: 'from 400: the envelope around the body',
    overrides: { responseCode: 400, responseBody: 'b' },
    body: envelope('b'),
    type: [JSON_TYPE],
    refusal: 'b',
  },
  {
    what: 'from 400: the envelope around responseError, which beats responseBody',
    overrides: { responseCode: 403, responseBody: 'b', responseError: 'e' },
    body: envelope('e'),
    type: [JSON_TYPE],
    refusal: 'e',
  },
  {
    what: 'from 400 without a message: the usual one',
    overrides: { responseCode: 403 },
    body: envelope('Key not authorised'),
    type: [JSON_TYPE],
    refusal: 'Key not authorised',
  },
  {
    what: 'from 400 with empty texts: the usual one',
    overrides: { responseCode: 403, responseBody: '', responseError: '' },
    body: envelope('Key not authorised'),
    type: [JSON_TYPE],
    refusal: 'Key not authorised',
  },
  {
    what: 'from 400 with null: the usual one',
    overrides: { responseCode: 403, responseBody: null },
    body: envelope('Key not authorised'),
    type: [JSON_TYPE],
    refusal: 'Key not authorised',
  },
  {
    what: 'from 400 with bytes: their text',
    overrides: { responseCode: 403, responseBody: Buffer.from('b') },
    body: envelope('b'),
    type: [JSON_TYPE],
    refusal: 'b',
  },
  {
    what: 'from 400 with an object: its JSON as the message',
    overrides: { responseCode: 403, responseBody: { a: 1 } },
    body: envelope(String.raw`{\"a\":1}`),
    type: [JSON_TYPE],
    refusal: '{"a":1}',
  },
  {
    what: 'from 400 with overrideError: the body as it is',
    overrides: { responseCode: 500, responseBody: { a: 1 }, overrideError: true },
    body: '{"a":1}',
    type: [JSON_TYPE],
  },
  {
    what: 'from 400 with overrideError: responseError beats responseBody',
    overrides: { responseCode: 500, responseBody: 'b', responseError: 'e', overrideError: true },
    body: 'e',
    type: [PLAIN],
  },
  {
    what: 'from 400 with overrideError and no body',
    overrides: { responseCode: 500, overrideError: true },
    body: '',
    type: [],
  },
  {
    what: 'from 400: a content type of the plugin gives way to that of the envelope',
    overrides: { responseCode: 403, responseBody: 'b', responseHeaders: { 'Content-Type': 'text/html' } },
    body: envelope('b'),
    type: [JSON_TYPE],
    refusal: 'b',
  },
  {
    what: 'from 400 with overrideError: a content type of the plugin stays',
    overrides: {
      responseCode: 403,
      responseBody: 'b',
      overrideError: true,
      responseHeaders: { 'Content-Type': 'text/html' },
    },
    body: 'b',
    type: ['text/html'],
  },
  {
    what: 'with overrideError: false, as without',
    overrides: { responseCode: 403, responseBody: 'b', overrideError: false },
    body: envelope('b'),
    type: [JSON_TYPE],
    refusal: 'b',
  },
]

describe('a literal ReturnOverrides', () => {
  it.each(OVERRIDES.map((row) => [row.what, row] as const))('%s', async (_, { overrides, body, type, refusal }) => {
    const decided = await ask(() => overrides)
    expect([decided.response.status, decided.response.body, decided.contentType]).toEqual([
      overrides.responseCode,
      body,
      type,
    ])
    expect(decided.refusals).toEqual(refusal === undefined ? [] : [[overrides.responseCode, refusal]])
    expect([decided.errors, fields(decided.response, 'content-length')]).toEqual([
      [],
      [String(Buffer.byteLength(body))],
    ])
  })

  it.each([
    ['respond()', (headers: Headers) => respond(200, 'a', headers)],
    ['deny()', (headers: Headers) => deny(403, 'a', headers)],
    ['a literal', (headers: Headers) => ({ responseCode: 200, responseHeaders: headers }) as never],
    [
      'an error that is exposed',
      (headers: Headers) => {
        throw Object.assign(new Error('a'), { status: 403, expose: true, headers })
      },
    ],
  ])('takes headers as the platform has them, each cookie on its own line: %s', async (_, decide) => {
    const headers = new Headers([
      ['x-a', '1'],
      ['set-cookie', 'b=2'],
      ['set-cookie', 'c=3'],
    ])
    const { response, errors } = await ask(() => decide(headers))
    expect([fields(response, 'x-a'), fields(response, 'set-cookie'), errors]).toEqual([['1'], ['b=2', 'c=3'], []])
  })

  it('cannot speak for the connection or lie about the length', async () => {
    const overrides = {
      responseCode: 200,
      responseBody: 'four',
      responseHeaders: { 'content-length': '400', 'transfer-encoding': 'chunked', connection: 'close', 'x-a': '1' },
    }
    const { gateway, port } = await run(deciding('pre', () => overrides))
    const connection = await connect(port)
    const first = await connection.request('GET', '/')
    const second = await connection.request('GET', '/')
    for (const response of [first, second]) {
      expect([response.status, response.body, fields(response, 'content-length'), fields(response, 'x-a')]).toEqual([
        200,
        'four',
        ['4'],
        ['1'],
      ])
    }
    expect([connection.stray, gateway.records.dropped]).toEqual(['', 0])
  })
})

describe('a WHATWG Response', () => {
  it.each<[string, () => Response, number, string]>([
    ['with text', () => new Response('text', { status: 201 }), 201, 'text'],
    ['with a refusing status, which is no refusal', () => new Response('no', { status: 404 }), 404, 'no'],
    ['without a body', () => new Response(null, { status: 200 }), 200, ''],
    ['without content', () => new Response(null, { status: 204 }), 204, ''],
    ['of Response.json()', () => Response.json({ a: 1 }), 200, '{"a":1}'],
    ['that redirects', () => Response.redirect('http://a.test/b', 302), 302, ''],
    [
      'with a stream',
      () =>
        new Response(
          new ReadableStream({
            start: (controller) => {
              controller.enqueue(Buffer.from('a'))
              controller.enqueue(Buffer.from('b'))
              controller.close()
            },
          }),
        ),
      200,
      'ab',
    ],
    ['with a form', () => new Response(new URLSearchParams({ a: '1' })), 200, 'a=1'],
  ])('%s is sent as it is', async (_, make, status, body) => {
    const decided = await ask(make)
    expect([decided.response.status, decided.response.body]).toEqual([status, body])
    expect([decided.refusals, decided.errors]).toEqual([[], []])
  })

  it.each(DECIDING)('has the last word at %s', async (hook) => {
    const { response } = await ask(() => new Response('mine', { status: 402 }), hook)
    expect([response.status, response.body, fields(response, 'x-upstream')]).toEqual([402, 'mine', []])
  })

  it('keeps each of its cookies a line of its own', async () => {
    const { response } = await ask(() => {
      const headers = new Headers([
        ['set-cookie', 'a=1; Path=/'],
        ['set-cookie', 'b=2, and a comma'],
        ['x-a', '1'],
        ['x-a', '2'],
      ])
      return new Response('', { headers })
    })
    expect([fields(response, 'set-cookie'), fields(response, 'x-a')]).toEqual([
      ['a=1; Path=/', 'b=2, and a comma'],
      ['1, 2'],
    ])
  })

  it('that was fetched says nothing of an encoding that is already undone', async () => {
    const { gzipSync } = await import('node:zlib')
    const compressed = await startUpstream((_req, res) => {
      res.setHeader('content-encoding', 'gzip')
      res.end(gzipSync('fetched'))
    })
    try {
      const { response } = await ask(() => fetch(compressed.url))
      expect([response.status, response.body, fields(response, 'content-encoding')]).toEqual([200, 'fetched', []])
    } finally {
      await compressed.close()
    }
  })

  it.each<[string, () => Promise<Response> | Response]>([
    [
      'whose body was read',
      async () => {
        const response = new Response('x')
        await response.text()
        return response
      },
    ],
    [
      'whose body somebody is reading',
      () => {
        const response = new Response('x')
        response.body?.getReader()
        return response
      },
    ],
    ['that is an error', () => Response.error()],
  ])('%s is a broken plugin', async (_, make) => {
    const decided = await ask(make)
    expect([decided.response.status, decided.response.body]).toEqual([500, envelope('Middleware error')])
    expect(decided.errors).toHaveLength(1)
  })

  it('whose stream breaks off never looks like a whole answer', async () => {
    const { port } = await run(
      deciding('pre', () => {
        let pulls = 0
        return new Response(
          new ReadableStream({
            pull: (controller) => {
              pulls += 1
              if (pulls === 1) controller.enqueue(Buffer.from('half'))
              else controller.error(new Error('broke off'))
            },
          }),
        )
      }),
    )
    const connection = await connect(port)
    await expect(connection.request('GET', '/')).rejects.toThrow('The connection closed')
  })
})

const XML = (text: string): string => `<?xml version = "1.0" encoding = "UTF-8"?>\n<error>${text}</error>\n`

describe('the error envelope', () => {
  it.each([
    ['application/xml', 'application/xml', true],
    ['text/xml', 'text/xml', true],
    ['application/soap+xml', 'application/soap+xml', true],
    ['text/xml; charset=utf-8', 'text/xml', true],
    ['application/soap+xml;action="a;b"', 'application/soap+xml', true],
    ['Application/XML', 'application/xml', true],
    ['application/json', 'application/json', false],
    ['application/json; charset=utf-8', 'application/json', false],
    ['text/html', 'application/json', false],
    ['application/xhtml+xml', 'application/json', false],
    ['application/xmlish', 'application/json', false],
    ['', 'application/json', false],
  ])('for a request of type %j is %s', async (requested, type, xml) => {
    const decided = await ask(() => deny(403, 'no'), 'pre', [`Content-Type: ${requested}`])
    expect([decided.contentType, decided.response.body]).toEqual([[type], xml ? XML('no') : envelope('no')])
  })

  it('does not ask what the client would accept', async () => {
    const decided = await ask(() => deny(403, 'no'), 'pre', ['Accept: application/xml'])
    expect([decided.contentType, decided.response.body]).toEqual([['application/json'], envelope('no')])
  })

  it.each([
    ['quotes', 'a "b" c', String.raw`a \"b\" c`],
    ['a backslash', String.raw`a\b`, String.raw`a\\b`],
    ['line breaks and tabs', 'a\nb\rc\td', String.raw`a\nb\rc\td`],
    ['another control byte', 'a\u0001b', String.raw`a\u0001b`],
    ['markup, which JSON does not escape', "<b>&'</b>", "<b>&'</b>"],
    ['letters beyond ASCII', 'caffè ☕', 'caffè ☕'],
  ])('in JSON escapes %s', async (_, message, escaped) => {
    const { response } = await ask(() => deny(403, message))
    expect(response.body).toBe(envelope(escaped))
    expect(JSON.parse(response.body)).toEqual({ error: message })
  })

  it('in XML escapes markup and quotes', async () => {
    const { response } = await ask(() => deny(403, `<b a="1">&'</b>`), 'pre', ['Content-Type: text/xml'])
    expect(response.body).toBe(XML('&lt;b a=&#34;1&#34;&gt;&amp;&#39;&lt;/b&gt;'))
  })

  it('in XML replaces NUL, as HTML escaping does', async () => {
    const { response } = await ask(() => deny(403, 'a\u0000b'), 'pre', ['Content-Type: text/xml'])
    expect(response.body).toBe(XML('a\uFFFDb'))
  })

  it('is that of a failure, too', async () => {
    const decided = await ask(
      () => {
        throw new Error('x')
      },
      'pre',
      ['Content-Type: application/soap+xml'],
    )
    expect([decided.contentType, decided.response.body]).toEqual([['application/soap+xml'], XML('Middleware error')])
  })

  it('of an API nobody knows and of a path nobody can spell is the same', async () => {
    const { port } = await run({ name: 'orders', listenPath: '/orders/', upstream: upstream.url })
    const connection = await connect(port)
    const unknown = await connection.request('GET', '/elsewhere')
    const malformed = await connection.request('GET', '/orders/%zz', ['Content-Type: text/xml'])
    expect([unknown.status, unknown.body, malformed.status, malformed.body]).toEqual([
      404,
      envelope('Not Found'),
      400,
      XML('Malformed request path'),
    ])
  })

  it('keeps browsers from taking it for a page', async () => {
    const { response } = await ask(() => deny(403, '<script>'))
    expect(fields(response, 'x-content-type-options')).toEqual(['nosniff'])
  })
})
