import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import type { Mounted } from '../support/hosts.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { strictUpstream, type StrictUpstream, type WireRequest, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { upstreams } from './catalogue/h.ts'

cleanUpAfterAttacks()

const GET = 'GET /attack HTTP/1.1\r\nHost: a\r\n\r\n'
const HEAD_OF_TEN = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'

/** Misbehaves at `/attack`, answers everything else. */
function misbehaving(at: (socket: Socket, request: WireRequest) => unknown): Promise<StrictUpstream> {
  return strictUpstream((request, socket) => {
    if (request.target !== '/attack') return wireAnswer(`${request.method} ${request.target}`)
    at(socket, request)
    return undefined
  })
}

function codesOf({ gateway }: Mounted): string[] {
  const codes: string[] = []
  gateway.on('upstreamError', ({ error }) => codes.push(error.code))
  return codes
}

attack(upstreams, 'H02', (mount) => {
  // The timers of the client library are a second wide: what can be waited for together is.
  it('an upstream that never answers, or sends its head one byte at a time, is 504 when its time is over', async () => {
    const slowly = [
      '',
      `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(1_000)}\r\n`,
      'HTTP/1.1 102 Processing\r\n\r\n'.repeat(40),
    ]
    const upstream = await misbehaving((socket) => {
      const rest = [...(slowly.shift() ?? '')]
      const timer = setInterval(() => socket.write(rest.shift() ?? ''), 15)
      socket.on('close', () => clearInterval(timer))
    })
    const siege = await besiege(mount, { upstream: { url: upstream.url, headersTimeoutMs: 100 } }, { upstream })
    const codes = codesOf(siege)
    const answers = await Promise.all([1, 2, 3].map(() => rawExchange(siege.port, GET)))
    for (const { status, body } of answers) expect([status, body]).toEqual([504, envelope('Gateway Timeout')])
    // Nothing is sent again after a timeout.
    expect([codes, upstream.seen.length]).toEqual([Array(3).fill('PSTN_UPSTREAM_TIMEOUT'), 3])
    await siege.unharmed()
  })

  it('a body that stalls cuts the connection of the client, however it is framed', async () => {
    const framings = [
      `${HEAD_OF_TEN}half`,
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
      'HTTP/1.1 200 OK\r\n\r\nhalf',
    ]
    const upstream = await misbehaving((socket) => socket.write(framings.shift() ?? ''))
    const siege = await besiege(mount, { upstream: { url: upstream.url, bodyTimeoutMs: 100 } }, { upstream })
    const clients = [1, 2, 3].map(() => new RawClient(siege.port))
    for (const client of clients) client.write(GET)
    for (const client of clients) {
      await client.until('half')
      await client.closed
      expect(client.received).not.toContain('\r\n0\r\n')
    }
    await siege.unharmed()
  })
})

attack(upstreams, 'H03', (mount) => {
  const how = {
    'closes the connection': (socket: Socket) => socket.end(),
    'resets the connection': (socket: Socket) => socket.resetAndDestroy(),
  }
  for (const [what, end] of Object.entries(how)) {
    it.each([
      ['before its answer', ''],
      ['in the status line', 'HTTP/1.'],
      ['in its head', 'HTTP/1.1 200 OK\r\nContent-Le'],
      ['behind an interim answer', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ])(`an upstream that ${what} %s is 502`, async (_, bytes) => {
      const upstream = await misbehaving((socket) => socket.write(bytes, () => end(socket)))
      const siege = await besiege(mount, {}, { upstream })
      const codes = codesOf(siege)
      const answer = await rawExchange(siege.port, GET)
      expect([answer.status, answer.body, codes]).toEqual([502, envelope('Bad Gateway'), ['PSTN_UPSTREAM_UNREACHABLE']])
      await siege.unharmed()
    })

    it.each([
      ['behind its head', HEAD_OF_TEN, ''],
      ['in its body', `${HEAD_OF_TEN}half`, 'half'],
      ['between its chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', 'half'],
    ])(`an upstream that ${what} %s cuts the connection of the client`, async (_, bytes, body) => {
      // Only when the client has what there is does it end: what was on its way must not decide the test.
      let cut: () => unknown = () => undefined
      const upstream = await misbehaving((socket) => {
        socket.write(bytes)
        cut = () => end(socket)
      })
      const siege = await besiege(mount, {}, { upstream })
      const client = new RawClient(siege.port)
      client.write(GET)
      const head = await client.until(`\r\n\r\n`)
      if (body !== '') await client.until(body)
      cut()
      await client.closed
      expect(head).toMatch(/^HTTP\/1\.1 200 /)
      expect(client.received.replace(/^\r\n/, '')).toBe('')
      await siege.unharmed()
    })
  }

  it.each([
    ['with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n'],
    ['that ends with the connection', 'HTTP/1.1 200 OK\r\n\r\nwhole'],
  ])('an answer %s passes when the upstream closes its half behind it', async (_, bytes) => {
    const upstream = await misbehaving((socket) => socket.end(bytes))
    const siege = await besiege(mount, {}, { upstream })
    const { status, body } = await rawExchange(siege.port, GET)
    expect([status, body]).toEqual([200, 'whole'])
    await siege.unharmed()
  })
})

attack(upstreams, 'H04', (mount) => {
  const ENDS = {
    closes: (socket: Socket) => socket.destroy(),
    resets: (socket: Socket) => socket.resetAndDestroy(),
  }

  /** Ends a kept connection when the next request comes in on it. */
  function stale(end: (socket: Socket) => unknown): Promise<StrictUpstream> {
    return strictUpstream(({ method, target, turn }, socket) => {
      if (turn === 0) return wireAnswer(method === 'HEAD' ? '' : `${method} ${target}`)
      end(socket)
      return undefined
    })
  }

  for (const [what, end] of Object.entries(ENDS)) {
    it.each(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'PUT'])(
      `%s without a body is sent again when the upstream ${what} the kept connection`,
      async (method) => {
        const upstream = await stale(end)
        const siege = await besiege(mount, {}, { upstream })
        const codes = codesOf(siege)
        await rawExchange(siege.port, 'GET /before HTTP/1.1\r\nHost: a\r\n\r\n')
        const length = method === 'PUT' ? 'Content-Length: 0\r\n' : ''
        const answer = await rawExchange(siege.port, `${method} /attack HTTP/1.1\r\nHost: a\r\n${length}\r\n`, method)
        expect([answer.status, answer.body, codes]).toEqual([200, method === 'HEAD' ? '' : `${method} /attack`, []])
        const turns = upstream.seen.filter(({ target }) => target === '/attack').map(({ turn }) => turn)
        expect(turns).toEqual([1, 0])
      },
    )

    it.each([
      ['POST', 'body'],
      ['POST', ''],
      ['PATCH', ''],
      ['PUT', 'body'],
      ['DELETE', 'body'],
    ])(`%s with the body %j is not sent again when the upstream ${what} the kept connection`, async (method, body) => {
      const upstream = await stale(end)
      const siege = await besiege(mount, {}, { upstream })
      const codes = codesOf(siege)
      await rawExchange(siege.port, 'GET /before HTTP/1.1\r\nHost: a\r\n\r\n')
      const request = `${method} /attack HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      const answer = await rawExchange(siege.port, request)
      expect([answer.status, answer.body, codes]).toEqual([502, envelope('Bad Gateway'), ['PSTN_UPSTREAM_UNREACHABLE']])
      expect(upstream.seen.filter(({ target }) => target === '/attack').length).toBe(1)
      expect(upstream.violations).toEqual([])
    })
  }

  it('nothing is sent a third time', async () => {
    const upstream = await misbehaving((socket) => socket.destroy())
    const siege = await besiege(mount, {}, { upstream })
    const codes = codesOf(siege)
    const { status } = await rawExchange(siege.port, GET)
    expect([status, upstream.seen.length, codes]).toEqual([502, 2, ['PSTN_UPSTREAM_UNREACHABLE']])
    await siege.unharmed()
  })
})
