import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { signalled } from '../support/promises.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { valuesOf } from '../support/lines.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { MALFORMED_HTTP } from './catalogue/a.ts'
import { allSaid, expectRefusal, expectRefusalOrSilence, SMUGGLED, statusesIn } from './refusals.ts'

cleanUpAfterAttacks()

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const request = (line: string): Buffer => latin1(`${line}\r\nHost: a\r\n\r\n${SMUGGLED}`)

attack(MALFORMED_HTTP, 'A18', (mount) => {
  it('is matched by its path only, and the host it names is never contacted', async () => {
    const foreign = await strictUpstream()
    const siege = await besiege(mount, { listenPath: '/orders/' })
    for (const [target, path] of [
      [`http://127.0.0.1:${siege.port}/orders/7?a=1`, '/7?a=1'],
      [`http://127.0.0.1:${foreign.port}/orders/7`, '/7'],
      [`HTTP://127.0.0.1:${foreign.port}/orders/7`, '/7'],
      [`https://127.0.0.1:${foreign.port}/orders/7`, '/7'],
      ['http://no-such-host.invalid/orders/7', '/7'],
    ] as const) {
      const { status, body } = await rawExchange(siege.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
      expect([target, status, body]).toEqual([target, 200, `GET ${path}`])
    }
    expect(siege.upstream.seen.flatMap(({ lines }) => valuesOf(lines, 'host'))).toEqual(
      Array.from({ length: 5 }, () => `127.0.0.1:${siege.upstream.port}`),
    )
    expect(foreign.connections()).toBe(0)
    expect(siege.upstream.violations).toEqual([])
  })

  it.each(['http://a', 'http://a?x=1', 'http://a:80'])('has the root as its path: %s', async (target) => {
    const siege = await besiege(mount)
    const { status, body } = await rawExchange(siege.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect([status, body]).toEqual([200, `GET /${target.includes('?') ? '?x=1' : ''}`])
    await siege.unharmed()
  })

  it.each([
    'http://[',
    'http://[::1/',
    'http://u@h/',
    'http://u:p@h/',
    'http://a,b/',
    'http://h:99999/',
    'http:///x',
    'http://',
    'http:/x',
    'ftp://h/x',
    'file:///etc/passwd',
    'x',
  ])('is refused: %s', async (target) => {
    await expectRefusal(await besiege(mount), request(`GET ${target} HTTP/1.1`))
  })
})

attack(MALFORMED_HTTP, 'A19', (mount) => {
  it.each([
    ['CONNECT h:1 HTTP/1.1', [405]],
    ['CONNECT /x HTTP/1.1', [400, 405]],
    ['CONNECT a HTTP/1.1', [400, 405]],
    ['GET a:80 HTTP/1.1', [400]],
    ['GET * HTTP/1.1', [400]],
    ['POST * HTTP/1.1', [400]],
    ['OPTIONS * HTTP/1.1', [404]],
  ])('is refused: %s', async (line, statuses) => {
    await expectRefusal(await besiege(mount), request(line), statuses)
  })

  it('survives a client that resets its connection behind CONNECT', async () => {
    const siege = await besiege(mount)
    for (let i = 0; i < 5; i += 1) {
      const client = new RawClient(siege.port)
      client.write(request('CONNECT h:1 HTTP/1.1'))
      await client.until('\r\n\r\n')
      client.socket.resetAndDestroy()
      await client.closed
    }
    await siege.unharmed()
  })

  it('gives the answer to CONNECT to nobody who waits for another', async () => {
    const cut = signalled()
    const siege = await besiege(mount, { hooks: { pre: [() => cut.promise] } })
    const get = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n'
    const said = await allSaid(siege.port, get, get, 'CONNECT h:1 HTTP/1.1\r\nHost: a\r\n\r\n')
    cut.signal()
    expect(statusesIn(said)).not.toContain(405)
    await siege.gateway.close({ timeoutMs: 60_000 })
    expect(siege.gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([499])
  })

  describe.each([
    ['has no answer yet', '', 499],
    // As for any client that leaves in the middle of an answer.
    ['has half its answer', 'hal', 499],
  ])('ends the connection behind a request that was read and %s, while the client', (_, begun, recorded) => {
    it.each<[string, (socket: Socket) => unknown]>([
      ['waits', () => undefined],
      ['ends its side', (socket) => socket.end()],
      ['hangs up', (socket) => socket.destroy()],
      ['resets', (socket) => socket.resetAndDestroy()],
    ])('%s', async (__, leave) => {
      const whole = wireAnswer('halves')
      const at = whole.indexOf(begun) + begun.length
      const met = signalled()
      const cut = signalled()
      const upstream = await strictUpstream(({ method, target }, socket) => {
        if (target !== '/first') return wireAnswer(`${method} ${target}`)
        socket.write(whole.slice(0, at))
        void cut.promise.then(() => socket.write(whole.slice(at)))
        met.signal()
        return undefined
      })
      const siege = await besiege(mount, {}, { upstream })
      const ended = new Promise((resolve) =>
        siege.server.once('connection', (socket: Socket) => socket.once('close', resolve)),
      )
      const client = new RawClient(siege.port)
      client.write('POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
      await met.promise
      await client.until(begun)
      client.write('CONNECT h:1 HTTP/1.1\r\nHost: a\r\n\r\n')
      await sleep(20)
      leave(client.socket)
      await ended
      await client.closed
      cut.signal()
      await expect.poll(() => siege.gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([recorded])
      expect(client.received).toBe('')
      await siege.unharmed()
    })
  })
})

attack(MALFORMED_HTTP, 'A20', (mount) => {
  it.each([
    'HTTP/2.0',
    'HTTP/3.0',
    'HTTP/1.2',
    'HTTP/1.10',
    'HTTP/1',
    'HTTP/1.',
    'http/1.1',
    'HTTP/0.9',
    'HTTP/01.1',
    'HTP/1.1',
    'HTTP /1.1',
  ])('is refused: %s', async (version) => {
    await expectRefusal(await besiege(mount), request(`GET / ${version}`), [400, 505])
  })

  it.each([
    ['no version', 'GET /\r\n\r\n'],
    ['no version, and a field', 'GET /\r\nHost: a\r\n\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0000\u0000'],
    ['a TLS hello', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00FC\u0003\u0003'],
    ['1 KiB of noise', Array.from({ length: 1_024 }, (_, i) => String.fromCharCode((i * 167 + 13) % 256)).join('')],
    ['1 KiB of NUL', '\u0000'.repeat(1_024)],
    ['1 KiB of letters', 'A'.repeat(1_024)],
  ])('is refused, or the connection closed: %s', async (_, bytes) => {
    await expectRefusalOrSilence(await besiege(mount), latin1(bytes), [400, 505])
  })

  it.each(['HTTP/2.0', 'HTTP/0.9'])('is refused on a server of Node as well: %s', async (version) => {
    const siege = await besiege(mount, {}, { safe: false })
    const said = await allSaid(siege.port, request(`GET / ${version}`))
    expect([400, 505]).toContain(statusesIn(said)[0])
    expect([statusesIn(said).length, siege.upstream.seen]).toEqual([1, []])
  })
})

attack(MALFORMED_HTTP, 'A21', (mount) => {
  it.each(['G(T', 'FROB', 'get', 'GeT', '', 'G\u00C4T', '__proto__', 'constructor', 'TRACE'])(
    'is refused: %j',
    async (method) => {
      await expectRefusal(await besiege(mount), request(`${method} / HTTP/1.1`), [400, 405])
    },
  )

  it('is refused: 64 KiB', async () => {
    await expectRefusal(await besiege(mount), request(`${'A'.repeat(65_536)} / HTTP/1.1`), [400, 431])
  })
})

attack(MALFORMED_HTTP, 'A22', (mount) => {
  const TARGETS = [
    '/a b',
    '/a\u0000b',
    '/a\u007Fb',
    '/a\u00E4b',
    '/a#f',
    '/a\\b',
    '/a%',
    '/a%zz',
    '/a%4',
    '/a%00b',
    '/a?b c',
    '/a?b#c',
    '/a\tb',
    '/a\u0001b',
  ]

  it.each(TARGETS)('is refused: %j', async (target) => {
    await expectRefusal(await besiege(mount), request(`GET ${target} HTTP/1.1`))
  })

  describe('in a query', () => {
    it.each(['/a?b\\c', '/a?b%zz', '/a?%00'])('reaches the upstream as it came, or not at all: %j', async (target) => {
      const siege = await besiege(mount)
      const said = await allSaid(siege.port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      const [status] = statusesIn(said)
      expect([200, 400]).toContain(status)
      expect(siege.upstream.seen.map((seen) => seen.target)).toEqual(status === 200 ? [target] : [])
      await siege.unharmed()
    })
  })
})

attack(MALFORMED_HTTP, 'A23', (mount) => {
  it('passes with 8,000 bytes', async () => {
    const siege = await besiege(mount)
    const target = `/${'a'.repeat(7_999)}`
    const { status, body } = await rawExchange(siege.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect([status, body]).toEqual([200, `GET ${target}`])
    await siege.unharmed()
  })

  it.each([
    ['path', `/${'a'.repeat(100_000)}`],
    ['query', `/?${'a'.repeat(100_000)}`],
  ])('is refused with 100 kB: %s', async (_, target) => {
    await expectRefusal(await besiege(mount), request(`GET ${target} HTTP/1.1`), [414, 431])
  })
})
