import type { GatewayErrorCode } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { open, send } from '../support/client.ts'
import { hosts, type Mounted } from '../support/hosts.ts'
import { RawClient } from '../support/raw-client.ts'
import { deafPort, listen, listenRaw } from '../support/server.ts'

afterEach(closeAll)

const BAD_GATEWAY = '{\n    "error": "Bad Gateway"\n}'

function failures({ gateway }: Mounted): GatewayErrorCode[] {
  const codes: GatewayErrorCode[] = []
  gateway.on('upstreamError', ({ error }) => codes.push(error.code))
  return codes
}

describe.each(hosts)('%s', (_, mount) => {
  it('answers 502 when nobody listens at the upstream', async () => {
    const mounted = await mount({ name: 'a', upstream: `http://127.0.0.1:${await deafPort()}` })
    const codes = failures(mounted)
    const reply = await send(mounted.url, '/', { method: 'POST', body: 'x'.repeat(100_000) })
    expect([reply.status, reply.text, codes]).toEqual([502, BAD_GATEWAY, ['PSTN_UPSTREAM_UNREACHABLE']])
  })

  it('answers 502 when the name of the upstream does not exist', async () => {
    const mounted = await mount({ name: 'a', upstream: 'http://nowhere.invalid' })
    const codes = failures(mounted)
    const reply = await send(mounted.url)
    expect([reply.status, reply.text, codes]).toEqual([502, BAD_GATEWAY, ['PSTN_UPSTREAM_UNREACHABLE']])
  })

  it('answers 504 when the upstream is too slow', async () => {
    const upstream = await listen(() => undefined)
    const mounted = await mount({ name: 'a', upstream: { url: upstream.url, headersTimeoutMs: 50 } })
    const codes = failures(mounted)
    const reply = await send(mounted.url)
    expect([reply.status, reply.text, codes]).toEqual([
      504,
      '{\n    "error": "Gateway Timeout"\n}',
      ['PSTN_UPSTREAM_TIMEOUT'],
    ])
  })

  it('breaks the answer off when the upstream pauses for too long in its body', async () => {
    const upstream = await listen((__, res) => void res.write('half'))
    const mounted = await mount({ name: 'a', upstream: { url: upstream.url, bodyTimeoutMs: 50 } })
    const reply = await send(mounted.url)
    expect([reply.status, reply.text, reply.complete]).toEqual([200, 'half', false])
  })

  it('breaks the answer off when the upstream resets the connection in a body without a length', async () => {
    const upstream = await listenRaw((socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\nhalf')
        // A reset that comes at once may pass for an end.
        setTimeout(() => socket.resetAndDestroy(), 50)
      }),
    )
    const mounted = await mount({ name: 'a', upstream: upstream.url })
    const codes = failures(mounted)
    const reply = await send(mounted.url)
    expect([reply.status, reply.text, reply.complete]).toEqual([200, 'half', false])
    await mounted.gateway.close()
    expect([codes, mounted.gateway.records.list()[0]?.code]).toEqual([['PSTN_UPSTREAM_BROKE'], 'PSTN_UPSTREAM_BROKE'])
  })

  it.each([
    ['closes the connection without an answer', '', 'PSTN_UPSTREAM_UNREACHABLE'],
    ['breaks off in its head', 'HTTP/1.1 200 OK\r\nContent-Le', 'PSTN_UPSTREAM_UNREACHABLE'],
    ['does not speak HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', 'PSTN_UPSTREAM_INVALID'],
    ['answers with status 099', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n', 'PSTN_UPSTREAM_INVALID'],
    [
      'sends a transfer coding with a tab behind it',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n2\r\nxx\r\n0\r\n\r\n',
      'PSTN_UPSTREAM_INVALID',
    ],
    ['answers with status 600', 'HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n', 'PSTN_UPSTREAM_INVALID'],
    [
      'sends two lengths',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
      'PSTN_UPSTREAM_INVALID',
    ],
    [
      'sends a header no HTTP message can carry',
      'HTTP/1.1 200 OK\r\nX-A: a\u0001b\r\nContent-Length: 0\r\n\r\n',
      'PSTN_UPSTREAM_INVALID',
    ],
    ['sends too many headers', `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(20_000)}\r\n`, 'PSTN_UPSTREAM_INVALID'],
  ])('answers 502 when the upstream %s', async (__, bytes, code) => {
    const upstream = await listenRaw((socket) => socket.once('data', () => socket.end(bytes)))
    const mounted = await mount({ name: 'a', upstream: upstream.url })
    const codes = failures(mounted)
    const reply = await send(mounted.url)
    expect([reply.status, reply.text, codes]).toEqual([502, BAD_GATEWAY, [code]])
  })

  it.each(['destroy', 'resetAndDestroy', 'end'] as const)(
    'passes on what an upstream answers before the request body is through, also when it then calls %s()',
    async (how) => {
      const upstream = await listenRaw((socket) => {
        socket.once('data', () =>
          socket.write('HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno', () => socket[how]()),
        )
      })
      const mounted = await mount({ name: 'a', upstream: upstream.url })
      const codes = failures(mounted)
      const client = new RawClient(mounted.port)
      client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n')
      for (let i = 0; i < 100; i += 1) client.write('x'.repeat(100_000))
      const { status, body } = await client.answer()
      expect([status, body, codes]).toEqual([401, 'no', []])
    },
  )

  it('wraps a 502 in XML for a client that sends XML', async () => {
    const mounted = await mount({ name: 'a', upstream: `http://127.0.0.1:${await deafPort()}` })
    failures(mounted)
    const reply = await send(mounted.url, '/', {
      method: 'POST',
      body: '<x/>',
      headers: { 'content-type': 'text/xml' },
    })
    expect([reply.status, reply.text]).toEqual([
      502,
      '<?xml version = "1.0" encoding = "UTF-8"?>\n<error>Bad Gateway</error>\n',
    ])
  })

  it.each([true, false])(
    'does not use a connection again whose upstream has answered and left the body lying (read by a plugin: %s)',
    async (read) => {
      const upstream = await listenRaw((socket) => {
        socket.once('data', () => socket.pause().write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno'))
      })
      const mounted = await mount({
        name: 'a',
        upstream: { url: upstream.url, headersTimeoutMs: 500 },
        hooks: { post: [(request) => (read ? request.bytes().then(() => undefined) : undefined)] },
      })
      // More than the buffers of a connection hold.
      const first = await send(mounted.url, '/', { method: 'POST', body: Buffer.alloc(9_000_000) })
      const second = await send(mounted.url)
      expect([first.status, first.text, second.status, second.text]).toEqual([413, 'no', 413, 'no'])
      expect(upstream.connections()).toBe(2)
    },
  )

  it('does not show response plugins an answer the upstream never gave', async () => {
    let asked = 0
    const mounted = await mount({
      name: 'a',
      upstream: `http://127.0.0.1:${await deafPort()}`,
      hooks: { response: [() => void (asked += 1)] },
    })
    failures(mounted)
    const reply = await send(mounted.url)
    expect([reply.status, asked]).toEqual([502, 0])
  })

  it('serves the next request after an upstream failed in the middle of one', async () => {
    let first = true
    const upstream = await listen((__, res) => {
      if (!first) res.end('fine')
      else {
        first = false
        res.writeHead(200, { 'content-length': 100 }).write('half', () => res.destroy())
      }
    })
    const mounted = await mount({ name: 'a', upstream: upstream.url })
    failures(mounted)
    const broken = await open(mounted.url)
    await new Promise((resolve) => broken.resume().once('close', resolve))
    const next = await send(mounted.url)
    expect([broken.complete, next.status, next.text]).toEqual([false, 200, 'fine'])
  })
})
