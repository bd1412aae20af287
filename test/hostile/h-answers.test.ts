import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Mounted } from '../support/hosts.ts'
import { type RawAnswer, RawClient, rawExchange } from '../support/raw-client.ts'
import { strictUpstream, type StrictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope, type Siege } from './attack.ts'
import { upstreams } from './catalogue/h.ts'

cleanUpAfterAttacks()

const BAD_GATEWAY = envelope('Bad Gateway')
const ask = (port: number, method = 'GET'): Promise<RawAnswer> =>
  rawExchange(port, `${method} /attack HTTP/1.1\r\nHost: a\r\n\r\n`, method)

/** Answers `/attack` with these bytes, or as told, and everything else by the book; counts the connections of the former that ended. */
async function answering(
  answer: string | ((socket: Socket) => unknown),
): Promise<StrictUpstream & { readonly dropped: () => number }> {
  let dropped = 0
  const upstream = await strictUpstream(({ method, target }, socket) => {
    if (target !== '/attack') return wireAnswer(method === 'HEAD' ? '' : `${method} ${target}`)
    socket.once('close', () => (dropped += 1))
    if (typeof answer === 'function') answer(socket)
    else socket.write(answer, 'latin1')
    return undefined
  })
  return { ...upstream, dropped: () => dropped }
}

function codesOf({ gateway }: Mounted): string[] {
  const codes: string[] = []
  gateway.on('upstreamError', ({ error }) => codes.push(error.code))
  return codes
}

/** What a client gets that reads to the end of its connection; `nothing` of it can be a whole answer. */
async function cutShort({ port }: Siege): Promise<string> {
  const client = new RawClient(port)
  client.write('GET /attack HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.closed
  return client.received
}

attack(upstreams, 'H06', (mount) => {
  it.each([
    ['100', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['102', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ['103', 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n'],
    ['199', 'HTTP/1.1 199 Odd\r\n\r\n'],
    ['100, 102, 103, 100', [100, 102, 103, 100].map((status) => `HTTP/1.1 ${status} X\r\nX-A: 1\r\n\r\n`).join('')],
    ['100 a hundred times', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)],
  ])('the interim answer %s is dropped, and the answer passes', async (_, interim) => {
    const upstream = await answering(interim + wireAnswer('the answer'))
    const siege = await besiege(mount, {}, { upstream })
    const { status, body, lines } = await ask(siege.port)
    expect([status, body]).toEqual([200, 'the answer'])
    expect(lines.map(([name]) => name.toLowerCase())).not.toContain('link')
    await siege.unharmed()
    // The connection is as good as any.
    expect(upstream.connections()).toBe(1)
  })

  it.each([
    ['closes the connection', (socket: Socket) => socket.end()],
    ['resets it', (socket: Socket) => socket.resetAndDestroy()],
  ])('an upstream that has begun to answer and %s does not get the request again', async (_, end) => {
    for (const begun of ['HTTP/1.1 103 Early Hints\r\n\r\n', 'HTTP/1.1 1', 'HTTP/1.1 200 OK\r\n']) {
      const upstream = await answering((socket) => socket.write(begun, () => setTimeout(end, 20, socket)))
      const siege = await besiege(mount, {}, { upstream })
      const codes = codesOf(siege)
      expect([(await ask(siege.port)).status, codes]).toEqual([502, ['PSTN_UPSTREAM_UNREACHABLE']])
      expect(upstream.seen.filter(({ target }) => target === '/attack').length).toBe(1)
      await siege.unharmed()
    }
  })

  it('an interim answer and the answer may come in any pieces', async () => {
    const upstream = await answering((socket) => {
      void (async () => {
        for (const piece of `HTTP/1.1 100 Continue\r\n\r\n${wireAnswer('ok')}`.match(/[^]{1,7}/g) ?? []) {
          socket.write(piece)
          await sleep(2)
        }
      })()
    })
    const siege = await besiege(mount, {}, { upstream })
    const { status, body } = await ask(siege.port)
    expect([status, body]).toEqual([200, 'ok'])
    await siege.unharmed()
  })

  it.each(['100 Continue', '103 Early Hints'])('ten thousand times %s is 502', async (interim) => {
    const upstream = await answering(`HTTP/1.1 ${interim}\r\n\r\n`.repeat(10_000))
    const siege = await besiege(mount, {}, { upstream })
    const codes = codesOf(siege)
    const { status, body } = await ask(siege.port)
    expect([status, body, codes]).toEqual([502, BAD_GATEWAY, ['PSTN_UPSTREAM_INVALID']])
    await expect.poll(upstream.dropped).toBe(1)
    await siege.unharmed()
  })

  it.each([
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\ntunnel'],
    ['nothing', 'HTTP/1.1 101 Switching Protocols\r\n\r\ntunnel'],
    ['an answer', `HTTP/1.1 101 Switching Protocols\r\n\r\n${wireAnswer('smuggled')}`],
  ])('a 101 nobody asked for, with %s, is 502 and no tunnel', async (_, bytes) => {
    const upstream = await answering(bytes)
    const siege = await besiege(mount, {}, { upstream })
    const codes = codesOf(siege)
    const client = new RawClient(siege.port)
    client.write('GET /attack HTTP/1.1\r\nHost: a\r\n\r\n')
    const { status, body } = await client.answer()
    expect([status, body, codes]).toEqual([502, BAD_GATEWAY, ['PSTN_UPSTREAM_INVALID']])
    await expect.poll(upstream.dropped).toBe(1)
    // What the client says next is a request like any other.
    client.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.answer()).body).toBe('GET /next')
    await siege.unharmed()
  })
})

attack(upstreams, 'H07', (mount) => {
  it.each([
    ['garbage', 'x'.repeat(100) + '\r\n\r\n'],
    ['NUL bytes', '\0'.repeat(100)],
    ['HTTP/0.9', '<html>the page</html>\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['the settings of HTTP/2', '\0\0\u0006\u0004\0\0\0\0\0\0\u0003\0\0\0d'],
    ['HTTP/2.0 as its version', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['status 99', 'HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['status 099', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['status 600', 'HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['status 1000', 'HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n'],
    ['no status', 'HTTP/1.1\r\nContent-Length: 0\r\n\r\n'],
    ['a status line of 1 MiB', `HTTP/1.1 200 ${'x'.repeat(1_048_576)}\r\nContent-Length: 0\r\n\r\n`],
    ['a status line without end', `HTTP/1.1 200 ${'x'.repeat(1_048_576)}`],
    ['a field of 70 KB', `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(71_680)}\r\nContent-Length: 0\r\n\r\n`],
    ['5,000 fields', `HTTP/1.1 200 OK\r\n${'a:\r\n'.repeat(5_000)}Content-Length: 0\r\n\r\n`],
    ['5,000 interim fields', `HTTP/1.1 103 X\r\n${'X-A: 0123456789\r\n'.repeat(5_000)}\r\n${wireAnswer('ok')}`],
  ])('an answer with %s is 502', async (_, bytes) => {
    const upstream = await answering(bytes)
    const siege = await besiege(mount, {}, { upstream })
    const codes = codesOf(siege)
    const { status, body } = await ask(siege.port)
    expect([status, body, codes]).toEqual([502, BAD_GATEWAY, ['PSTN_UPSTREAM_INVALID']])
    await expect.poll(upstream.dropped).toBe(1)
    await siege.unharmed()
  })
})

attack(upstreams, 'H08', (mount) => {
  const EXTRA: readonly (readonly [what: string, bytes: string])[] = [
    ['one byte', 'x'],
    ['an empty line', '\r\n'],
    ['another answer', wireAnswer('poison')],
    ['an interim answer and another one', `HTTP/1.1 100 Continue\r\n\r\n${wireAnswer('poison')}`],
    ['the beginning of another answer', 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoi'],
  ]
  const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n'
  const FIRST: readonly (readonly [what: string, method: string, bytes: string, body: string])[] = [
    ['a length', 'GET', wireAnswer('first'), 'first'],
    ['chunks', 'GET', CHUNKED, 'first'],
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\n\r\n', ''],
    ['the answer to HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', ''],
  ]
  const rows = EXTRA.flatMap(([extra, poison]) =>
    FIRST.map(([what, method, bytes, body]) => [extra, what, poison, method, bytes, body] as const),
  )

  it.each(rows)('%s behind %s is nobody’s answer', async (_, __, poison, method, bytes, body) => {
    const upstream = await answering(bytes + poison)
    const siege = await besiege(mount, {}, { upstream })
    const first = await ask(siege.port, method)
    expect([Math.floor(first.status / 100) > 1, first.body]).toEqual([true, body])
    await siege.unharmed()
    await sleep(10)
    await siege.unharmed()
    // An empty line is no part of any message, and may be passed over (RFC 9112 2.2).
    const { turn } = upstream.seen.find(({ target }) => target === '/canary-1')!
    expect([0, poison === '\r\n' ? turn : 0]).toContain(turn)
  })

  it.each(EXTRA.filter(([, poison]) => poison !== '\r\n'))(
    '%s that comes later is nobody’s answer',
    async (_, poison) => {
      let late: () => unknown = () => undefined
      const upstream = await answering((socket) => {
        socket.write(wireAnswer('first'))
        late = () => socket.write(poison)
      })
      const siege = await besiege(mount, {}, { upstream })
      expect((await ask(siege.port)).body).toBe('first')
      late()
      await expect.poll(upstream.dropped).toBe(1)
      await siege.unharmed()
    },
  )
})

attack(upstreams, 'H09', (mount) => {
  it.each([
    ['a length that is too long', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', true],
    ['a chunk that is too long', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf', true],
    ['chunks without the last one', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', true],
    ['a last chunk without its end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n', true],
    ['a chunk size that is none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n', false],
    ['a negative chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n-1\r\n', false],
    ['a chunk that is too short', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhalf\r\n', false],
    [
      'a chunk size no number holds',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nfffffffffffffffff\r\n',
      false,
    ],
  ])('an answer with %s is 502 or cut, and never ends cleanly', async (_, bytes, closes) => {
    const upstream = await answering((socket) => {
      if (closes) socket.end(bytes)
      else socket.write(bytes)
    })
    const siege = await besiege(mount, {}, { upstream })
    const codes = codesOf(siege)
    const received = await cutShort(siege)
    // Nothing at all where the end came before the head had left.
    expect(received).toMatch(/^(?:HTTP\/1\.1 200 |$)/)
    expect(received).not.toMatch(/\r\n0\r\n\r\n$/)
    expect(received.length).toBeLessThan(received.indexOf('\r\n\r\n') + 4 + 10)
    await expect.poll(() => codes).toEqual([closes ? 'PSTN_UPSTREAM_BROKE' : 'PSTN_UPSTREAM_INVALID'])
    await siege.unharmed()
  })

  it('an answer with a length that is too short ends there', async () => {
    const upstream = await answering('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalf and more')
    const siege = await besiege(mount, {}, { upstream })
    const { status, body } = await ask(siege.port)
    expect([status, body]).toEqual([200, 'half'])
    await expect.poll(upstream.dropped).toBe(1)
    await siege.unharmed()
  })

  const FRAMINGS = {
    'a length and chunks': 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
    'chunks and a length': 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n',
    'two lengths': 'Content-Length: 5\r\nContent-Length: 6\r\n',
    'one length twice': 'Content-Length: 5\r\nContent-Length: 5\r\n',
    'a list of lengths': 'Content-Length: 5, 5\r\n',
    'a length that is none': 'Content-Length: +5\r\n',
    'chunks in chunks': 'Transfer-Encoding: chunked, chunked\r\n',
    'chunks twice': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
    'another coding': 'Transfer-Encoding: gzip, chunked\r\n',
    'chunks that are not last': 'Transfer-Encoding: chunked, gzip\r\n',
  }
  it.each(Object.entries(FRAMINGS))('an answer with %s is 502', async (_, framing) => {
    const upstream = await answering(`HTTP/1.1 200 OK\r\n${framing}\r\n5\r\nfirst\r\n0\r\n\r\n`)
    const siege = await besiege(mount, {}, { upstream })
    const codes = codesOf(siege)
    const { status, body } = await ask(siege.port)
    expect([status, body, codes]).toEqual([502, BAD_GATEWAY, ['PSTN_UPSTREAM_INVALID']])
    await expect.poll(upstream.dropped).toBe(1)
    await siege.unharmed()
  })
})
