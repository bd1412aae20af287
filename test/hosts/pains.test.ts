import type { ServerResponse } from 'node:http'
import { Transform } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { deny, type ResponsePlugin } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { EventReader, open, send } from '../support/client.ts'
import { Flood, FLOOD_BYTES } from '../support/flood.ts'
import { frameworks, hosts } from '../support/hosts.ts'
import { type Line, valuesOf } from '../support/lines.ts'
import { signalled } from '../support/promises.ts'
import { RawClient } from '../support/raw-client.ts'
import { listen, listenRaw } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'
import { messageOf, openWebSocket, webSocketUpstream } from '../support/websocket.ts'

afterEach(closeAll)

/*
 * What users of other proxies for Node have asked and complained about. A number alone is an issue of
 * chimurai/http-proxy-middleware; all others name their project.
 */

const shout = (): Transform =>
  new Transform({ transform: (chunk: Buffer, _, done) => done(null, chunk.toString('latin1').toUpperCase()) })

/** An upstream whose answer is held open; `source` is there when the request has come. */
async function held(type: string): Promise<{ readonly url: string; readonly source: Promise<ServerResponse> }> {
  const asked = signalled<ServerResponse>()
  const { url } = await listen((_req, res) => {
    res.writeHead(200, { 'content-type': type })
    res.flushHeaders()
    asked.signal(res)
  })
  return { url, source: asked.promise }
}

describe.each(hosts)('%s', (_, mount) => {
  it('#371, #35: server-sent events pass a plugin that looks at the head, each before the next one exists', async () => {
    const upstream = await held('text/event-stream')
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [(response) => response.headers.set('x-status', String(response.status))] },
    })
    const res = await open(url)
    const events = new EventReader(res)
    const source = await upstream.source
    for (const n of [1, 2, 3]) {
      source.write(`data: ${n}\n\n`)
      expect(await events.next()).toBe(`data: ${n}`)
    }
    expect([res.headers['x-status'], res.complete]).toEqual(['200', false])
  })

  it('#1101: what a plugin sets on an event stream reaches the client who asks for one', async () => {
    const upstream = await held('text/plain')
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        response: [
          (response, { request }) => {
            if (request.headers.get('accept') !== 'text/event-stream') return
            response.headers.set('content-type', 'text/event-stream; charset=utf-8')
            response.headers.set('cache-control', 'no-cache')
          },
        ],
      },
    })
    const res = await open(url, '/', { headers: { accept: 'text/event-stream' } })
    expect([res.headers['content-type'], res.headers['cache-control']]).toEqual([
      'text/event-stream; charset=utf-8',
      'no-cache',
    ])
  })

  it('node-http-proxy#921: an event stream outlives every timeout that is not about it', async () => {
    const upstream = await held('text/event-stream')
    const { url } = await mount({
      name: 'a',
      upstream: { url: upstream.url, connectTimeoutMs: 100, headersTimeoutMs: 100 },
      requestTimeoutMs: 100,
      bodyTimeoutMs: 100,
      pluginTimeoutMs: 100,
      sendTimeoutMs: 100,
      hooks: { response: [() => undefined] },
    })
    const res = await open(url)
    const events = new EventReader(res)
    const source = await upstream.source
    // Longer than all of them, the sweep of late requests included.
    await wait(700)
    source.end('data: still here\n\n')
    expect([await events.next(), await events.next(), res.complete]).toEqual(['data: still here', undefined, true])
  })

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
  ])('#97, #469, #515: JSON under %s is changed, however long it is', async (coding, encode) => {
    const value = { token: 'old', rows: Array.from({ length: 20_000 }, (__, i) => `row ${i}`) }
    const upstream = await startUpstream((res) =>
      res
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding })
        .end(encode(Buffer.from(JSON.stringify(value)))),
    )
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        response: [async (response) => response.setBody({ ...(await response.json<typeof value>()), token: 'new' })],
      },
    })
    const reply = await send(url)
    expect(JSON.parse(reply.text)).toEqual({ ...value, token: 'new' })
    expect([reply.headers['content-encoding'], reply.headers['content-length']]).toEqual([
      undefined,
      String(reply.body.length),
    ])
  })

  it('#562: a body that is read and put back costs no header', async () => {
    const lines: readonly Line[] = [
      ['Content-Type', 'text/html; charset=UTF-8'],
      ['Cache-Control', 'no-store'],
      ['Location', '/home'],
      ['Set-Cookie', 'a=1; Path=/'],
      ['Set-Cookie', 'b=2; Path=/'],
      ['X-Frame-Options', 'DENY'],
      ['Vary', 'Accept'],
    ]
    const upstream = await startUpstream((res) => res.writeHead(302, lines.flat()).end('<p>hello</p>'))
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [async (response) => response.setBody(await response.text())] },
    })
    const reply = await send(url)
    expect([reply.status, reply.text]).toEqual([302, '<p>hello</p>'])
    for (const [name, value] of lines) expect(valuesOf(reply.lines, name.toLowerCase())).toContain(value)
  })

  it('#364: cookies arrive one on each line', async () => {
    const cookies = ['a=1; Expires=Wed, 21 Oct 2065 07:28:00 GMT', 'b=2', 'c=3']
    const upstream = await startUpstream((res) => res.writeHead(200, { 'set-cookie': cookies }).end())
    const { url } = await mount({ name: 'a', upstream: upstream.url, hooks: { response: [() => undefined] } })
    expect(valuesOf((await send(url)).lines, 'set-cookie')).toEqual(cookies)
  })

  it('#819, express-http-proxy#547: cookies that middleware above has set arrive beside those of the answer', async () => {
    const upstream = await startUpstream((res) => res.writeHead(200, { 'set-cookie': 'web=1' }).end())
    const above = (__: unknown, res: ServerResponse): void => void res.setHeader('Set-Cookie', 'node=1')
    const { url } = await mount({ name: 'a', upstream: upstream.url }, { above })
    expect(valuesOf((await send(url)).lines, 'set-cookie')).toEqual(['node=1', 'web=1'])
  })

  it('#851, express-http-proxy#141: an answer is edited as it flows, its beginning before its end exists', async () => {
    const upstream = await held('text/plain')
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [(response) => response.transform(shout())] },
    })
    const client = new EventReader(await open(url))
    const source = await upstream.source
    source.write('first\n\n')
    expect(await client.next()).toBe('FIRST')
    source.end('last\n\n')
    expect(await client.next()).toBe('LAST')
  })

  it('#929: editing an answer holds no more of it than a slow client leaves', async () => {
    const sent = new Flood()
    const upstream = await listen((__, res) => void sent.pump(res))
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [(response) => response.transform(shout())] },
    })
    const res = await open(url)
    res.pause()
    expect(await sent.stalled()).toBeLessThan(FLOOD_BYTES / 2)
    let received = 0
    for await (const chunk of res) received += (chunk as Buffer).length
    expect(received).toBe(FLOOD_BYTES)
  })

  it('#929: reading an answer that is too large ends with an error that names the setting', async () => {
    const upstream = await startUpstream((res) => res.end(Buffer.alloc(200_000)))
    const { url, gateway } = await mount({
      name: 'a',
      upstream: upstream.url,
      maxBufferedBytes: 100_000,
      hooks: { response: [async (response) => void (await response.bytes())] },
    })
    const messages: string[] = []
    gateway.on('pluginError', ({ error }) => messages.push(error.message))
    expect((await send(url)).status).toBe(500)
    expect(messages).toEqual([expect.stringContaining('larger than 100000 bytes; raise maxBufferedBytes')])
  })

  it('#268, node-http-proxy#1597, node-http-proxy#860: an answer that grows says so', async () => {
    const upstream = await startUpstream((res) =>
      res.writeHead(200, { 'content-type': 'text/html', 'content-length': 7 }).end('<body/>'),
    )
    const longer: ResponsePlugin = async (response) => {
      response.setBody((await response.text()).replace('<body/>', '<body>\u00A9 \u2615</body>'))
    }
    const { url } = await mount({ name: 'a', upstream: upstream.url, hooks: { response: [longer] } })
    const reply = await send(url)
    expect([reply.text, reply.headers['content-length'], reply.complete]).toEqual([
      '<body>\u00A9 \u2615</body>',
      '19',
      true,
    ])
  })

  it('#447: a compressed answer in chunks stays one, with one framing', async () => {
    const body = gzipSync('hello '.repeat(10_000))
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-encoding': 'gzip' }).write(body.subarray(0, 20))
      setImmediate(() => res.end(body.subarray(20)))
    })
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const reply = await send(url)
    const framings = [...valuesOf(reply.lines, 'content-length'), ...valuesOf(reply.lines, 'transfer-encoding')]
    expect([reply.body.equals(body), framings.length]).toEqual([true, 1])
  })

  it('#318, #861, node-http-proxy#490: what an asynchronous plugin sets arrives, on both ways', async () => {
    const upstream = await startUpstream((res) => res.end('ok'))
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        pre: [
          async (request) => {
            await wait(5)
            request.headers.set('authorization', 'Bearer fetched')
          },
        ],
        response: [
          async (response) => {
            await wait(5)
            response.headers.set('x-looked-up', 'yes')
          },
        ],
      },
    })
    const reply = await send(url, '/', { method: 'POST', body: 'x'.repeat(100_000) })
    expect([upstream.only().headers.authorization, upstream.only().body.length, reply.headers['x-looked-up']]).toEqual([
      'Bearer fetched',
      100_000,
      'yes',
    ])
  })

  it('#861: an asynchronous plugin refuses before the upstream is asked', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { pre: [() => wait(5).then(() => deny(403, 'no permit'))] },
    })
    expect([(await send(url)).status, upstream.seen]).toEqual([403, []])
  })

  it('#472, #957, node-http-proxy#1478: plugins set headers of more requests than there are connections', async () => {
    const upstream = await startUpstream((res, { headers }) => void wait(2).then(() => res.end(headers['x-tenant'])))
    const { url } = await mount({
      name: 'a',
      upstream: { url: upstream.url, maxConnections: 2 },
      hooks: {
        pre: [(request) => request.headers.set('x-tenant', request.path)],
        response: [(response, { request }) => response.headers.set('x-path', request.path)],
      },
    })
    const replies = await Promise.all(Array.from({ length: 40 }, (__, i) => send(url, `/${i}`)))
    expect(replies.map(({ text, headers }) => [text, headers['x-path']])).toEqual(
      replies.map((__, i) => [`/${i}`, `/${i}`]),
    )
    expect(upstream.connections()).toBeLessThanOrEqual(2)
  })

  it('#830: an answer with trailers is read and written', async () => {
    const upstream = await listenRaw((socket) =>
      socket.on('data', () =>
        socket.write(
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n',
        ),
      ),
    )
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [async (response) => response.setBody((await response.text()).toUpperCase())] },
    })
    const reply = await send(url)
    expect([reply.text, reply.headers.trailer, reply.headers['content-length']]).toEqual(['HELLO', undefined, '5'])
  })

  it('node-http-proxy#1261, node-http-proxy#1647: a Trailer field ends no process, in requests and in answers', async () => {
    const upstream = await listenRaw((socket) =>
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nTrailer: cookie \r\nContent-Length: 2\r\n\r\nok')),
    )
    const { port } = await mount({ name: 'a', upstream: upstream.url, hooks: { response: [() => undefined] } })
    const client = new RawClient(port)
    for (const trailer of ['x', 'cookie ', '"']) {
      client.write(`GET / HTTP/1.1\r\nHost: a\r\nTrailer: ${trailer}\r\n\r\n`)
      const { status, body } = await client.answer()
      expect([status, body]).toEqual([200, 'ok'])
    }
  })

  it('#782, node-http-proxy#158, node-http-proxy#1586: a client that leaves leaves nothing open behind', async () => {
    const left = signalled()
    const upstream = await listen((__, res) => {
      res.on('close', left.signal)
      res.write('first')
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url, hooks: { response: [() => undefined] } })
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until('first')
    client.socket.destroy()
    await left.promise
    await expect
      .poll(() => new Promise((resolve) => upstream.server.getConnections((__, count) => resolve(count))))
      .toBe(0)
  })

  it('undici#5360: an upstream that closes behind an answer which a slow client still reads ends no process', async () => {
    const body = Buffer.alloc(3_000_000, 'x')
    const upstream = await listenRaw((socket) =>
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`)
        socket.end(body)
      }),
    )
    const { url } = await mount({ name: 'a', upstream: upstream.url, hooks: { response: [() => undefined] } })
    const res = await open(url)
    let received = 0
    for await (const chunk of res) {
      received += (chunk as Buffer).length
      await wait(1)
    }
    expect([received, res.complete]).toEqual([body.length, true])
  })

  it('#108, #113, #909, #954: requests, and gateways, add no listeners to the server', async () => {
    const upstream = await startUpstream()
    const { url, server } = await mount(
      { name: 'a', upstream: upstream.url, hooks: { response: [() => undefined] } },
      { upgrade: true },
    )
    const count = (): number[] => server.eventNames().map((name) => server.listenerCount(name))
    await send(url)
    const before = count()
    for (let i = 0; i < 20; i += 1) await send(url)
    expect(count()).toEqual(before)
  })

  it('#432, #207, #112: a WebSocket may be the first thing that comes', async () => {
    const upstream = await webSocketUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url }, { upgrade: true })
    const webSocket = await openWebSocket(url)
    const answer = messageOf(webSocket)
    webSocket.send('hello')
    expect(await answer).toBe('hello')
  })

  it('node-http-proxy#1403: an asynchronous plugin sets headers of a WebSocket', async () => {
    const upstream = await webSocketUpstream()
    const { url } = await mount(
      {
        name: 'a',
        upstream: upstream.url,
        hooks: {
          pre: [
            async (request) => {
              await wait(5)
              request.headers.set('x-user', 'looked up')
            },
          ],
        },
      },
      { upgrade: true },
    )
    await openWebSocket(url)
    expect(upstream.seen.map(({ lines }) => valuesOf(lines, 'x-user'))).toEqual([['looked up']])
  })
})

describe.each(frameworks)('%s', (_, mount) => {
  it('#40, #177, node-http-proxy#180, #530, #843: a body arrives after a parser above has read it', async () => {
    const upstream = await startUpstream((res, { body }) => res.end(body))
    const { url } = await mount(
      { name: 'a', upstream: upstream.url, hooks: { response: [() => undefined] } },
      { parser: 'json' },
    )
    for (const method of ['POST', 'PUT', 'PATCH']) {
      const body = JSON.stringify({ a: [1, 'caf\u00E9'] })
      const reply = await send(url, '/', { method, body, headers: { 'content-type': 'application/json' } })
      expect([reply.status, reply.text]).toEqual([200, body])
    }
  })

  it('#17, #225, #731: the gateway need not know where it is mounted', async () => {
    const upstream = await startUpstream((res, { target }) => res.end(target))
    const { url } = await mount({ name: 'a', upstream: `${upstream.url}/base` }, { at: '/api' })
    expect((await send(url, '/api/books/123?x=1')).text).toBe('/base/books/123?x=1')
  })
})
