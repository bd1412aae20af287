import type { ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { deny } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { EventReader, open, send } from '../support/client.ts'
import { applications, frameworks, hosts } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { signalled } from '../support/promises.ts'
import { RawClient } from '../support/raw-client.ts'
import { readRequest } from '../support/upstream.ts'

afterEach(closeAll)

describe.each(applications)('%s', (name, mount) => {
  it('answers by itself, after the plugins had their look', async () => {
    const order: string[] = []
    const { url } = await mount(
      {
        name: 'a',
        hooks: { pre: [() => void order.push('pre')], post: [() => void order.push('post')] },
        endpoints: { 'GET /x/:id': [(__, { params }) => void order.push(`endpoint ${params['id']}`)] },
      },
      { route: (req) => ({ status: 202, headers: { 'x-url': req.url ?? '' }, body: 'from the host' }) },
    )
    const reply = await send(url, '/x/7?y=1')
    expect([reply.status, reply.headers['x-url'], reply.text, order]).toEqual([
      202,
      '/x/7?y=1',
      'from the host',
      ['pre', 'endpoint 7', 'post'],
    ])
  })

  it('is not asked when a plugin ends the request', async () => {
    let asked = 0
    const { url } = await mount(
      { name: 'a', hooks: { pre: [() => deny(401, 'no')], response: [() => undefined] } },
      { route: () => ({ body: String((asked += 1)) }) },
    )
    const reply = await send(url)
    expect([reply.status, asked]).toEqual([401, 0])
  })

  it('shows response plugins its status, headers and cookies, and sends what they make of the head', async () => {
    const seen: unknown[] = []
    const { url } = await mount(
      {
        name: 'a',
        hooks: {
          response: [
            (response) => {
              seen.push(response.status, response.headers.get('x-host'), response.headers.getSetCookie())
              response.status = 203
              response.headers.set('x-plugin', '1')
              response.headers.delete('x-host')
              response.headers.append('set-cookie', 'c=3')
            },
          ],
        },
      },
      {
        route: () => ({
          status: 201,
          headers: { 'x-host': '1', 'x-kept': 'yes', 'set-cookie': ['a=1', 'b=2'] },
          body: 'body',
        }),
      },
    )
    const reply = await send(url)
    expect(seen).toEqual([201, '1', ['a=1', 'b=2']])
    expect([
      reply.status,
      reply.headers['x-plugin'],
      reply.headers['x-host'],
      reply.headers['x-kept'],
      reply.text,
    ]).toEqual([203, '1', undefined, 'yes', 'body'])
    expect(valuesOf(reply.lines, 'set-cookie')).toEqual(['a=1', 'b=2', 'c=3'])
  })

  it.each([
    ['text', 'text'],
    ['bytes', Buffer.from('bytes')],
    ['nothing', undefined],
  ])('lets response plugins read and replace a body of %s', async (__, body) => {
    const { url } = await mount(
      { name: 'a', hooks: { response: [async (response) => response.setBody({ was: await response.text() })] } },
      {
        route: () => ({
          headers: { 'content-type': 'text/plain', etag: '"e"' },
          ...(body === undefined ? {} : { body }),
        }),
      },
    )
    const reply = await send(url)
    // Koa answers the text of the status where its application says nothing.
    const nothing = name === 'Koa 2' || name === 'Koa 3' ? 'OK' : ''
    expect([reply.text, reply.headers['content-type'], reply.headers['content-length']]).toEqual([
      JSON.stringify({ was: String(body ?? nothing) }),
      'application/json',
      String(reply.text.length),
    ])
    expect(reply.headers.etag).toBe('W/"e"')
  })

  it('lets response plugins read a streamed body and leave it as it is', async () => {
    const seen: string[] = []
    const { url } = await mount(
      { name: 'a', hooks: { response: [async (response) => void seen.push(await response.text())] } },
      {
        route: () => {
          const body = new PassThrough()
          body.write('one ')
          setImmediate(() => body.end('two'))
          return { body }
        },
      },
    )
    const reply = await send(url)
    expect([seen, reply.text, reply.complete]).toEqual([['one two'], 'one two', true])
  })

  it('has its compressed body decoded for plugins and sent as it was', async () => {
    const seen: string[] = []
    const body = gzipSync('compressed')
    const { url } = await mount(
      { name: 'a', hooks: { response: [async (response) => void seen.push(await response.text())] } },
      { route: () => ({ headers: { 'content-encoding': 'gzip' }, body }) },
    )
    const reply = await send(url)
    expect([seen, reply.headers['content-encoding'], reply.body]).toEqual([['compressed'], 'gzip', body])
  })

  it('answers HEAD, 204 and 304 past a response plugin without a body', async () => {
    const { url } = await mount(
      { name: 'a', hooks: { response: [(response) => response.headers.set('x-hook', '1')] } },
      {
        route: (req) =>
          req.url === '/head'
            ? { headers: { 'content-length': '4' }, body: 'body' }
            : { status: Number(req.url?.slice(1)), headers: { etag: '"e"' } },
      },
    )
    const head = await send(url, '/head', { method: 'HEAD' })
    expect([head.status, head.headers['content-length'], head.headers['x-hook'], head.text]).toEqual([
      200,
      '4',
      '1',
      '',
    ])
    for (const status of [204, 304]) {
      const reply = await send(url, `/${status}`)
      expect([
        reply.status,
        reply.headers.etag,
        reply.headers['x-hook'],
        reply.text,
        reply.headers['transfer-encoding'],
      ]).toEqual([status, '"e"', '1', '', undefined])
    }
  })

  it('sees what plugins made of method, path, query and headers', async () => {
    const { url } = await mount(
      {
        name: 'a',
        hooks: {
          pre: [
            (request) => {
              request.method = 'PUT'
              request.path = '/changed'
              request.query.set('b', '2 3')
              request.headers.set('x-set', 'yes')
              request.headers.append('x-dup', '2')
              request.headers.delete('x-gone')
              request.headers.set('cookie', 'c=3')
            },
          ],
        },
      },
      {
        route: (req) => ({
          body: JSON.stringify([
            req.method,
            req.url,
            req.headers['x-set'],
            req.headers['x-dup'],
            req.headers['x-gone'],
            req.headers.cookie,
          ]),
        }),
      },
    )
    const reply = await send(url, '/old?a=%7e&b=1', { headers: ['X-Dup', '1', 'X-Gone', '1', 'Cookie', 'a=1'] })
    expect(JSON.parse(reply.text)).toEqual(['PUT', '/changed?a=%7e&b=2+3', 'yes', '1, 2', null, 'c=3'])
  })

  it('sees the body plugins put in place, with headers that describe it', async () => {
    const { url } = await mount(
      {
        name: 'a',
        hooks: { pre: [async (request) => request.setBody({ was: await request.text() })] },
      },
      {
        route: async (req) => {
          const { headers, body } = await readRequest(req)
          return {
            body: JSON.stringify([
              headers['content-type'],
              headers['content-length'],
              headers['transfer-encoding'],
              body.toString(),
            ]),
          }
        },
      },
    )
    const reply = await send(url, '/', {
      method: 'POST',
      body: 'old',
      headers: { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' },
    })
    expect(JSON.parse(reply.text)).toEqual(['application/json', '13', null, '{"was":"old"}'])
  })

  it.each(['', 'x', 'x'.repeat(300_000)])('still reads a body of its own after a plugin has read it', async (body) => {
    const lengths: number[] = []
    const { url } = await mount(
      { name: 'a', hooks: { pre: [async (request) => void lengths.push((await request.bytes()).length)] } },
      { route: async (req) => ({ body: (await readRequest(req)).body }) },
    )
    const reply = await send(url, '/', { method: 'POST', body })
    expect([lengths, reply.text === body]).toEqual([[body.length], true])
  })

  it('reads the body itself, as a stream, when no plugin does', async () => {
    const { url } = await mount(
      { name: 'a', hooks: { response: [() => undefined] } },
      { route: async (req) => ({ body: String((await readRequest(req)).body.length) }) },
    )
    const reply = await send(url, '/', { method: 'POST', body: Buffer.alloc(500_000) })
    expect(reply.text).toBe('500000')
  })

  it('keeps the connection good for the next request after a plugin has read the body', async () => {
    const { port } = await mount(
      { name: 'a', hooks: { pre: [async (request) => void (await request.text())], response: [() => undefined] } },
      { route: (req) => ({ body: `answer to ${req.url}` }) },
    )
    const client = new RawClient(port)
    client.write(
      'POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    )
    const answers = [await client.answer(), await client.answer()]
    expect(answers.map(({ body }) => body)).toEqual(['answer to /1', 'answer to /2'])
  })

  it('lets its server-sent events through one by one past a response plugin that looks at the head', async () => {
    const source = new PassThrough()
    const { url } = await mount(
      {
        name: 'a',
        hooks: {
          response: [(response) => response.headers.set('x-hook', String(response.headers.get('content-type')))],
        },
      },
      { route: () => ({ headers: { 'content-type': 'text/event-stream' }, body: source }) },
    )
    source.write('data: 0\n\n')
    const res = await open(url)
    const events = new EventReader(res)
    expect(await events.next()).toBe('data: 0')
    for (const n of [1, 2, 3]) {
      source.write(`data: ${n}\n\n`)
      expect(await events.next()).toBe(`data: ${n}`)
    }
    source.end()
    expect([await events.next(), res.complete, res.headers['x-hook']]).toEqual([undefined, true, 'text/event-stream'])
  })

  it('sends the head it flushes, and then each piece it writes, past a response plugin that looks at the head', async () => {
    const answering = signalled<ServerResponse>()
    const { url } = await mount(
      { name: 'a', hooks: { response: [(response) => response.headers.set('x-hook', '1')] } },
      {
        raw: (_req, res) => {
          res.setHeader('content-type', 'text/event-stream')
          res.flushHeaders()
          answering.signal(res)
        },
      },
    )
    const res = await open(url)
    const events = new EventReader(res)
    const source = await answering.promise
    expect([res.headers['content-type'], res.headers['x-hook'], source.headersSent]).toEqual([
      'text/event-stream',
      '1',
      true,
    ])
    for (const n of [1, 2]) {
      source.write(`data: ${n}\n\n`)
      expect(await events.next()).toBe(`data: ${n}`)
    }
    source.end()
    expect([await events.next(), res.complete]).toEqual([undefined, true])
  })

  it('has its answer broken off, never ended cleanly, when it breaks off itself', async () => {
    const { url } = await mount(
      { name: 'a', hooks: { response: [(response) => response.headers.set('x-hook', '1')] } },
      {
        raw: (_req, res) => {
          res.writeHead(200, { 'content-length': 100 })
          res.write('half', () => setImmediate(() => res.destroy()))
        },
      },
    )
    const outcome = await send(url).then(
      (reply) => `complete: ${reply.complete}`,
      () => 'no answer',
    )
    expect(['complete: false', 'no answer']).toContain(outcome)
  })

  it('has its answer buffered only where a plugin reads the body', async () => {
    const source = new PassThrough()
    const { url } = await mount(
      {
        name: 'a',
        hooks: {
          response: [
            async (response, { request }) => {
              if (request.path === '/read') response.setBody((await response.text()).toUpperCase())
            },
          ],
        },
      },
      {
        route: (req) => ({
          headers: { 'content-type': 'text/event-stream' },
          body: req.url === '/read' ? 'read' : source,
        }),
      },
    )
    source.write('data: 1\n\n')
    const events = new EventReader(await open(url, '/flow'))
    expect(await events.next()).toBe('data: 1')
    const read = await send(url, '/read')
    expect(read.text).toBe('READ')
  })

  it('is told when the client leaves in the middle of its answer', async () => {
    const source = new PassThrough()
    const left = signalled()
    const { port } = await mount(
      { name: 'a', hooks: { response: [(response) => response.headers.set('x-hook', '1')] } },
      {
        route: (req) => {
          req.socket.once('close', () => left.signal())
          return { body: source }
        },
      },
    )
    source.write('first')
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.until('first')).toContain('x-hook: 1')
    client.socket.destroy()
    await left.promise
  })

  it('leaves the request exactly as it was when no plugin changes it', async () => {
    const { port } = await mount(
      { name: 'a', hooks: { pre: [(request) => void request.headers.get('x-a')], response: [() => undefined] } },
      { route: (req) => ({ body: JSON.stringify([req.url, req.rawHeaders]) }) },
    )
    const client = new RawClient(port)
    client.write('GET /a?b=%7e&&c HTTP/1.1\r\nHoSt: a\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n')
    const answer = await client.answer()
    expect(JSON.parse(answer.body)).toEqual([
      '/a?b=%7e&&c',
      ['HoSt', 'a', 'X-A', '1', 'x-a', '2', 'Connection', 'close'],
    ])
  })

  it('has what plugins do not see in both of its lists of headers, also where they change others', async () => {
    const { port } = await mount(
      { name: 'a', hooks: { pre: [({ headers }) => headers.set('x-a', headers.get('x_b') ?? 'unseen')] } },
      { route: ({ headers, rawHeaders }) => ({ body: JSON.stringify([headers['x_b'], headers['x-a'], rawHeaders]) }) },
    )
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx_b: 2\r\nConnection: close\r\n\r\n')
    const [hidden, changed, raw] = JSON.parse((await client.answer()).body) as [string, string, string[]]
    expect([hidden, changed]).toEqual(['2', 'unseen'])
    const pairs = raw.flatMap((field, i) => (i % 2 === 0 ? [`${field}: ${raw[i + 1]}`] : []))
    expect(pairs.toSorted()).toEqual(['Connection: close', 'Host: a', 'X-A: unseen', 'x_b: 2'])
  })

  const post = (framing: string): string => `POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`
  it.each([
    ['with the head', [`${post('Content-Length: 5')}hello`]],
    ['behind the head', [post('Content-Length: 5'), 'hello']],
    ['in two pieces', [`${post('Content-Length: 5')}he`, 'llo']],
    ['in chunks', [post('Transfer-Encoding: chunked'), '5\r\nhello\r\n0\r\n\r\n']],
    ['when it is asked for', [post('Content-Length: 5\r\nExpect: 100-continue'), 'hello']],
  ])('gets the body a plugin has made, and no other, where the client sends its own %s', async (_case, pieces) => {
    for (const response of [[], [() => undefined]]) {
      const { port } = await mount(
        {
          name: 'a',
          hooks: {
            pre: [(request) => request.setBody({ made: true })],
            response,
          },
        },
        {
          raw: (req, res) =>
            void readRequest(req).then(({ body }) =>
              res.writeHead(200).end(`${String(req.headers['content-length'])} ${body.toString()}`),
            ),
        },
      )
      const client = new RawClient(port)
      for (const piece of pieces) {
        client.write(piece)
        await sleep(5)
      }
      let answer = await client.answer()
      if (answer.status === 100) answer = await client.answer()
      expect([answer.status, answer.body]).toEqual([200, '13 {"made":true}'])
    }
  })

  it('keeps the connection of a body that was replaced, once the client has sent all of its own', async () => {
    const { port } = await mount(
      {
        name: 'a',
        hooks: {
          pre: [
            (request) => {
              if (request.method === 'POST') request.setBody('made')
            },
          ],
        },
      },
      { raw: (req, res) => void readRequest(req).then(({ body }) => res.writeHead(200).end(body.toString())) },
    )
    const client = new RawClient(port)
    client.write(`${post('Content-Length: 5')}he`)
    expect((await client.answer()).body).toBe('made')
    client.write('lloGET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.answer()).status).toBe(200)
    // Longer than the rest of a body may take.
    await sleep(2_300)
    client.write('GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect((await client.answer()).status).toBe(200)
  })

  it('is told the true length of a body, whatever a plugin says of it', async () => {
    const { port } = await mount(
      { name: 'a', hooks: { pre: [({ headers }) => headers.set('content-length', '1')] } },
      {
        raw: (req, res) =>
          void readRequest(req).then(({ body }) =>
            res.writeHead(200).end(`${String(req.headers['content-length'])} ${body.toString()}`),
          ),
      },
    )
    const client = new RawClient(port)
    client.write(`${post('Content-Length: 5\r\nConnection: close')}hello`)
    expect((await client.answer()).body).toBe('5 hello')
  })

  it.each<[string, (res: ServerResponse) => void]>([
    ['sets headers and ends', (res) => res.setHeader('x-late', '1').end('late')],
    ['writes a head of its own', (res) => res.writeHead(201, { 'x-late': '1' }).end('late')],
    ['takes headers off', (res) => (res.removeHeader('x-powered-by'), res.flushHeaders(), res.end())],
    ['writes piece by piece', (res) => (res.write('late'), res.end('late', () => undefined))],
    ['pipes a stream', (res) => PassThrough.from(['late']).pipe(res)],
    ['destroys the connection', (res) => res.req.socket.destroy()],
  ])('that answers too late harms nobody, where it %s', async (_case, answer) => {
    const late = signalled()
    const done = signalled()
    const { url } = await mount(
      { name: 'a', requestTimeoutMs: 30, hooks: { response: [() => undefined] } },
      {
        raw: (req, res) => {
          if (req.url === '/quick') {
            res.end('quick')
            return
          }
          void late.promise.then(() => {
            answer(res)
            done.signal()
          })
        },
      },
    )
    expect((await send(url, '/slow')).status).toBe(504)
    late.signal()
    await done.promise
    expect((await send(url, '/quick')).text).toBe('quick')
  })

  it('has a limited time where response plugins wait for it; what it answers later reaches nobody', async () => {
    const late = signalled()
    const answered = signalled()
    const { port, url, gateway } = await mount(
      { name: 'a', requestTimeoutMs: 50, hooks: { response: [(response) => response.headers.set('x-hook', '1')] } },
      {
        route: async (req) => {
          if (req.url === '/quick') return { body: 'quick' }
          await late.promise
          setImmediate(() => answered.signal())
          return { body: 'late' }
        },
      },
    )
    const client = new RawClient(port)
    client.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
    const answer = await client.answer()
    expect([answer.status, JSON.parse(answer.body)]).toEqual([504, { error: 'Gateway Timeout' }])
    late.signal()
    await answered.promise
    expect([await client.closed, client.received]).toEqual(['end', ''])
    const next = await send(url, '/quick')
    expect([next.status, next.text, next.headers['x-hook']]).toEqual([200, 'quick', '1'])
    expect(gateway.records.list().map(({ responseCode, code }) => [responseCode, code])).toEqual([
      [504, 'PSTN_REQUEST_TIMEOUT'],
      [200, ''],
    ])
  })

  it('is matched and asked by one spelling of the path', async () => {
    const { url } = await mount(
      { name: 'a', endpoints: { 'GET /admin': [() => deny(403, 'no')] } },
      { route: (req) => ({ body: req.url ?? '' }) },
    )
    const spelt = await send(url, '/%61dmin')
    const dots = await send(url, '/x/../admin')
    const other = await send(url, '/x/../%6fther?q=%61')
    expect([spelt.status, dots.status, other.text]).toEqual([403, 403, '/other?q=%61'])
  })

  it('is left alone where no API listens', async () => {
    const { url, gateway } = await mount(
      {
        name: 'a',
        listenPath: '/api/',
        hooks: { pre: [() => deny(401, 'no')], response: [(response) => response.headers.set('x-hook', '1')] },
      },
      { route: (req) => ({ body: req.url ?? '' }) },
    )
    const [outside, similar, inside] = [
      await send(url, '/%7eother?x'),
      await send(url, '/apis'),
      await send(url, '/api/x'),
    ]
    expect([outside.text, outside.headers['x-hook'], similar.text, inside.status]).toEqual([
      '/%7eother?x',
      undefined,
      '/apis',
      401,
    ])
    expect(gateway.records.list().map((record) => record.originalUrl)).toEqual(['/api/x'])
  })

  it('keeps the listen path in what it sees', async () => {
    const { url } = await mount(
      { name: 'a', listenPath: '/api/', hooks: { pre: [(request) => void (request.path = `/v2${request.path}`)] } },
      { route: (req) => ({ body: req.url ?? '' }) },
    )
    const reply = await send(url, '/api/x?y=1')
    expect(reply.text).toBe('/api/v2/x?y=1')
  })

  it('has an answer too large for a plugin replaced by a 500', async () => {
    const { url, gateway } = await mount(
      { name: 'a', maxBufferedBytes: 100, hooks: { response: [async (response) => void (await response.text())] } },
      { route: () => ({ body: 'secret'.repeat(100) }) },
    )
    gateway.on('pluginError', () => undefined)
    const reply = await send(url)
    expect([reply.status, reply.text]).toEqual([500, '{\n    "error": "Middleware error"\n}'])
  })

  it('is recorded with its status', async () => {
    const { url, gateway } = await mount({ name: 'a' }, { route: () => ({ status: 201, body: 'x' }) })
    await send(url, '/x')
    await expect
      .poll(() => gateway.records.list().map(({ path, responseCode }) => [path, responseCode]))
      .toEqual([['/x', 201]])
  })
})

describe.each(frameworks)('%s without a route of its own', (_, mount) => {
  it('answers its own 404, also to response plugins', async () => {
    const plain = await mount({ name: 'a' })
    const hooked = await mount({
      name: 'a',
      hooks: { response: [(response) => response.headers.set('x-was', String(response.status))] },
    })
    const [first, second] = [await send(plain.url, '/x'), await send(hooked.url, '/x')]
    expect([first.status, second.status, second.headers['x-was'], second.text === first.text]).toEqual([
      404,
      404,
      '404',
      true,
    ])
  })
})

describe.each(hosts.slice(0, 1))('%s with nothing behind the gateway', (_, mount) => {
  it('answers 404 itself, where an API listens and where none does', async () => {
    const { url } = await mount({ name: 'a', listenPath: '/api' })
    const [inside, outside] = [await send(url, '/api/x'), await send(url, '/x')]
    expect([inside.status, inside.text]).toEqual([404, '{\n    "error": "Not Found"\n}'])
    expect([outside.status, outside.text]).toEqual([404, '{\n    "error": "Not Found"\n}'])
  })
})
