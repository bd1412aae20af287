import { gzipSync } from 'node:zlib'
import { deny, type Decision, respond } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts, type Mount, type Mounted } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

const ENVELOPE = (message: string): string => `{\n    "error": ${JSON.stringify(message)}\n}`

function answering(mount: Mount, decide: () => Decision | undefined): Promise<Mounted> {
  return mount({ name: 'a', hooks: { pre: [decide] } })
}

describe.each(hosts)('%s', (_, mount) => {
  it.each([
    ['text', respond(200, '<b>'), 'text/plain; charset=utf-8', '<b>'],
    ['an object', respond(201, { a: 1 }), 'application/json', '{"a":1}'],
    ['bytes', respond(202, new Uint8Array([104, 105])), 'application/octet-stream', 'hi'],
    ['text of its own type', respond(200, '<b>', { 'content-type': 'text/html' }), 'text/html', '<b>'],
    [
      'JSON text of its own type',
      respond(200, '{}', { 'Content-Type': 'application/hal+json' }),
      'application/hal+json',
      '{}',
    ],
    ['an error as it is', respond(418, { teapot: true }), 'application/json', '{"teapot":true}'],
    ['a literal', { responseCode: 203, responseBody: 'literal' }, 'text/plain; charset=utf-8', 'literal'],
    [
      'a literal error overridden',
      { responseCode: 500, responseBody: 'x', overrideError: true },
      'text/plain; charset=utf-8',
      'x',
    ],
  ])('sends %s a plugin answers with', async (__, decision, type, body) => {
    const { url } = await answering(mount, () => decision)
    const reply = await send(url)
    expect([reply.status, reply.headers['content-type'], reply.headers['content-length'], reply.text]).toEqual([
      decision.responseCode,
      type,
      String(body.length),
      body,
    ])
  })

  it.each([
    ['deny()', deny(401, 'Unknown "key"'), 401, 'Unknown "key"'],
    ['deny() without a message', deny(403), 403, 'Key not authorised'],
    ['a literal', { responseCode: 400, responseBody: 'b', responseError: 'e' }, 400, 'e'],
    ['a literal with a body only', { responseCode: 599, responseBody: 'b' }, 599, 'b'],
  ])('wraps %s in the error envelope, byte for byte', async (__, decision, status, message) => {
    const { url } = await answering(mount, () => decision)
    const reply = await send(url)
    expect([reply.status, reply.headers['content-type'], reply.text]).toEqual([
      status,
      'application/json',
      ENVELOPE(message),
    ])
  })

  it.each(['application/xml', 'text/xml; charset=utf-8', 'application/soap+xml'])(
    'wraps a refusal of a request of type %s in XML',
    async (type) => {
      const { url } = await answering(mount, () => deny(401, `<a> & "b"`))
      const reply = await send(url, '/', { method: 'POST', body: '<x/>', headers: { 'content-type': type } })
      expect([reply.headers['content-type'], reply.text]).toEqual([
        type.split(';')[0],
        '<?xml version = "1.0" encoding = "UTF-8"?>\n<error>&lt;a&gt; &amp; &#34;b&#34;</error>\n',
      ])
    },
  )

  it('sends a WHATWG Response a plugin answers with, each of its cookies on a line', async () => {
    const { url } = await answering(mount, () => {
      const response = new Response('streamed', { status: 202, headers: { 'content-type': 'text/x', 'x-a': '1' } })
      response.headers.append('set-cookie', 'a=1')
      response.headers.append('set-cookie', 'b=2; Expires=Wed, 21 Oct 2065 07:28:00 GMT')
      return response
    })
    const reply = await send(url)
    expect([reply.status, reply.headers['content-type'], reply.headers['x-a'], reply.text]).toEqual([
      202,
      'text/x',
      '1',
      'streamed',
    ])
    expect(valuesOf(reply.lines, 'set-cookie')).toEqual(['a=1', 'b=2; Expires=Wed, 21 Oct 2065 07:28:00 GMT'])
  })

  it('sends several values of a header a plugin answers with as several lines', async () => {
    const { url } = await answering(mount, () =>
      respond(200, '', { 'Set-Cookie': ['a=1', 'b=2'], 'WWW-Authenticate': ['Basic', 'Bearer'] }),
    )
    const reply = await send(url)
    expect([valuesOf(reply.lines, 'set-cookie'), valuesOf(reply.lines, 'www-authenticate')]).toEqual([
      ['a=1', 'b=2'],
      ['Basic', 'Bearer'],
    ])
  })

  it('sends several Set-Cookie lines a response plugin sets', async () => {
    const upstream = await startUpstream((res) => res.writeHead(200, { 'set-cookie': ['a=1', 'b=2'] }).end())
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        response: [(response) => response.headers.append('Set-Cookie', `n=${response.headers.getSetCookie().length}`)],
      },
    })
    const reply = await send(url)
    expect(valuesOf(reply.lines, 'set-cookie')).toEqual(['a=1', 'b=2', 'n=2'])
  })

  it('answers an empty 200 as an empty 200', async () => {
    const upstream = await startUpstream((res) =>
      res.writeHead(200, { 'content-type': 'text/css', 'content-length': 0 }).end(),
    )
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const reply = await send(url)
    expect([reply.status, reply.headers['content-type'], reply.headers['content-length'], reply.text]).toEqual([
      200,
      'text/css',
      '0',
      '',
    ])
  })

  it.each([200, 203, 226, 299, 404, 418, 499, 500, 503, 599])('passes status %d of the upstream on', async (status) => {
    const upstream = await startUpstream((res) => res.writeHead(status).end('body'))
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const reply = await send(url)
    expect([reply.status, reply.text]).toEqual([status, 'body'])
  })

  it('answers HEAD with the head of the upstream and no body', async () => {
    const upstream = await startUpstream((res) =>
      res.writeHead(200, { 'content-length': 123, etag: '"e"', 'content-type': 'a/b' }).end(),
    )
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const answer = await rawExchange(port, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 'HEAD')
    expect(
      ['content-length', 'etag', 'content-type', 'transfer-encoding'].map((name) => valuesOf(answer.lines, name)),
    ).toEqual([['123'], ['"e"'], ['a/b'], []])
    expect([upstream.only().method, answer.status]).toEqual(['HEAD', 200])
  })

  it('answers HEAD with the head a plugin gives to GET', async () => {
    const { port } = await answering(mount, () => respond(200, 'twelve bytes'))
    const answer = await rawExchange(port, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 'HEAD')
    expect([answer.status, valuesOf(answer.lines, 'content-length'), answer.body]).toEqual([200, ['12'], ''])
  })

  it('sends no body to HEAD when a plugin asks the upstream with GET', async () => {
    const upstream = await startUpstream((res) => res.end('a body'))
    const { port } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { pre: [(request) => void (request.method = 'GET')] },
    })
    const client = new RawClient(port)
    client.write('HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    const answers = [await client.answer('HEAD'), await client.answer('HEAD')]
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(upstream.seen.map(({ method, target }) => `${method} ${target}`)).toEqual(['GET /', 'GET /second'])
  })

  it.each([204, 304])('answers %d of the upstream without body and framing', async (status) => {
    const upstream = await startUpstream((res) =>
      res.writeHead(status, { etag: '"e"', 'set-cookie': ['a=1', 'b=2'] }).end(),
    )
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const answer = await rawExchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect([answer.status, valuesOf(answer.lines, 'etag'), valuesOf(answer.lines, 'set-cookie')]).toEqual([
      status,
      ['"e"'],
      ['a=1', 'b=2'],
    ])
    expect([...valuesOf(answer.lines, 'content-length'), ...valuesOf(answer.lines, 'transfer-encoding')]).toEqual([])
  })

  it.each([204, 304])('answers %d a plugin gives without a body', async (status) => {
    const { port } = await answering(mount, () => respond(status, 'not to be sent', { etag: '"e"' }))
    const answer = await rawExchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect([answer.status, valuesOf(answer.lines, 'etag'), valuesOf(answer.lines, 'content-length')]).toEqual([
      status,
      ['"e"'],
      [],
    ])
  })

  it('answers 500 and nothing more when a plugin throws', async () => {
    const { url, gateway } = await answering(mount, () => {
      throw new Error('the password is 1234')
    })
    const failed: string[] = []
    gateway.on('pluginError', ({ hook, error }) => failed.push(`${hook} ${error.code}`))
    const reply = await send(url)
    expect([reply.status, reply.text, failed]).toEqual([500, ENVELOPE('Middleware error'), ['pre PSTN_PLUGIN_THREW']])
  })

  it('answers 500 and nothing of the upstream when a response plugin throws', async () => {
    const upstream = await startUpstream((res) =>
      res.writeHead(200, { 'x-secret': '1', 'content-type': 'a/b' }).end('secret'),
    )
    const { url, gateway } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        response: [
          () => {
            throw new Error('broken')
          },
        ],
      },
    })
    gateway.on('pluginError', () => undefined)
    const reply = await send(url)
    expect([reply.status, reply.headers['x-secret'], reply.text]).toEqual([
      500,
      undefined,
      ENVELOPE('Middleware error'),
    ])
  })

  it('answers 403 when authentication breaks and does not ask the upstream', async () => {
    const upstream = await startUpstream()
    const { url, gateway } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { auth: () => Promise.reject(new Error('database down')) },
    })
    gateway.on('pluginError', () => undefined)
    const reply = await send(url)
    expect([reply.status, reply.text, upstream.seen]).toEqual([403, ENVELOPE('Key not authorised'), []])
  })

  it('answers while the request body is still on its way, and keeps the connection in step', async () => {
    const { port } = await answering(mount, () => deny(401, 'no'))
    const body = 'x'.repeat(200_000)
    const answer = await rawExchange(
      port,
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    expect([answer.status, answer.body]).toEqual([401, ENVELOPE('no')])
  })

  it('runs the hooks in their order', async () => {
    const order: string[] = []
    const note = (name: string) => () => void order.push(name)
    const upstream = await startUpstream((res) => {
      order.push('upstream')
      res.end()
    })
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        pre: [note('pre 1'), async () => void order.push('pre 2')],
        auth: () => {
          order.push('auth')
          return { metadata: { token: 't' } }
        },
        postAuth: [note('postAuth')],
        post: [note('post')],
        response: [note('response 1'), note('response 2')],
      },
      endpoints: { 'GET /x/:id': [note('endpoint 1'), note('endpoint 2')] },
    })
    await send(url, '/x/1')
    expect(order).toEqual([
      'pre 1',
      'pre 2',
      'auth',
      'postAuth',
      'endpoint 1',
      'endpoint 2',
      'post',
      'upstream',
      'response 1',
      'response 2',
    ])
  })

  it('lets a response plugin change status, headers and body, and replace the answer', async () => {
    const upstream = await startUpstream((res) => res.writeHead(200, { 'x-gone': '1', etag: '"e"' }).end('{"a":1}'))
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        response: [
          async (response, { request }) => {
            if (request.path === '/replaced') return respond(203, 'replaced')
            const value = await response.json<{ a: number }>()
            response.status = 201
            response.headers.delete('x-gone')
            response.setBody({ ...value, b: 2 })
            return undefined
          },
        ],
      },
    })
    const changed = await send(url, '/changed')
    const replaced = await send(url, '/replaced')
    expect([changed.status, changed.text, changed.headers['x-gone'], changed.headers['content-length']]).toEqual([
      201,
      '{"a":1,"b":2}',
      undefined,
      '13',
    ])
    expect([replaced.status, replaced.text, replaced.headers['x-gone']]).toEqual([203, 'replaced', undefined])
  })

  it('passes a compressed answer on as it is, and one a plugin has replaced without its old encoding', async () => {
    const packed = gzipSync('{"a":1}')
    const upstream = await startUpstream((res) =>
      res.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json', etag: '"e"' }).end(packed),
    )
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        response: [
          async (response, { request }) => {
            const value = await response.json<{ a: number }>()
            if (request.path === '/replace') response.setBody({ a: value.a + 1 })
          },
        ],
      },
    })
    const [kept, replaced] = [await send(url, '/keep'), await send(url, '/replace')]
    expect([kept.headers['content-encoding'], kept.headers.etag, kept.body]).toEqual(['gzip', '"e"', packed])
    expect([replaced.headers['content-encoding'], replaced.headers.etag, replaced.text]).toEqual([
      undefined,
      'W/"e"',
      '{"a":2}',
    ])
  })
})
