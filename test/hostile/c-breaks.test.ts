import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { signalled } from '../support/promises.ts'
import { RawClient } from '../support/raw-client.ts'
import { listenRaw } from '../support/server.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { BODIES_AND_STREAMS } from './catalogue/c.ts'
import { allSaid, statusesIn } from './refusals.ts'

cleanUpAfterAttacks()

const UPLOAD_BYTES = 10_000_000

/** An upstream that counts what it is sent, and answers canaries only. */
async function sink() {
  const ended = signalled()
  let bytes = 0
  let complete = false
  const listening = await listenRaw((socket) => {
    let received = ''
    let length = 0
    socket.on('data', (chunk) => {
      length += chunk.length
      bytes += chunk.length
      if (received.length < 4_096) received += chunk.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      if (received.startsWith('GET /canary') && end !== -1) {
        socket.write(wireAnswer(received.slice(0, received.indexOf(' HTTP'))))
        received = ''
      }
      if (received.startsWith('POST') && end !== -1 && (length >= UPLOAD_BYTES + end || received.endsWith('0\r\n\r\n')))
        complete = true
    })
    socket.on('close', () => {
      if (received.startsWith('POST')) ended.signal()
    })
  })
  return { ...listening, ended: ended.promise, bytes: () => bytes, complete: () => complete }
}

attack(BODIES_AND_STREAMS, 'C03', (mount) => {
  it.each([10, 50, 90].flatMap((share) => [[share, 'with a length'] as const, [share, 'chunked'] as const]))(
    'ends at the upstream as well: after %s percent, %s',
    async (share, how) => {
      const upstream = await sink()
      const { port, gateway } = await mount({ name: 'a', upstream: upstream.url })
      const client = new RawClient(port)
      const whole = Buffer.alloc((UPLOAD_BYTES * share) / 100, 'x')
      const framing = how === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${UPLOAD_BYTES}`
      client.write(`POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`)
      if (how === 'chunked') client.write(`${whole.length.toString(16)}\r\n`)
      client.write(whole)
      while (upstream.bytes() < whole.length) await sleep(2)
      client.socket.resetAndDestroy()
      await upstream.ended
      expect(upstream.complete()).toBe(false)
      // Nothing runs any more, so nothing has to be waited for.
      await gateway.close({ timeoutMs: 60_000 })
      expect(gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([499])
    },
  )
})

attack(BODIES_AND_STREAMS, 'C04', (mount) => {
  const chunkedHead = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  const lengthHead = 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n'
  const end = (socket: Socket): void => void socket.end()
  const reset = (socket: Socket): void => void socket.resetAndDestroy()
  const badChunk = (socket: Socket): void => void socket.write('zz\r\nabc\r\n')

  const upstreamThat = (text: string, breakOff: (socket: Socket) => void) =>
    strictUpstream(({ method, target }, socket) => {
      if (target.startsWith('/canary')) return wireAnswer(`${method} ${target}`)
      socket.write(text)
      setTimeout(() => breakOff(socket), 20)
      return undefined
    })

  it.each([
    ['ends', '', end],
    ['resets', '', reset],
    ['ends in its head', 'HTTP/1.1 200 OK\r\nContent-Le', end],
    ['resets in its head', 'HTTP/1.1 200 OK\r\nContent-Le', reset],
    ['sends no HTTP', '', badChunk],
  ])('gets 502 when the upstream %s before its head', async (_, text, breakOff) => {
    const siege = await besiege(mount, {}, { upstream: await upstreamThat(text, breakOff) })
    const said = await allSaid(siege.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect([statusesIn(said), said.endsWith('{\n    "error": "Bad Gateway"\n}')]).toEqual([[502], true])
    await siege.unharmed()
  })

  const bodies = [
    ['no bytes', ''],
    ['one byte', 'x'],
    ['many bytes', 'x'.repeat(50_000)],
  ] as const
  const asChunk = (body: string): string => (body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`)

  it.each(
    bodies.flatMap(
      ([much, body]) =>
        [
          [`ends after ${much} of a length`, lengthHead + body, end, body],
          [`resets after ${much} of a length`, lengthHead + body, reset, body],
          [`ends after ${much} in chunks`, chunkedHead + asChunk(body), end, body],
          [`resets after ${much} in chunks`, chunkedHead + asChunk(body), reset, body],
          [`breaks its chunks after ${much}`, chunkedHead + asChunk(body), badChunk, body],
        ] as const,
    ),
  )('is cut when the upstream %s', async (_, text, breakOff, body) => {
    const siege = await besiege(mount, {}, { upstream: await upstreamThat(text, breakOff) })
    const client = new RawClient(siege.port)
    const start = performance.now()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.closed
    // Generous beside the 20 ms of this upstream: it did not wait for a timeout.
    expect(performance.now() - start).toBeLessThan(2_000)
    expect(client.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(client.received).not.toContain('\r\n0\r\n\r\n')
    const received = client.received.slice(client.received.indexOf('\r\n\r\n') + 4)
    expect(received.split('x').length - 1).toBeLessThanOrEqual(body.length)
    expect(/content-length: 100000|transfer-encoding: chunked/i.test(client.received)).toBe(true)
    await siege.unharmed()
  })
})

attack(BODIES_AND_STREAMS, 'C05', (mount) => {
  /** Answers as soon as it has the head of a POST, and goes on reading. */
  const earlyUpstream = async (answer: string, then: 'closes' | 'stays open') => {
    const reused: string[] = []
    const listening = await listenRaw((socket) => {
      let answered = false
      socket.on('data', (chunk) => {
        const text = chunk.toString('latin1')
        const request = /(?:^|\n)((?:GET|POST) \S+) HTTP/.exec(text)?.[1]
        if (answered) {
          if (request?.startsWith('GET') === true) reused.push(request)
          return
        }
        if (request === undefined) return
        if (request.startsWith('POST')) {
          answered = true
          socket.write(answer)
          if (then === 'closes') setImmediate(() => socket.end())
        } else socket.write(wireAnswer(request))
      })
    })
    return { ...listening, reused }
  }

  it.each(
    [
      ['401 Unauthorized', 401],
      ['413 Content Too Large', 413],
    ].flatMap(([line, status]) => (['closes', 'stays open'] as const).map((then) => [line, then, status] as const)),
  )('brings the client %s of an upstream that %s', async (line, then, status) => {
    const upstream = await earlyUpstream(wireAnswer('early', String(line)), then)
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n')
    const piece = Buffer.alloc(16_384, 'x')
    let sent = 0
    const timer = setInterval(() => {
      if (!client.socket.writable) return
      sent += piece.length
      client.write(piece)
    }, 1)
    const answer = await client.answer()
    expect([answer.status, answer.body]).toEqual([status, 'early'])
    await client.closed
    clearInterval(timer)
    // The rest is thrown away up to 1 MiB; the buffers of both sockets come on top.
    expect(sent).toBeLessThan(20 * 1_048_576)
    for (const target of ['/canary-1', '/canary-2']) {
      const canary = new RawClient(port)
      canary.write(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
      expect((await canary.answer()).body).toBe(`GET ${target}`)
      canary.socket.destroy()
    }
    expect(upstream.reused).toEqual([])
  })

  it('keeps in step with a client that sends the rest of a small upload', async () => {
    const upstream = await earlyUpstream(wireAnswer('early', '401 Unauthorized'), 'stays open')
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    const client = new RawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\nx')
    expect((await client.answer()).status).toBe(401)
    client.write(`${'x'.repeat(199_999)}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect((await client.answer()).body).toBe('GET /next')
    expect(upstream.reused).toEqual([])
  })
})
