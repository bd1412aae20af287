import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { Readable, Transform } from 'node:stream'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { Flood, FLOOD_BYTES } from '../support/flood.ts'
import { closeAll } from '../support/cleanup.ts'
import { EventReader, open, send } from '../support/client.ts'
import { applications, hosts } from '../support/hosts.ts'
import { signalled } from '../support/promises.ts'
import { RawClient } from '../support/raw-client.ts'
import { listen, listenRaw } from '../support/server.ts'

afterEach(closeAll)

function countBytes(req: IncomingMessage, done: (bytes: number) => void): void {
  let bytes = 0
  req.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('end', () => done(bytes))
}

describe.each(hosts)('%s', (_, mount) => {
  it('lets server-sent events through one by one past a response plugin that looks at the head', async () => {
    const stream = signalled<ServerResponse>()
    const upstream = await listen((__, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.flushHeaders()
      stream.signal(res)
    })
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [(response) => response.headers.set('x-hook', response.headers.get('content-type') ?? '')] },
    })
    // The head arrives before the first event exists, and every event before the next one does.
    const res = await open(url)
    const events = new EventReader(res)
    const source = await stream.promise
    for (const n of [1, 2, 3]) {
      source.write(`data: ${n}\n\n`)
      expect(await events.next()).toBe(`data: ${n}`)
    }
    source.end()
    expect([await events.next(), res.complete, res.headers['x-hook']]).toEqual([undefined, true, 'text/event-stream'])
  })

  it('lets events through one by one past a transform', async () => {
    const stream = signalled<ServerResponse>()
    const upstream = await listen((__, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.flushHeaders()
      stream.signal(res)
    })
    const shout = (): Transform =>
      new Transform({ transform: (chunk: Buffer, __, done) => done(null, chunk.toString().toUpperCase()) })
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [(response) => response.transform(shout())] },
    })
    const events = new EventReader(await open(url))
    const source = await stream.promise
    for (const word of ['one', 'two']) {
      source.write(`data: ${word}\n\n`)
      expect(await events.next()).toBe(`DATA: ${word.toUpperCase()}`)
    }
  })

  it('passes an upload on piece by piece while the client is still sending', async () => {
    let arrived = ''
    let wake: () => void = () => undefined
    const upstream = await listen((req, res) => {
      req.on('data', (chunk: Buffer) => {
        arrived += chunk.toString()
        wake()
      })
      req.on('end', () => res.end('done'))
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n')
    for (const piece of ['one', 'two', 'end']) {
      client.write(`3\r\n${piece}\r\n`)
      while (!arrived.endsWith(piece)) await new Promise<void>((resolve) => (wake = resolve))
    }
    client.write('0\r\n\r\n')
    const answer = await client.answer()
    expect([arrived, answer.body]).toEqual(['onetwoend', 'done'])
  })

  it('cancels the upstream when the client leaves before the answer', async () => {
    const [asked, left] = [signalled(), signalled()]
    const upstream = await listen((__, res) => {
      res.on('close', () => left.signal())
      asked.signal()
    })
    const { port, gateway } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await asked.promise
    client.socket.destroy()
    await left.promise
    await expect.poll(() => gateway.records.list().map((record) => record.responseCode)).toEqual([499])
  })

  it('cancels the upstream when the client leaves in the middle of the answer', async () => {
    const left = signalled()
    const upstream = await listen((__, res) => {
      res.on('close', () => left.signal())
      res.write('first')
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until('first')
    client.socket.destroy()
    await left.promise
    expect(upstream.connections()).toBe(1)
  })

  it('cancels the upstream when the client leaves in the middle of its upload', async () => {
    const [arrived, left] = [signalled(), signalled<boolean>()]
    const upstream = await listen((req) => {
      req.on('error', () => undefined)
      req.on('data', () => arrived.signal())
      req.on('close', () => left.signal(req.complete))
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    await arrived.promise
    client.socket.destroy()
    expect(await left.promise).toBe(false)
  })

  it('aborts the signal of a plugin when the client leaves', async () => {
    const [running, aborted] = [signalled(), signalled<string>()]
    const { port } = await mount({
      name: 'a',
      hooks: {
        pre: [
          (__, { signal }) =>
            new Promise<void>((resolve) => {
              signal.addEventListener('abort', () => {
                aborted.signal((signal.reason as Error).message)
                resolve()
              })
              running.signal()
            }),
        ],
      },
    })
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await running.promise
    client.socket.destroy()
    expect(await aborted.promise).toContain('hung up')
  })

  it.each([
    ['a body of known length', 'Content-Length: 100\r\n\r\nhello'],
    ['a chunked body', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
  ])('breaks the answer off, never ends it cleanly, when the upstream dies in %s', async (__, rest) => {
    const [arrived, died] = [signalled(), signalled()]
    const upstream = await listenRaw((socket) =>
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${rest}`)
        void arrived.promise.then(() => {
          socket.destroy()
          died.signal()
        })
      }),
    )
    const { port, gateway } = await mount({ name: 'a', upstream: upstream.url })
    gateway.on('upstreamError', () => undefined)
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const head = await client.until('hello')
    arrived.signal()
    await died.promise
    await client.closed
    // Framed, so that the client can tell; a body that ends with the connection would look whole.
    expect(head).toMatch(/^HTTP\/1.1 200 [^]*\r\n(content-length: 100|transfer-encoding: chunked)\r\n/i)
    // Neither the last chunk nor the missing bytes: only the connection's end.
    expect(client.received.replace(/^\r\n/, '')).toBe('')
  })

  it('frames a body of unknown length so that the next answer can follow on the connection', async () => {
    const half = signalled<ServerResponse>()
    const upstream = await listen((req, res) => {
      if (req.url === '/next') res.end('next')
      else {
        res.write('first half, ')
        half.signal(res)
      }
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    const source = await half.promise
    await client.until('HTTP/1.1 200 OK\r\n')
    source.end('second half')
    const rest = await client.until('\r\n0\r\n\r\n')
    const next = await client.answer()
    expect([rest.includes('first half, '), rest.includes('second half'), next.body]).toEqual([true, true, 'next'])
  })

  it('answers 502, not half an answer, when the upstream dies while a plugin reads its body', async () => {
    const upstream = await listenRaw((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello')),
    )
    const { url, gateway } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [async (response) => void (await response.text())] },
    })
    gateway.on('upstreamError', () => undefined)
    gateway.on('pluginError', () => undefined)
    const reply = await send(url)
    expect([reply.status >= 500, reply.complete, reply.text.includes('hello')]).toEqual([true, true, false])
  })

  it('brings the client an answer the upstream gives before it has the whole upload', async () => {
    const upstream = await listenRaw((socket) => {
      socket.once('data', () =>
        socket.end('HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 6\r\n\r\nenough'),
      )
      // Reads on, so that no reset overtakes the answer (RFC 9112 9.6).
      socket.resume()
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n')
    client.write(Buffer.alloc(300_000))
    // Of the upload, 700,000 bytes are never sent.
    const answer = await client.answer()
    expect([answer.status, answer.body]).toEqual([413, 'enough'])
  })

  it('stays in step with a client that sends the rest of its upload after an early answer', async () => {
    const upstream = await listen((req, res) => {
      if (req.url === '/second') res.end('second')
      else res.writeHead(413).end('enough')
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n')
    client.write(Buffer.alloc(100_000))
    const first = await client.answer()
    client.write(Buffer.alloc(200_000))
    client.write('GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    const second = await client.answer()
    expect([first.status, second.status, second.body]).toEqual([413, 200, 'second'])
  })

  it('takes a large upload right behind early answers, as often as they come', async () => {
    const warnings: string[] = []
    const onWarning = ({ name }: Error): void => void warnings.push(name)
    process.on('warning', onWarning)
    onTestFinished(() => void process.off('warning', onWarning))
    const upstream = await listen((req, res) => {
      if (req.url === '/early') res.writeHead(413).end('enough')
      else countBytes(req, (bytes) => res.end(String(bytes)))
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    for (let i = 0; i < 12; i += 1) {
      client.write('POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 80000\r\n\r\n')
      client.write(Buffer.alloc(70_000))
      expect((await client.answer()).status).toBe(413)
      client.write(Buffer.alloc(10_000))
    }
    client.write('POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n')
    client.write(Buffer.alloc(4_000_000))
    expect((await client.answer()).body).toBe('4000000')
    expect(warnings).toEqual([])
  })

  it('lets an application read an upload it has answered already', async () => {
    const read = signalled<number>()
    const { port } = await mount(
      { name: 'a', hooks: { pre: [() => undefined] } },
      {
        raw: (req, res) => {
          res.end('accepted')
          countBytes(req, read.signal)
        },
      },
    )
    const client = new RawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n')
    expect((await client.answer()).body).toBe('accepted')
    const timer = setInterval(() => client.write(Buffer.alloc(100_000)), 5)
    onTestFinished(() => clearInterval(timer))
    expect(await read.promise).toBe(4_000_000)
  })

  it('does not ask the upstream for a client that leaves before its small body is whole', async () => {
    const upstream = await listen((__, res) => res.end())
    const [arrived, served] = [signalled(), signalled()]
    const { port, gateway } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { pre: [() => arrived.signal()], analytics: [() => served.signal()] },
    })
    const client = new RawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
    await arrived.promise
    client.socket.destroy()
    await served.promise
    expect([gateway.records.list().map((record) => record.responseCode), upstream.connections()]).toEqual([[499], 0])
  })

  it('lets the upstream send no faster than a slow client reads', async () => {
    const sent = new Flood()
    const upstream = await listen((__, res) => void sent.pump(res))
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [(response) => response.headers.set('x-hook', '1')] },
    })
    const res = await open(url)
    res.pause()
    expect(await sent.stalled()).toBeLessThan(FLOOD_BYTES / 2)
    let received = 0
    for await (const chunk of res) received += (chunk as Buffer).length
    expect([received, sent.bytes]).toEqual([FLOOD_BYTES, FLOOD_BYTES])
  })

  it.each([
    ['of known length', (size: number) => `Content-Length: ${size}\r\n`, (body: Buffer) => [body]],
    [
      'in chunks',
      () => 'Transfer-Encoding: chunked\r\n',
      (body: Buffer) => [`${body.length.toString(16)}\r\n`, body, '\r\n0\r\n\r\n'],
    ],
    ['that ends with the connection', () => '', (body: Buffer) => [body]],
  ])(
    'survives an upstream that has closed its connection behind a body %s while the client still reads',
    async (__, framing, framed) => {
      // Some of these end where the parser pauses, which is what matters.
      for (const size of [65_536, 131_072, 1_000_000, 3_000_000]) {
        const closed = signalled()
        const body = Buffer.alloc(size, 'x')
        const upstream = await listenRaw((socket) =>
          socket.once('data', () => {
            socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\n${framing(size)}\r\n`)
            for (const part of framed(body)) socket.write(part)
            socket.end(closed.signal)
          }),
        )
        const { url } = await mount({
          name: 'a',
          upstream: upstream.url,
          hooks: {
            response: [
              // A slow reader, whatever the buffers of the connections hold.
              (response) =>
                response.transform(
                  new Transform({
                    highWaterMark: 1,
                    transform: (chunk, ___, done) => void setTimeout(() => done(null, chunk), 5),
                  }),
                ),
            ],
          },
        })
        const reply = await send(url)
        expect([reply.complete, reply.body.length]).toEqual([true, size])
        await closed.promise
      }
    },
  )

  it('lets a client upload no faster than a slow upstream reads', async () => {
    const arrived = signalled<IncomingMessage>()
    const upstream = await listen((req, res) => {
      req.pause()
      req.once('end', () => res.end('done'))
      arrived.signal(req)
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const sent = new Flood()
    const client = request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      agent: false,
      headers: { 'content-length': FLOOD_BYTES },
    })
    const answered = new Promise<IncomingMessage>((resolve, reject) =>
      client.on('response', resolve).on('error', reject),
    )
    void sent.pump(client)
    const req = await arrived.promise
    expect(await sent.stalled()).toBeLessThan(FLOOD_BYTES / 2)
    req.resume()
    const res = await answered
    expect([res.statusCode, sent.bytes]).toEqual([200, FLOOD_BYTES])
  })
})

describe.each(applications)('%s as the upstream', (_, mount) => {
  it('sends no faster than a slow client reads', async () => {
    const sent = new Flood()
    const { url } = await mount(
      { name: 'a', hooks: { response: [(response) => response.headers.set('x-hook', '1')] } },
      { route: () => ({ body: Readable.from(sent.pieces(), { objectMode: false }) }) },
    )
    const res = await open(url)
    res.pause()
    expect(await sent.stalled()).toBeLessThan(FLOOD_BYTES / 2)
    let received = 0
    for await (const chunk of res) received += (chunk as Buffer).length
    expect([received, sent.bytes]).toEqual([FLOOD_BYTES, FLOOD_BYTES])
  })
})
