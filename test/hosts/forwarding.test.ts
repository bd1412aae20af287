import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts } from '../support/hosts.ts'
import { valuesOf, without } from '../support/lines.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

const OURS = ['host', 'connection', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'cdn-loop']

describe.each(hosts)('%s', (_, mount) => {
  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT'])(
    'forwards %s with its method and its answer',
    async (method) => {
      const upstream = await startUpstream((res, seen) => res.writeHead(207, { 'x-was': seen.method }).end('done'))
      const { url } = await mount({ name: 'a', upstream: upstream.url })
      const reply = await send(url, '/x', { method })
      expect([reply.status, reply.headers['x-was'], reply.text]).toEqual([207, method, 'done'])
    },
  )

  it.each([
    ['/', '/'],
    ['/a%20b/c%2Fd', '/a%20b/c%2Fd'],
    ['/a//b/', '/a//b/'],
    ["/;m=1/~u/(x)!*'@:&=+$,", "/;m=1/~u/(x)!*'@:&=+$,"],
    ['/%7euser/%c3%a9', '/~user/%C3%A9'],
    ['/a/./b/../c', '/a/c'],
    ['/%2561', '/%2561'],
    ['//evil.example/x', '/evil.example/x'],
    ['http://evil.example/x?y=1', '/x?y=1'],
  ])('sends the path %s to the upstream as %s', async (target, expected) => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const reply = await send(url, target)
    expect([reply.status, upstream.seen.map((seen) => seen.target)]).toEqual([200, [expected]])
    expect(upstream.only().headers.host).toBe(new URL(upstream.url).host)
  })

  it.each(['/../x', '/%2e%2e/x', '/a/..%2fx', '/a\\b', '/%00', '/%zz', '/%ff', '/a/..;/x'])(
    'answers 400 to the path %s, which has no canonical spelling',
    async (target) => {
      const upstream = await startUpstream()
      const { url } = await mount({ name: 'a', upstream: upstream.url })
      const reply = await send(url, target)
      expect([reply.status, reply.text]).toEqual([400, '{\n    "error": "Malformed request path"\n}'])
      expect(upstream.seen).toEqual([])
    },
  )

  it.each(['?', '?a=1&a=2&b=%7e&c&=x&&d=%zz+y', '?q=a/b?c', '?%5B%5D[]={}|"'])(
    'sends the query %s to the upstream byte for byte',
    async (query) => {
      const upstream = await startUpstream()
      const { url } = await mount({ name: 'a', upstream: upstream.url })
      await send(url, `/x${query}`)
      // A question mark with nothing behind it carries nothing.
      expect(upstream.only().target).toBe(query === '?' ? '/x' : `/x${query}`)
    },
  )

  it('puts the upstream path in front and takes the listen path off', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', listenPath: '/orders/', upstream: `${upstream.url}/base/` })
    for (const target of ['/orders', '/orders/', '/orders/7?x=1']) await send(url, target)
    expect(upstream.seen.map((seen) => seen.target)).toEqual(['/base/', '/base/', '/base/7?x=1'])
  })

  it('takes a stream of a plugin that breaks off for what it is', async () => {
    const upstream = await startUpstream()
    const broken = (): Readable =>
      Readable.from(
        (async function* () {
          yield 'half'
          throw new Error('no disk')
        })(),
      )
    const { url, gateway } = await mount([
      { name: 'a', listenPath: '/a', upstream: upstream.url, hooks: { pre: [(request) => request.setBody(broken())] } },
      {
        name: 'b',
        listenPath: '/b',
        upstream: upstream.url,
        hooks: { response: [{ name: 'edit', plugin: (response) => response.setBody(broken()) }] },
      },
      { name: 'c', listenPath: '/c', hooks: { pre: [() => new Response(Readable.toWeb(broken()) as never)] } },
    ])
    const errors: string[] = []
    gateway.on('pluginError', ({ plugin, error }) => errors.push(`${plugin} ${error.code}`))
    expect((await send(url, '/a', { method: 'POST', body: 'x' })).status).toBe(500)
    for (const path of ['/b', '/c']) expect((await send(url, path)).complete).toBe(false)
    const codes = (): string[] => gateway.records.list().map(({ code }) => code)
    await expect.poll(codes).toEqual(['PSTN_PLUGIN_THREW', 'PSTN_PLUGIN_THREW', 'PSTN_PLUGIN_THREW'])
    expect(errors).toEqual(['edit PSTN_PLUGIN_THREW'])
  })

  it('adds no slash to the path of an upstream where the client sends none', async () => {
    const upstream = await startUpstream()
    const { url, gateway } = await mount([
      { name: 'a', listenPath: '/a/', upstream: `${upstream.url}/base` },
      { name: 'b', listenPath: '/b', upstream: upstream.url, stripListenPath: false },
      { name: 'c', listenPath: '/c', upstream: upstream.url },
      {
        name: 'd',
        listenPath: '/d',
        upstream: `${upstream.url}/base`,
        hooks: { pre: [(request) => void (request.path = '/')] },
      },
    ])
    const targets = ['/a', '/a/', '/a?x=1', '/b', '/b/', '/b?x=1', '/c', '/d']
    for (const target of targets) await send(url, target)
    const sent = ['/base', '/base/', '/base?x=1', '/b', '/b/', '/b?x=1', '/', '/base/']
    expect(upstream.seen.map((seen) => seen.target)).toEqual(sent)
    const explained = targets.slice(0, 7).map((target) => gateway.explain('GET', target).upstream)
    expect(explained).toEqual(sent.slice(0, 7).map((path) => upstream.url + path))
  })

  it('keeps the listen path where the definition says so', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({
      name: 'a',
      listenPath: '/orders',
      stripListenPath: false,
      upstream: `${upstream.url}/base`,
    })
    await send(url, '/orders/7')
    expect(upstream.only().target).toBe('/base/orders/7')
  })

  it('keeps the spelling, the order and the duplicates of request headers', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const lines = ['X-ONE', '1', 'x-two', '', 'X-Dup', 'a', 'x-dup', 'b', 'Cookie', 'a=1', 'X-Latin', 'caf\u00E9']
    await send(url, '/', { headers: lines })
    expect(without(upstream.only().lines, ...OURS).flat()).toEqual(lines)
  })

  it('keeps the spelling, the order and the duplicates of response headers', async () => {
    const lines = [
      'X-ONE',
      '1',
      'Set-Cookie',
      'a=1',
      'Link',
      '<a>',
      'set-cookie',
      'b=2; Path=/',
      'Link',
      '<b>',
      'X-Latin',
      'caf\u00E9',
      'Content-Type',
      'text/plain',
      'Content-Type',
      'text/html',
    ]
    const upstream = await startUpstream((res) => res.writeHead(200, [...lines, 'Date', 'then']).end('x'))
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const reply = await send(url)
    const names = ['x-one', 'set-cookie', 'link', 'x-latin', 'content-type', 'date']
    expect(names.map((name) => valuesOf(reply.lines, name))).toEqual([
      ['1'],
      ['a=1', 'b=2; Path=/'],
      ['<a>', '<b>'],
      ['caf\u00E9'],
      ['text/plain', 'text/html'],
      ['then'],
    ])
  })

  it('adds no header of its own to an answer of the upstream', async () => {
    const upstream = await startUpstream((res) => {
      res.sendDate = false
      res.writeHead(200, ['X-Only', '1', 'Content-Length', '2']).end('{}')
    })
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const reply = await send(url)
    // Those of the host's server and of Express itself.
    const left = without(reply.lines, 'date', 'connection', 'keep-alive', 'x-powered-by')
    expect(left.map(([name, value]) => [name.toLowerCase(), value])).toEqual([
      ['x-only', '1'],
      ['content-length', '2'],
    ])
  })

  it('forwards a body of known length byte for byte, with its length', async () => {
    const upstream = await startUpstream((res, seen) => res.end(seen.body))
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const body = randomBytes(300_000)
    const reply = await send(url, '/', { method: 'PUT', body, headers: { 'content-type': 'x/y' } })
    const seen = upstream.only()
    expect(seen.body.equals(body) && reply.body.equals(body)).toBe(true)
    expect([seen.headers['content-length'], seen.headers['transfer-encoding'], seen.headers['content-type']]).toEqual([
      '300000',
      undefined,
      'x/y',
    ])
  })

  it('forwards a small body of known length byte for byte', async () => {
    const upstream = await startUpstream((res, seen) => res.end(seen.body))
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const body = Buffer.from(Array.from({ length: 256 }, (__, i) => i))
    const reply = await send(url, '/', { method: 'POST', body })
    expect([upstream.only().headers['content-length'], reply.body]).toEqual(['256', body])
  })

  it('forwards a chunked body byte for byte, chunked', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const parts = [randomBytes(10), randomBytes(100_000), randomBytes(1)]
    await send(url, '/', { method: 'POST', body: Readable.from(parts) })
    const seen = upstream.only()
    expect(seen.body.equals(Buffer.concat(parts))).toBe(true)
    expect([seen.headers['content-length'], seen.headers['transfer-encoding']]).toEqual([undefined, 'chunked'])
  })

  it.each(['GET', 'DELETE', 'OPTIONS'])('forwards the body of a %s request', async (method) => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    await send(url, '/', { method, body: 'why not', headers: { 'content-length': 7 } })
    expect(upstream.only().body.toString()).toBe('why not')
  })

  it('announces no body where there is none, and an empty one where one is expected', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    await send(url, '/', { method: 'GET' })
    await send(url, '/', { method: 'POST', headers: { 'content-length': 0 } })
    const framing = upstream.seen.map(({ headers }) => [headers['content-length'], headers['transfer-encoding']])
    expect(framing).toEqual([
      [undefined, undefined],
      ['0', undefined],
    ])
  })

  it('answers Expect: 100-continue itself and forwards the body without it', async () => {
    const upstream = await startUpstream((res, seen) => res.end(seen.body))
    const { url, port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    client.write(
      `POST / HTTP/1.1\r\nHost: ${new URL(url).host}\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`,
    )
    expect(await client.until('\r\n\r\n')).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    client.write('hello')
    const answer = await client.answer()
    expect([answer.status, answer.body, upstream.only().headers.expect]).toEqual([200, 'hello', undefined])
  })

  it('shows the upstream what the plugins made of method, path, query, headers and body', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        pre: [
          (request) => {
            request.method = 'PUT'
            request.path = '/v2/caf\u00E9'
            request.query.set('b', 'x y')
            request.query.append('c', '3')
          },
        ],
        post: [
          async (request) => {
            request.headers.set('x-seen', await request.text())
            request.headers.append('x-dup', '2')
            request.headers.delete('x-gone')
            request.setBody({ replaced: true })
          },
        ],
      },
    })
    await send(url, '/v1?a=%7e&b=1', {
      method: 'POST',
      body: 'old',
      headers: ['X-Dup', '1', 'X-Gone', '1', 'Content-Length', '3'],
    })
    const { method, target, lines, headers, body } = upstream.only()
    expect([method, target, body.toString()]).toEqual(['PUT', '/v2/caf%C3%A9?a=%7e&b=x+y&c=3', '{"replaced":true}'])
    expect([valuesOf(lines, 'x-seen'), valuesOf(lines, 'x-dup'), valuesOf(lines, 'x-gone')]).toEqual([
      ['old'],
      ['1', '2'],
      [],
    ])
    expect([headers['content-length'], headers['content-type']]).toEqual(['17', 'application/json'])
  })

  it('sends a request to the upstream a plugin chose', async () => {
    const [first, second] = [await startUpstream(), await startUpstream((res) => res.end('second'))]
    const { url } = await mount({
      name: 'a',
      upstream: first.url,
      hooks: { post: [(request) => void (request.upstream = `${second.url}/other`)] },
    })
    const reply = await send(url, '/x?y=1')
    expect([reply.text, second.only().target, second.only().headers.host, first.seen]).toEqual([
      'second',
      '/other/x?y=1',
      new URL(second.url).host,
      [],
    ])
  })

  it('refuses a body above maxBodyBytes, announced or not, before the upstream has all of it', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url, maxBodyBytes: 1000 })
    const announced = await send(url, '/', { method: 'POST', body: 'x'.repeat(1001) })
    const chunked = await send(url, '/', {
      method: 'POST',
      body: Readable.from([Buffer.alloc(600), Buffer.alloc(600)]),
    })
    expect([announced.status, chunked.status, upstream.seen]).toEqual([413, 413, []])
    expect(chunked.text).toBe('{\n    "error": "Request body too large"\n}')
  })

  it('speaks HTTP/1.0 to a client that does', async () => {
    const upstream = await startUpstream((res) => {
      res.write('part one, ')
      res.end('part two')
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const answer = await rawExchange(port, 'GET /x HTTP/1.0\r\n\r\n')
    expect([answer.status, answer.body, valuesOf(answer.lines, 'transfer-encoding')]).toEqual([
      200,
      'part one, part two',
      [],
    ])
  })

  it('shows each answer as it came, whatever plugins have made of one with the same head', async () => {
    const lines = [
      'Content-Length',
      '2',
      'Content-Type',
      'text/plain',
      'X-A',
      'one',
      'X-A',
      'two',
      'X-B',
      'b',
      'X-C',
      'c',
    ]
    const upstream = await startUpstream((res) => {
      res.sendDate = false
      res.writeHead(200, [...lines, 'X-RateLimit-Limit', '7', 'Connection', 'x-own', 'X-Own', 'x']).end('ok')
    })
    const met: string[] = []
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      limits: { rate: 9, per: 60 },
      hooks: {
        response: [
          ({ headers }) => {
            met.push(
              `${headers.getAll('x-a').join()} ${headers.get('x-b')} ${headers.get('x-c')} ${headers.get('content-type')}`,
            )
            headers.append('x-a', `${met.length}`)
            headers.set('x-b', ['p', 'q'])
            headers.set('x-c', `${met.length}`)
            headers.delete('content-type')
          },
        ],
      },
    })
    const got: unknown[] = []
    for (let i = 0; i < 3; i++) {
      const { headers, text } = await send(url, '/')
      got.push([text, ...['x-a', 'x-b', 'x-c', 'x-own', 'x-ratelimit-limit'].map((name) => headers[name])])
    }
    expect(met).toEqual(met.map(() => 'one,two b c text/plain'))
    expect(got).toEqual(['1', '2', '3'].map((one) => ['ok', `one, two, ${one}`, 'p, q', one, undefined, '9']))
  })
})
