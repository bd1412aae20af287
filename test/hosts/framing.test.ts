import { createServer } from 'node:https'
import type { ServerResponse } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type ApiDefinitionInput, respond } from '@postern/core'
import { createGateway } from '@postern/express'
import express4 from 'express4'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { applications, hosts } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { settled } from '../support/process.ts'
import { type RawAnswer, RawClient } from '../support/raw-client.ts'
import { listen, listenRaw } from '../support/server.ts'
import { SELF_SIGNED } from '../support/tls.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

/*
 * Where an answer ends is for the gateway to say: not for a plugin, a forwarder, an upstream or a middleware, which may
 * say something that is not true of the bytes that follow.
 */

const MIDDLEWARE_ERROR = '{\n    "error": "Middleware error"\n}'

/** Two requests at once on one connection: an answer with the wrong length runs into the other. */
async function twice(port: number, target = '/', method = 'GET'): Promise<RawAnswer[]> {
  const client = new RawClient(port)
  const request = `${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`
  client.write(request + request)
  const answers = [await client.answer(method), await client.answer(method)]
  await settled()
  expect(client.received, 'nothing belongs to no answer').toBe('')
  return answers
}

describe.each(hosts)('%s', (_, mount) => {
  it.each(['10', '1', 'x'])('sends the true length of a Response that claims %s', async (length) => {
    const response = (): Response => new Response('abc', { headers: { 'content-length': length } })
    const upstream = await startUpstream()
    for (const definition of [
      { name: 'a', hooks: { pre: [response] } },
      { name: 'a', upstream: upstream.url, hooks: { response: [response] } },
    ] satisfies ApiDefinitionInput[]) {
      const { port } = await mount(definition)
      const answers = await twice(port)
      expect(answers.map(({ status, body }) => [status, body])).toEqual([
        [200, 'abc'],
        [200, 'abc'],
      ])
    }
  })

  it('sends the true length of a Response that a forwarder brings', async () => {
    const { port } = await mount(
      { name: 'a' },
      { options: { forward: () => new Response('abc', { headers: { 'content-length': '10' } }) } },
    )
    expect((await twice(port)).map(({ body }) => body)).toEqual(['abc', 'abc'])
  })

  it.each([
    ['no response plugin', []],
    ['a response plugin', [() => undefined]],
  ])('ends a 205 of the upstream that claims a length, with %s', async (__, response) => {
    const upstream = await listenRaw((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello'))
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url, hooks: { response } })
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    const { status, body, lines } = await client.answer()
    expect([status, body, valuesOf(lines, 'content-length').includes('5')]).toEqual([205, '', false])
    expect([await client.closed, client.received]).toEqual(['end', ''])
  })

  it('passes on nothing of the connection a fetch forwarder had', async () => {
    const upstream = await listenRaw((socket) => {
      socket.on('data', () =>
        socket.write(
          [
            'HTTP/1.1 200 OK',
            'Connection: keep-alive, x-hop',
            'Keep-Alive: timeout=99',
            'X-Hop: 1',
            'Proxy-Connection: keep-alive',
            'Upgrade: h2c',
            'Trailer: x-end',
            'X-Kept: 1',
            'Transfer-Encoding: chunked',
            '',
            '4',
            'body',
            '0',
            '',
            '',
          ].join('\r\n'),
        ),
      )
    })
    const { port } = await mount({ name: 'a' }, { options: { forward: () => fetch(upstream.url) } })
    for (const { status, lines, body } of await twice(port)) {
      expect([status, body, valuesOf(lines, 'x-kept')]).toEqual([200, 'body', ['1']])
      for (const name of ['x-hop', 'proxy-connection', 'upgrade', 'trailer']) expect(valuesOf(lines, name)).toEqual([])
      expect(valuesOf(lines, 'keep-alive')).not.toContain('timeout=99')
      expect(valuesOf(lines, 'connection')).not.toContain('keep-alive, x-hop')
    }
  })

  it.each<[string, () => object]>([
    ['URLSearchParams', () => new URLSearchParams('secret=1')],
    ['a promise', () => Promise.resolve({ secret: 1 })],
    ['a stream', () => Readable.from(['secret'])],
    ['a Map', () => new Map([['secret', 1]])],
    ['a Set', () => new Set(['secret'])],
    ['an Error', () => new Error('secret')],
    ['a Response', () => new Response('secret')],
    ['a ReadableStream', () => new Response('secret').body!],
    ['an ArrayBuffer', () => new ArrayBuffer(6)],
    ['a Blob', () => new Blob(['secret'])],
    ['Headers', () => new Headers({ secret: '1' })],
  ])('answers 500 rather than send %s as JSON', async (__, body) => {
    const upstream = await startUpstream((res) => res.end('secret'))
    for (const definition of [
      { name: 'a', hooks: { pre: [() => respond(200, body())] } },
      { name: 'a', upstream: upstream.url, hooks: { response: [() => respond(200, body())] } },
    ] satisfies ApiDefinitionInput[]) {
      const { url, gateway } = await mount(definition)
      const codes: string[] = []
      gateway.on('pluginError', ({ error }) => codes.push(error.code))
      const reply = await send(url)
      expect([reply.status, reply.text, codes]).toEqual([500, MIDDLEWARE_ERROR, ['PSTN_VALUE_INVALID']])
    }
  })

  it('passes a body nobody reads on, however small maxBufferedBytes is', async () => {
    const upstream = await startUpstream((res, seen) => res.end(seen.body))
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      maxBufferedBytes: 4,
      hooks: { pre: [() => undefined], response: [() => undefined] },
    })
    const reply = await send(url, '/', { method: 'POST', body: '1234567890' })
    expect([reply.status, reply.text]).toEqual([200, '1234567890'])
  })

  it.each([
    ['without a length', {}],
    ['with the length 0', { 'content-length': '0' }],
  ])('sends an empty compressed answer %s through a transform as an empty one', async (__, headers) => {
    const upstream = await startUpstream((res) => res.writeHead(200, { 'content-encoding': 'gzip', ...headers }).end())
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [(response) => response.transform(new PassThrough())] },
    })
    const replies = [await send(url), await send(url, '/', { method: 'HEAD' })]
    expect(replies.map(({ status, text, complete }) => [status, text, complete])).toEqual([
      [200, '', true],
      [200, '', true],
    ])
  })

  it('asks an upstream that is sent the host of the client for its own certificate', async () => {
    const names: unknown[] = []
    const upstream = await listen(
      createServer(SELF_SIGNED, (req, res) => {
        names.push((req.socket as TLSSocket & { servername: unknown }).servername)
        res.end(req.headers.host)
      }),
    )
    const { url } = await mount({
      name: 'a',
      upstream: { url: `https://localhost:${upstream.port}`, preserveHost: true, verifyTls: false },
    })
    const hostsAsked: string[] = []
    for (const host of ['shop.example', 'other.example:8443'])
      hostsAsked.push((await send(url, '/', { headers: { host } })).text)
    expect([hostsAsked, names]).toEqual([
      ['shop.example', 'other.example:8443'],
      ['localhost', 'localhost'],
    ])
    expect(upstream.connections()).toBe(1)
  })

  it('names no server to an upstream that has an address only', async () => {
    const warnings: string[] = []
    const onWarning = (warning: Error & { code?: string }): void => {
      // The gateway's own warning is about `verifyTls`.
      if (warning.name !== 'PosternWarning') warnings.push(warning.code ?? warning.name)
    }
    process.on('warning', onWarning)
    closeLater(() => process.off('warning', onWarning))
    const names: unknown[] = []
    const upstream = await listen(
      createServer(SELF_SIGNED, (req, res) => {
        names.push((req.socket as TLSSocket & { servername: unknown }).servername)
        res.end('ok')
      }),
    )
    const { url } = await mount({
      name: 'a',
      upstream: { url: upstream.url, preserveHost: true, verifyTls: false },
    })
    expect((await send(url, '/', { headers: { host: 'shop.example' } })).text).toBe('ok')
    await settled()
    expect([names, warnings]).toEqual([[false], []])
  })
})

/** What on-headers 1.0 does to a response: it knows headers by name only, and sets them one by one. */
function wrapWriteHead(res: ServerResponse, onHead: () => void): void {
  const original = res.writeHead.bind(res) as (status: number, message?: string) => ServerResponse
  let fired = false
  res.writeHead = (status: number, ...rest: unknown[]) => {
    const message = typeof rest[0] === 'string' ? rest[0] : undefined
    const headers = (message === undefined ? rest[0] : rest[1]) as Record<string, string | string[]> | undefined
    res.statusCode = status
    for (const name of Object.keys(headers ?? {})) res.setHeader(name, headers![name]!)
    if (!fired) {
      fired = true
      onHead()
    }
    return message === undefined ? original(status) : original(status, message)
  }
}

describe.each(applications)('%s', (_, mount) => {
  it.each([
    ['untouched', () => undefined],
    ['replaced', (response: { setBody(body: string): void }) => response.setBody('body')],
  ])('frames an answer of the application anew when a plugin writes its framing, its body %s', async (__, act) => {
    const { port } = await mount(
      {
        name: 'a',
        hooks: {
          response: [
            act,
            (response) => {
              response.headers.set('content-length', '999')
              response.headers.set('transfer-encoding', 'gzip')
              response.headers.set('connection', 'close')
            },
          ],
        },
      },
      { route: () => ({ headers: { 'content-type': 'text/plain' }, body: 'body' }) },
    )
    for (const { status, body, lines } of await twice(port)) {
      expect([status, body]).toEqual([200, 'body'])
      expect(valuesOf(lines, 'connection')).not.toContain('close')
      expect(valuesOf(lines, 'transfer-encoding')).not.toContain('gzip')
    }
  })

  it.each([
    ['a length', { 'content-length': '4' }],
    ['no length', {}],
  ])('frames the answer to a GET that a plugin turned into a HEAD, with %s', async (__, headers) => {
    const { port } = await mount(
      { name: 'a', hooks: { pre: [(request) => void (request.method = 'HEAD')] } },
      { route: () => ({ headers, body: 'body' }) },
    )
    expect((await twice(port)).map(({ status }) => status)).toEqual([200, 200])
  })

  it('frames the answer to a HEAD that a plugin turned into a GET', async () => {
    const { port } = await mount(
      { name: 'a', hooks: { pre: [(request) => void (request.method = 'GET')] } },
      { route: () => ({ headers: { 'content-length': '4' }, body: 'body' }) },
    )
    expect((await twice(port, '/', 'HEAD')).map(({ status }) => status)).toEqual([200, 200])
  })

  it('gets an answer through a middleware above that wraps writeHead and reads headers by name', async () => {
    const upstream = await startUpstream((res) =>
      res.writeHead(201, ['X-Up', '1', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']).end('the upstream'),
    )
    const above = (__: unknown, res: ServerResponse): void => wrapWriteHead(res, () => res.setHeader('x-above', '1'))
    for (const definition of [
      { name: 'a', upstream: upstream.url },
      { name: 'a', upstream: upstream.url, hooks: { response: [async (response) => void (await response.text())] } },
      { name: 'a', hooks: { response: [() => undefined] } },
      { name: 'a' },
    ] satisfies ApiDefinitionInput[]) {
      const { url } = await mount(definition, {
        above,
        route: () => ({
          status: 201,
          headers: { 'x-up': '1', 'set-cookie': ['a=1', 'b=2'] },
          body: 'the upstream',
        }),
      })
      const reply = await send(url)
      expect([reply.status, reply.text, reply.headers['x-up'], reply.headers['x-above'], reply.complete]).toEqual([
        201,
        'the upstream',
        '1',
        '1',
        true,
      ])
      expect(valuesOf(reply.lines, 'set-cookie')).toEqual(['a=1', 'b=2'])
    }
  })
})

describe('Express 4', () => {
  it('shows a response plugin the number of a status that was given as text', async () => {
    const seen: unknown[] = []
    const gateway = createGateway({ name: 'a', hooks: { response: [(response) => void seen.push(response.status)] } })
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    const app = express4()
    app.use(gateway)
    app.use((__: unknown, res: { status(code: unknown): { send(body: string): void } }) =>
      res.status('404').send('not here'),
    )
    const { url } = await listen(app as never)
    const reply = await send(url)
    expect([reply.status, reply.text, seen]).toEqual([404, 'not here', [404]])
  })
})
