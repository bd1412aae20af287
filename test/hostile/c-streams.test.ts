import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGunzip, createGzip, constants } from 'node:zlib'
import type { ResponsePlugin } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { EventReader, open } from '../support/client.ts'
import { signalled } from '../support/promises.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { BODIES_AND_STREAMS } from './catalogue/c.ts'

cleanUpAfterAttacks()

// 1 GB each way would take minutes on five hosts; what is held is compared with what has gone through, not with a clock.
const BYTES = 64 * 1_048_576
const PIECE = Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 31 + (i >> 8)) % 251))
/** Buffers of four sockets on the loopback interface, which may each be some MiB, and ours. */
const UNDER_WAY = 32 * 1_048_576

const digest = (): { readonly bytes: number; add(chunk: Buffer): void; hex(): string } => {
  const hash = createHash('sha256')
  let bytes = 0
  return {
    get bytes() {
      return bytes
    },
    add: (chunk) => {
      bytes += chunk.length
      hash.update(chunk)
    },
    hex: () => hash.digest('hex'),
  }
}

const EXPECTED = (() => {
  const whole = digest()
  while (whole.bytes < BYTES) whole.add(PIECE)
  return whole.hex()
})()

/** Writes the whole, as fast as the socket takes it, and counts. */
async function pump(to: NodeJS.WritableStream, count: (bytes: number) => void): Promise<void> {
  for (let sent = 0; sent < BYTES; sent += PIECE.length) {
    count(PIECE.length)
    if (!to.write(PIECE)) await drained(to)
  }
}

/** Resolves when there is room again, or never will be. */
function drained(stream: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    const onRoom = (): void => {
      stream.off('drain', onRoom).off('close', onRoom)
      resolve()
    }
    stream.on('drain', onRoom).on('close', onRoom)
  })
}

attack(BODIES_AND_STREAMS, 'C06', (mount) => {
  /** An upstream that sends the large body to GET, digests that of PUT, and does both for POST. */
  const largeUpstream = () => {
    const sent = { bytes: 0 }
    const received = digest()
    const server = listen((req, res) => {
      const up = req.method !== 'GET'
      const down = req.method !== 'PUT'
      const uploaded = new Promise<void>((resolve) => {
        req.on('data', (chunk: Buffer) => up && received.add(chunk)).on('end', resolve)
      })
      if (down) {
        // Without a length: an answer that is whole before the upload would end that.
        res.flushHeaders()
        void pump(res, (bytes) => (sent.bytes += bytes)).then(() => uploaded.then(() => res.end()))
      } else void uploaded.then(() => res.end('taken'))
    })
    return server.then((listening) => ({ ...listening, sent, received }))
  }

  it.each(['GET', 'PUT', 'POST'])('keeps every byte and holds next to none: %s', async (method) => {
    const upstream = await largeUpstream()
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    const down = digest()
    let uploaded = 0
    let most = 0
    const watch = (): void => {
      if (method !== 'PUT') most = Math.max(most, upstream.sent.bytes - down.bytes)
      if (method !== 'GET') most = Math.max(most, uploaded - upstream.received.bytes)
    }
    client.socket.removeAllListeners('data')
    let head = ''
    client.socket.on('data', (chunk) => {
      let rest = chunk
      if (!head.includes('\r\n\r\n')) {
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end === -1) return
        rest = chunk.subarray(chunk.length - (head.length - end - 4))
      }
      down.add(rest)
      watch()
      // Slower than the upstream sends.
      if (method !== 'PUT' && down.bytes % 4 === 0) {
        client.socket.pause()
        setImmediate(() => client.socket.resume())
      }
    })
    // In HTTP/1.0, so that the answer is neither chunked nor kept open.
    client.write(`${method} / HTTP/1.0\r\nHost: a\r\n${method === 'GET' ? '' : `Content-Length: ${BYTES}\r\n`}\r\n`)
    if (method !== 'GET') {
      await pump(client.socket, (bytes) => {
        uploaded += bytes
        watch()
      })
    }
    await client.closed
    expect(most).toBeLessThan(UNDER_WAY)
    const whole = [method !== 'PUT' && down.hex(), method !== 'GET' && upstream.received.hex()]
    expect(whole).toEqual([method !== 'PUT' && EXPECTED, method !== 'GET' && EXPECTED])
  })
})

attack(BODIES_AND_STREAMS, 'C07', (mount) => {
  const flooding = async () => {
    const sent = { bytes: 0 }
    const upstream = await listen((_, res) => {
      res.writeHead(200, { 'content-length': BYTES })
      void pump(res, (bytes) => (sent.bytes += bytes)).then(() => res.end())
    })
    return { upstream, sent }
  }

  it('pauses the upstream while the client reads nothing, and loses nothing', async () => {
    const { upstream, sent } = await flooding()
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const res = await open(url)
    let [before, still] = [-1, 0]
    while (still < 5) {
      await sleep(30)
      still = sent.bytes === before ? still + 1 : 0
      before = sent.bytes
    }
    expect(sent.bytes).toBeLessThan(UNDER_WAY)
    const down = digest()
    for await (const chunk of res) down.add(chunk as Buffer)
    expect([down.bytes, down.hex()]).toEqual([BYTES, EXPECTED])
  })

  it('is cut when it reads nothing for longer than sendTimeoutMs', async () => {
    const { upstream } = await flooding()
    const { port, gateway } = await mount({ name: 'a', upstream: upstream.url, sendTimeoutMs: 150 })
    const client = new RawClient(port)
    client.socket.pause()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await sleep(400)
    client.socket.resume()
    await client.closed
    expect(client.received.length).toBeLessThan(BYTES)
    await gateway.close({ timeoutMs: 60_000 })
    expect(gateway.records.list().map(({ responseCode, code }) => [responseCode, code])).toEqual([
      [200, 'PSTN_CLIENT_STALLED'],
    ])
  })
})

attack(BODIES_AND_STREAMS, 'C08', (mount) => {
  describe.each([
    ['plain', false],
    ['gzipped', true],
  ])('%s', (_, gzipped) => {
    it('reaches the client event by event', async () => {
      const events = Array.from({ length: 10 }, () => signalled<undefined>())
      const upstream = await listen((__, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream', ...(gzipped && { 'content-encoding': 'gzip' }) })
        res.flushHeaders()
        const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH })
        if (gzipped) gzip.pipe(res)
        const to = gzipped ? gzip : res
        void (async () => {
          for (const [i, event] of events.entries()) {
            await event.promise
            to.write(`data: ${i}\n\n`)
          }
          to.end()
        })()
      })
      const { url } = await mount({
        name: 'a',
        upstream: { url: upstream.url, bodyTimeoutMs: 5_000 },
        hooks: { response: [({ headers }) => headers.set('x-seen', 'yes')] },
      })
      const res = await open(url, '/', { headers: { 'accept-encoding': 'gzip' } })
      expect([res.headers['x-seen'], res.headers['content-encoding']]).toEqual(['yes', gzipped ? 'gzip' : undefined])
      const reader = new EventReader((gzipped ? res.pipe(createGunzip()) : res) as typeof res)
      for (const [i, event] of events.entries()) {
        // The next one is sent only when this one has arrived.
        event.signal(undefined)
        expect(await reader.next()).toBe(`data: ${i}`)
        if (i === 5) await sleep(150)
      }
      expect(await reader.next()).toBeUndefined()
    })
  })
})

attack(BODIES_AND_STREAMS, 'C13', (mount) => {
  const answering = (write: (socket: Socket) => void) =>
    strictUpstream(({ method, target }, socket) => {
      if (target.startsWith('/canary')) return wireAnswer(`${method} ${target}`)
      write(socket)
      return undefined
    })
  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

  it.each(['HTTP/1.0', 'HTTP/1.1'])('gets the whole body of an upstream of %s without a length', async (version) => {
    const upstream = await answering((socket) => {
      socket.write(`${version} 200 OK\r\nConnection: close\r\n\r\nabc`)
      setTimeout(() => socket.end('def'), 30)
    })
    const siege = await besiege(mount, {}, { upstream })
    const { status, body } = await rawExchange(siege.port, GET)
    expect([status, body]).toEqual([200, 'abcdef'])
    await siege.unharmed()
  })

  it('gets the whole body of an upstream that drips', async () => {
    const text = 'drop by drop'
    const upstream = await answering((socket) => {
      void (async () => {
        for (const byte of wireAnswer(text)) {
          socket.write(byte)
          await sleep(5)
        }
      })()
    })
    const siege = await besiege(mount, {}, { upstream })
    const { status, body } = await rawExchange(siege.port, GET)
    expect([status, body]).toEqual([200, text])
    await siege.unharmed()
  })

  it.each([
    ['103', 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n'],
    ['100', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['102', 'HTTP/1.1 102 Processing\r\n\r\n'],
    [
      '102 and two of 103',
      `HTTP/1.1 102 Processing\r\n\r\n${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(2)}`,
    ],
  ])('never takes an interim answer for the answer: %s', async (_, interim) => {
    for (const pause of [0, 10]) {
      const upstream = await answering((socket) => {
        socket.write(interim)
        setTimeout(() => socket.write(wireAnswer('the answer')), pause)
      })
      const siege = await besiege(mount, {}, { upstream })
      const client = new RawClient(siege.port)
      client.write(GET)
      let answer = await client.answer()
      while (answer.status < 200) answer = await client.answer()
      expect([answer.status, answer.body, client.received]).toEqual([200, 'the answer', ''])
      await siege.unharmed()
    }
  })
})

attack(BODIES_AND_STREAMS, 'C15', (mount) => {
  const body = 'x'.repeat(4_000_000)

  it.each([
    ['of known length', `Content-Length: ${body.length}\r\n\r\n${body}`],
    ['in chunks', `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`],
    ['up to its end', `\r\n${body}`],
  ])('an answer %s arrives whole', async (_, rest) => {
    const closed = signalled()
    const upstream = await strictUpstream(({ method, target }, socket) => {
      if (target !== '/attack') return wireAnswer(`${method} ${target}`)
      socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n')
      socket.end(rest, closed.signal)
      return undefined
    })
    const looking: ResponsePlugin = ({ headers }) => headers.set('x-looked', '1')
    const siege = await besiege(mount, { hooks: { response: [looking] } }, { upstream })
    const res = await open(`http://127.0.0.1:${siege.port}`, '/attack')
    let received = 0
    for await (const chunk of res) {
      received += (chunk as Buffer).length
      await sleep(1)
    }
    expect([received, res.complete]).toEqual([body.length, true])
    await closed.promise
    await siege.unharmed()
  })
})
