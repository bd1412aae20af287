import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts } from '../support/hosts.ts'
import { valuesOf, without } from '../support/lines.ts'
import { rawExchange } from '../support/raw-client.ts'
import { listenRaw } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

describe.each(hosts)('%s', (_, mount) => {
  it('keeps what belongs to the connection of the client from the upstream', async () => {
    const upstream = await startUpstream()
    const { port } = await mount({ name: 'a', upstream: upstream.url })
    await rawExchange(
      port,
      [
        'GET / HTTP/1.1',
        'Host: a.example',
        'Connection: close, X-Secret',
        'connection: x-other , te',
        'X-Secret: 1',
        'x-OTHER: 2',
        'Keep-Alive: timeout=99',
        'Proxy-Connection: keep-alive',
        'Proxy-Authorization: Basic abc',
        'TE: trailers',
        'Trailer: X-Sum',
        'Upgrade: h2c',
        'HTTP2-Settings: abc',
        'X-Kept: 3',
        '\r\n',
      ].join('\r\n'),
    )
    const names = without(
      upstream.only().lines,
      'host',
      'connection',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'cdn-loop',
    )
    expect(names).toEqual([['X-Kept', '3']])
    expect(valuesOf(upstream.only().lines, 'connection')).toEqual(['keep-alive'])
  })

  it('does not let Connection nominate away the host, the length or what the gateway adds', async () => {
    const upstream = await startUpstream()
    const { port } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { pre: [(request) => request.headers.set('x-user', 'ann')] },
    })
    await rawExchange(
      port,
      'POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close, host, content-length, x-forwarded-for, x-user\r\nContent-Length: 5\r\nX-User: eve\r\n\r\nhello',
    )
    const { headers, body } = upstream.only()
    expect([headers.host, headers['x-forwarded-for'], headers['x-user'], body.toString()]).toEqual([
      new URL(upstream.url).host,
      '127.0.0.1',
      'ann',
      'hello',
    ])
  })

  it('keeps what belongs to the connection of the upstream from the client', async () => {
    const upstream = await listenRaw((socket) =>
      socket.once('data', () =>
        socket.end(
          'HTTP/1.1 200 OK\r\nConnection: close, X-Internal\r\nX-Internal: secret\r\nKeep-Alive: timeout=99\r\nProxy-Authenticate: Basic\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\nX-Kept: 1\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n',
        ),
      ),
    )
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const reply = await send(url)
    const leaked = ['x-internal', 'proxy-authenticate', 'proxy-connection', 'upgrade', 'trailer', 'x-sum'].filter(
      (name) => name in reply.headers,
    )
    expect([reply.status, reply.text, reply.headers['x-kept'], leaked]).toEqual([200, 'hello', '1', []])
    expect(reply.headers['keep-alive']).not.toBe('timeout=99')
  })

  it('does not let an upstream nominate away the length of its answer', async () => {
    const upstream = await listenRaw((socket) =>
      socket.once('data', () =>
        socket.end('HTTP/1.1 200 OK\r\nConnection: close, content-length\r\nContent-Length: 5\r\n\r\nhello'),
      ),
    )
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const reply = await send(url)
    expect([reply.text, reply.complete]).toEqual(['hello', true])
  })

  it('reads an upstream body that ends with the connection', async () => {
    const upstream = await listenRaw((socket) => socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nhello')))
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const reply = await send(url)
    expect([reply.status, reply.text, reply.complete]).toEqual([200, 'hello', true])
  })

  it('waits for the answer behind informational ones', async () => {
    const upstream = await listenRaw((socket) =>
      socket.once('data', () =>
        socket.end(
          'HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello',
        ),
      ),
    )
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const reply = await send(url)
    expect([reply.status, reply.text]).toEqual([200, 'hello'])
  })
})
