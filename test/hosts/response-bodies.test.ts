import { PassThrough, Readable, Transform } from 'node:stream'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { type GatewayResponse, respond, type ResponsePlugin } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { applications, hosts, type Mounted } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { signalled } from '../support/promises.ts'
import { type RawAnswer, RawClient } from '../support/raw-client.ts'
import { listen, listenRaw } from '../support/server.ts'

afterEach(closeAll)

/* Whatever a response plugin does to a body, the head tells the truth about what follows it, and the next answer follows. */

/** An upstream that answers every request with these bytes, the body not to HEAD. */
async function playing(head: string, body: string | Buffer = ''): Promise<string> {
  const { url } = await listenRaw((socket) =>
    socket.on('data', (chunk) => {
      if (chunk.toString('latin1').startsWith('GET /next')) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext')
        return
      }
      socket.write(`HTTP/1.1 ${head.trim().replaceAll(/\n\s*/g, '\r\n')}\r\n\r\n`, 'latin1')
      if (!chunk.toString('latin1').startsWith('HEAD')) socket.write(body)
    }),
  )
  return url
}

/** The answer to `/`, and then the one to `/next` on the same connection: it comes only when the first has its end. */
async function exchange(port: number, method = 'GET'): Promise<RawAnswer> {
  const client = new RawClient(port)
  client.write(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)
  const answer = await client.answer(method)
  client.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
  expect((await client.answer()).body).toBe('next')
  expect(client.received).toBe('')
  client.socket.destroy()
  return answer
}

const editing =
  (edit: ResponsePlugin): ResponsePlugin =>
  (response, context) =>
    context.request.path === '/next' ? undefined : edit(response, context)

const failuresOf = ({ gateway }: Mounted): string[] => {
  const codes: string[] = []
  gateway.on('pluginError', ({ plugin, error }) => codes.push(`${plugin} ${error.code}`))
  return codes
}

const fields = (answer: RawAnswer, ...names: readonly string[]): string[] =>
  names.flatMap((name) => valuesOf(answer.lines, name).map((value) => `${name}: ${value}`))

const DESCRIBING =
  'ETag: "v1"\nAccept-Ranges: bytes\nRepr-Digest: sha-256=:abc:\nLast-Modified: Sat, 01 Jan 2022 00:00:00 GMT'
const SAID = [
  'etag',
  'accept-ranges',
  'repr-digest',
  'content-range',
  'content-encoding',
  'content-type',
  'content-length',
]

const louder: ResponsePlugin = async (response) => response.setBody((await response.text()).toUpperCase())
const fixed: ResponsePlugin = (response) => response.setBody('fixed')
const asObject: ResponsePlugin = (response) => response.setBody({ a: 1 })
const passing: ResponsePlugin = (response) => response.transform(new PassThrough())

describe.each(hosts)('%s', (name, mount) => {
  const gateway = async (head: string, body: string | Buffer, edit: ResponsePlugin): Promise<Mounted> =>
    mount({
      name: 'a',
      upstream: await playing(head, body),
      hooks: { response: [{ name: 'edits', plugin: editing(edit) }] },
    })

  it.each([
    ['reads and writes', louder],
    ['writes', fixed],
    ['writes an object', asObject],
    ['transforms', passing],
  ])('answers HEAD like GET, without what nobody knows, when a plugin %s', async (__, edit) => {
    const head = `200 OK\nContent-Type: text/html\nContent-Encoding: gzip\nContent-Length: 26\n${DESCRIBING}`
    const { port } = await gateway(head, gzipSync('hello').subarray(0, 26), edit)
    const answer = await exchange(port, 'HEAD')
    expect(fields(answer, ...SAID)).toEqual([
      'etag: W/"v1"',
      `content-type: ${edit === asObject ? 'application/json' : 'text/html'}`,
    ])
  })

  it.each([
    ['looks', () => undefined],
    ['writes a length', (response: GatewayResponse) => response.headers.set('content-length', '7')],
  ])(
    'keeps of HEAD what the upstream says of the length, and nothing a plugin says, when it %s',
    async (what, edit) => {
      const { port } = await gateway('200 OK\nContent-Length: 5', 'hello', edit)
      expect(fields(await exchange(port, 'HEAD'), 'content-length')).toEqual(
        what === 'looks' ? ['content-length: 5'] : [],
      )
    },
  )

  it.each([
    ['reads and writes', louder],
    ['writes an object', asObject],
    ['transforms', passing],
  ])('leaves a 304 without a type, a length or a body when a plugin %s', async (what, edit) => {
    const { port } = await gateway(`304 Not Modified\n${DESCRIBING}`, '', edit)
    const answer = await exchange(port)
    expect([answer.status, fields(answer, ...SAID)]).toEqual([304, ['etag: W/"v1"']])
    expect(what).toBeTruthy()
  })

  it('updates the type a cache has stored with a 304 where the plugin says it', async () => {
    const { port } = await gateway('304 Not Modified\nETag: "v1"', '', (response) => {
      response.setBody({ a: 1 })
      response.headers.set('content-type', 'application/hal+json')
    })
    // Koa takes the type off every 304.
    const types = name.startsWith('Koa') ? [] : ['content-type: application/hal+json']
    expect(fields(await exchange(port), ...SAID)).toEqual(['etag: W/"v1"', ...types])
  })

  it.each([204, 205])('sends no body with %d, whatever a plugin does', async (status) => {
    for (const edit of [louder, fixed, asObject, passing]) {
      const length = status === 205 ? '\nContent-Length: 0' : ''
      const { port } = await gateway(`${status} x${length}`, '', edit)
      const answer = await exchange(port)
      expect([answer.status, answer.body, fields(answer, 'content-length', 'transfer-encoding')]).toEqual([
        status,
        '',
        status === 205 ? ['content-length: 0'] : [],
      ])
    }
  })

  it('says of an answer without a body that it has none', async () => {
    const seen: unknown[] = []
    const look: ResponsePlugin = (response) => void seen.push(response.hasBody)
    for (const [head, method] of [
      ['200 OK\nContent-Length: 5', 'GET'],
      ['200 OK\nContent-Length: 5', 'HEAD'],
      ['204 No Content', 'GET'],
      ['304 Not Modified', 'GET'],
      ['404 Not Found\nContent-Length: 5', 'GET'],
    ] as const) {
      const { port } = await gateway(head, head.includes('Length') ? 'hello' : '', look)
      await exchange(port, method)
    }
    expect(seen).toEqual([true, false, false, false, true])
  })

  it('names the body that is not there to who reads it as JSON', async () => {
    const mounted = await gateway('304 Not Modified', '', async (response) => void (await response.json()))
    const messages: string[] = []
    mounted.gateway.on('pluginError', ({ error }) => messages.push(`${error.code} ${error.message}`))
    expect((await exchange(mounted.port)).status).toBe(500)
    expect(messages).toEqual([
      'PSTN_RESPONSE_INVALID The response is not JSON: it has no body; ask response.hasBody first.',
    ])
  })

  const PART = `206 Partial Content\nContent-Type: text/plain\nContent-Range: bytes 0-4/99\nContent-Length: 5\n${DESCRIBING}`

  it.each([
    ['looks', (): void => undefined],
    ['reads', async (response: GatewayResponse) => void (await response.text())],
  ])('passes a part on as it is when a plugin %s', async (__, look) => {
    const { port } = await gateway(PART, 'hello', look)
    const answer = await exchange(port)
    expect([
      answer.status,
      answer.body,
      fields(answer, 'content-range', 'etag', 'accept-ranges', 'repr-digest'),
    ]).toEqual([
      206,
      'hello',
      ['content-range: bytes 0-4/99', 'etag: "v1"', 'accept-ranges: bytes', 'repr-digest: sha-256=:abc:'],
    ])
  })

  it('answers 200 with the whole of what a plugin puts in the place of a part', async () => {
    const { port } = await gateway(PART, 'hello', fixed)
    const answer = await exchange(port)
    expect([answer.status, answer.body, fields(answer, ...SAID)]).toEqual([
      200,
      'fixed',
      ['etag: W/"v1"', 'content-type: text/plain', 'content-length: 5'],
    ])
  })

  it('types anew what takes the place of several parts', async () => {
    const { port } = await gateway(PART.replace('text/plain', 'multipart/byteranges; boundary=x'), 'hello', fixed)
    expect(fields(await exchange(port), 'content-type')).toEqual(['content-type: text/plain; charset=utf-8'])
  })

  it.each([
    ['reads and writes', louder],
    ['transforms', passing],
  ])('fails when a plugin %s a part: what comes of it is part of nothing', async (__, edit) => {
    const mounted = await gateway(PART, 'hello', edit)
    const codes = failuresOf(mounted)
    const answer = await exchange(mounted.port)
    expect([answer.status, codes]).toEqual([500, ['edits PSTN_RESPONSE_PARTIAL']])
  })

  it('keeps what a 416 says of the whole', async () => {
    const { port } = await gateway(
      '416 Range Not Satisfiable\nContent-Range: bytes */99\nContent-Length: 5',
      'hello',
      louder,
    )
    const answer = await exchange(port)
    expect([answer.status, answer.body, fields(answer, 'content-range')]).toEqual([
      416,
      'HELLO',
      ['content-range: bytes */99'],
    ])
  })

  it('reads text in the charset of its type and says that it leaves as UTF-8', async () => {
    const body = Buffer.from('caf\u00E9', 'latin1')
    const { port } = await gateway(
      `200 OK\nContent-Type: text/html; charset="ISO-8859-1"; x=y\nContent-Length: ${body.length}`,
      body,
      louder,
    )
    const answer = await exchange(port)
    expect([Buffer.from(answer.body, 'latin1').toString(), fields(answer, 'content-type', 'content-length')]).toEqual([
      'CAF\u00C9',
      ['content-type: text/html; charset=utf-8; x=y', 'content-length: 5'],
    ])
  })

  it('reads text of a charset nobody knows as UTF-8, and JSON behind a byte order mark', async () => {
    const seen: unknown[] = []
    const unknown = await gateway(
      '200 OK\nContent-Type: text/plain; charset=x-none\nContent-Length: 2',
      '\u00E9',
      async (response) => void seen.push(await response.text()),
    )
    const marked = await gateway(
      '200 OK\nContent-Length: 10',
      '\uFEFF{"a":1}',
      async (response) => void seen.push(await response.json()),
    )
    await exchange(unknown.port)
    await exchange(marked.port)
    expect(seen).toEqual(['\u00E9', { a: 1 }])
  })

  it('decodes a body once for all plugins that read it, and anew for those behind an edit', async () => {
    const seen: unknown[] = []
    const read: ResponsePlugin = async (response) => void seen.push(await response.bytes())
    const body = deflateRawSync('hello')
    const upstream = await playing(`200 OK\nContent-Encoding: deflate\nContent-Length: ${body.length}`, body)
    const { url } = await mount({ name: 'a', upstream, hooks: { response: [read, read, louder, read] } })
    expect((await send(url)).text).toBe('HELLO')
    expect([seen[0] === seen[1], String(seen[0]), String(seen[2])]).toEqual([true, 'hello', 'HELLO'])
  })

  it('lets a plugin compress anew what it has edited', async () => {
    const { createGzip, gunzipSync } = await import('node:zlib')
    const { port } = await gateway('200 OK\nContent-Length: 5\nETag: "v1"', 'hello', (response) => {
      response.transform(createGzip())
      response.headers.set('content-encoding', 'gzip')
    })
    const answer = await exchange(port)
    expect([String(gunzipSync(Buffer.from(answer.body, 'latin1'))), fields(answer, ...SAID)]).toEqual([
      'hello',
      ['etag: W/"v1"', 'content-encoding: gzip'],
    ])
  })

  it('takes transforms one behind the other, web streams and pairs of them too', async () => {
    const { url } = await mount({
      name: 'a',
      upstream: await playing('200 OK\nContent-Length: 6', 'h\u00E9llo'),
      hooks: {
        response: [
          (response) => response.transform(new TextDecoderStream()),
          (response) =>
            response.transform(
              new TransformStream<Uint8Array, string>({
                transform: (chunk, controller) => controller.enqueue(Buffer.from(chunk).toString().toUpperCase()),
              }),
            ),
          (response) =>
            response.transform(
              new Transform({ transform: (chunk: Buffer, __, done) => done(null, `<${chunk.toString()}>`) }),
            ),
          async (response) => response.headers.set('x-length', String((await response.text()).length)),
        ],
      },
    })
    const reply = await send(url)
    expect([reply.text, reply.headers['x-length']]).toEqual(['<H\u00C9LLO>', '7'])
  })

  it('refuses a transform that serves a second response, and what is none', async () => {
    const shared = new PassThrough()
    const web = new TransformStream<Uint8Array, Uint8Array>()
    let turn = 0
    const mounted = await gateway('200 OK\nContent-Length: 5', 'hello', (response) => {
      turn += 1
      if (turn <= 2) response.transform(shared)
      else if (turn <= 4) response.transform(web)
      else response.transform((() => undefined) as never)
    })
    const messages: string[] = []
    mounted.gateway.on('pluginError', ({ error }) => messages.push(`${error.code} ${error.message}`))
    const statuses: number[] = []
    for (let i = 0; i < 5; i += 1) statuses.push((await exchange(mounted.port)).status)
    expect(statuses).toEqual([200, 500, 200, 500, 500])
    expect(messages).toEqual([
      'PSTN_VALUE_INVALID transform() takes a new stream for every response; this one has been used.',
      'PSTN_VALUE_INVALID transform() takes a new stream for every response; this one has been used.',
      expect.stringContaining('takes a Node Transform or a TransformStream, not'),
    ])
  })

  it.each([
    ['throws', () => new Transform({ transform: (__, ___, done) => done(new Error('broken')) })],
    [
      'throws as a web stream',
      () =>
        new TransformStream<Uint8Array, Uint8Array>({
          transform() {
            throw new Error('broken')
          },
        }),
    ],
    [
      'gives what is no bytes',
      () => new Transform({ readableObjectMode: true, transform: (__, ___, done) => done(null, 5) }),
    ],
  ])('breaks the answer off and names the plugin when its transform %s', async (__, make) => {
    const upstream = await listen((___, res) => res.end('hello'))
    const mounted = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [{ name: 'breaks', plugin: (response) => response.transform(make()) }, () => undefined] },
    })
    const codes = failuresOf(mounted)
    const outcome = await send(mounted.url).then(
      (reply) => `complete: ${reply.complete}`,
      () => 'no answer',
    )
    expect(['complete: false', 'no answer']).toContain(outcome)
    await expect.poll(() => codes).toHaveLength(1)
    expect(codes).toEqual(['breaks PSTN_PLUGIN_THREW'])
  })

  it('breaks off, and never ends cleanly, what ends in the middle of its compression on the way through a transform', async () => {
    const half = gzipSync('hello '.repeat(1_000)).subarray(0, 30)
    const { url, gateway: sut } = await mount({
      name: 'a',
      upstream: await playing(`200 OK\nContent-Encoding: gzip\nContent-Length: ${half.length}`, half),
      hooks: { response: [{ name: 'breaks', plugin: passing }] },
    })
    const codes = failuresOf({ gateway: sut } as Mounted)
    const outcome = await send(url).then(
      (reply) => `complete: ${reply.complete}`,
      () => 'no answer',
    )
    expect(['complete: false', 'no answer']).toContain(outcome)
    await expect.poll(() => sut.records.list().map(({ code }) => code)).toEqual(['PSTN_RESPONSE_ENCODING'])
    expect(codes).toEqual(['breaks PSTN_RESPONSE_ENCODING'])
  })

  it('gives up a transform when the client leaves', async () => {
    const [flowing, over] = [signalled(), signalled()]
    const upstream = await listen((___, res) => void res.write('hello'))
    const { port } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        response: [
          (response) =>
            response.transform(
              new Transform({
                transform(chunk, ___, done) {
                  flowing.signal()
                  done(null, chunk)
                },
                destroy(error, done) {
                  over.signal()
                  done(error)
                },
              }),
            ),
        ],
      },
    })
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until('hello')
    await flowing.promise
    client.socket.destroy()
    await over.promise
    expect(client.received).not.toContain('0\r\n\r\n')
  })

  it('lets the upstream send no faster than a transform takes it', async () => {
    let sent = 0
    const upstream = await listen((___, res) => {
      const source = Readable.from(
        (function* () {
          for (let i = 0; i < 1_000; i += 1) {
            sent += 1
            yield Buffer.alloc(50_000)
          }
        })(),
      )
      source.pipe(res)
    })
    const go = signalled()
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        response: [
          (response) =>
            response.transform(
              new Transform({ transform: (chunk, ___, done) => void go.promise.then(() => done(null, chunk)) }),
            ),
        ],
      },
    })
    const reply = send(url)
    let before = -1
    await expect.poll(() => sent > 0 && before === (before = sent), { interval: 100 }).toBe(true)
    expect(sent).toBeLessThan(500)
    go.signal()
    expect((await reply).body).toHaveLength(50_000_000)
  })
})

describe.each(hosts)('%s with middleware above', (_, mount) => {
  it('keeps the cookies and the Vary of middleware beside those of the answer', async () => {
    const upstream = await playing(
      '200 OK\nSet-Cookie: up=1\nSet-Cookie: up2=1\nVary: accept-encoding, Accept\nContent-Length: 2',
      'ok',
    )
    for (const response of [[], [louder], [() => undefined]]) {
      const { url } = await mount(
        { name: 'a', upstream, hooks: { response } },
        {
          above: (__, res) => {
            res.setHeader('Set-Cookie', ['session=1'])
            res.setHeader('Vary', 'Origin, Accept-Encoding')
            res.setHeader('Access-Control-Allow-Origin', 'https://app.example')
          },
        },
      )
      const reply = await send(url)
      expect(valuesOf(reply.lines, 'set-cookie')).toEqual(['session=1', 'up=1', 'up2=1'])
      expect(valuesOf(reply.lines, 'vary')).toEqual(['Origin, accept-encoding, Accept'])
      expect(reply.headers['access-control-allow-origin']).toBe('https://app.example')
    }
  })

  it('keeps every line of Vary where it is the only one who says it', async () => {
    const upstream = await playing('200 OK\nVary: Accept\nvary: Origin\nContent-Length: 2', 'ok')
    const { url } = await mount({ name: 'a', upstream, hooks: { response: [louder] } })
    expect(valuesOf((await send(url)).lines, 'vary')).toEqual(['Accept', 'Origin'])
  })
})

describe.each(applications)('%s as the upstream', (_, mount) => {
  it('has the headers of what a plugin edits put right as those of any upstream', async () => {
    const { port } = await mount(
      { name: 'a', hooks: { response: [editing(louder)] } },
      {
        route: (req) =>
          req.url === '/next'
            ? { body: 'next' }
            : {
                headers: {
                  'content-type': 'text/plain; charset=iso-8859-1',
                  'content-encoding': 'deflate',
                  etag: '"v1"',
                  'accept-ranges': 'bytes',
                  'repr-digest': 'sha-256=:abc:',
                  vary: 'Origin',
                },
                body: deflateRawSync(Buffer.from('caf\u00E9', 'latin1')),
              },
      },
    )
    const answer = await exchange(port)
    expect([Buffer.from(answer.body, 'latin1').toString(), fields(answer, ...SAID, 'vary')]).toEqual([
      'CAF\u00C9',
      ['etag: W/"v1"', 'content-type: text/plain; charset=utf-8', 'content-length: 5', 'vary: Origin'],
    ])
  })

  it.each([
    ['replaces it', () => respond(203, 'instead', { 'set-cookie': 'plugin=1', vary: 'Accept' }), 203, 'instead'],
    [
      'breaks',
      () => {
        throw new Error('broken')
      },
      500,
      '{\n    "error": "Middleware error"\n}',
    ],
  ])(
    'leaves what middleware above has set, and nothing else, where a plugin %s',
    async (what, plugin, status, text) => {
      const { url, gateway } = await mount(
        { name: 'a', hooks: { response: [plugin] } },
        {
          above: (_req, res) => {
            res.setHeader('Access-Control-Allow-Origin', 'https://app.example')
            res.setHeader('Set-Cookie', 'session=1')
            res.setHeader('Vary', 'Origin')
          },
          route: () => ({ status: 201, headers: { 'x-host': 'secret', 'content-type': 'text/html' }, body: 'secret' }),
        },
      )
      gateway.on('pluginError', () => undefined)
      const reply = await send(url)
      expect([reply.status, reply.text, reply.headers['x-host'], reply.complete]).toEqual([
        status,
        text,
        undefined,
        true,
      ])
      expect(reply.headers['access-control-allow-origin']).toBe('https://app.example')
      const replaced = what === 'replaces it'
      expect(valuesOf(reply.lines, 'set-cookie')).toEqual(replaced ? ['session=1', 'plugin=1'] : ['session=1'])
      expect(valuesOf(reply.lines, 'vary')).toEqual(replaced ? ['Origin, Accept'] : ['Origin'])
      expect(valuesOf(reply.lines, 'content-length')).toEqual([String(text.length)])
    },
  )

  it('has a part passed on, and not edited', async () => {
    const mounted = await mount(
      {
        name: 'a',
        hooks: {
          response: [
            {
              name: 'edits',
              plugin: (response, context) => (context.request.path === '/edit' ? louder(response, context) : undefined),
            },
          ],
        },
      },
      {
        route: (req) =>
          req.url === '/next'
            ? { body: 'next' }
            : { status: 206, headers: { 'content-range': 'bytes 0-4/99', 'content-length': '5' }, body: 'hello' },
      },
    )
    const codes = failuresOf(mounted)
    const answer = await exchange(mounted.port)
    expect([answer.status, answer.body, fields(answer, 'content-range')]).toEqual([
      206,
      'hello',
      ['content-range: bytes 0-4/99'],
    ])
    expect([(await send(mounted.url, '/edit')).status, codes]).toEqual([500, ['edits PSTN_RESPONSE_PARTIAL']])
  })

  it.each([
    ['a plugin looks', (): void => undefined, ['end: 1']],
    ['a plugin edits', (response: GatewayResponse) => passing(response, undefined as never), []],
    ['a plugin reads', async (response: GatewayResponse) => void (await response.text()), []],
  ])('says what follows its body where %s, as far as it is still true', async (__, edit, trailers) => {
    const { port } = await mount(
      { name: 'a', hooks: { response: [edit] } },
      {
        raw: (_req, res) => {
          res.statusCode = 200
          res.setHeader('Trailer', 'end')
          res.write('hel')
          res.addTrailers({ end: '1' })
          res.end('lo')
        },
      },
    )
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await client.closed
    const [, behind = ''] = client.received.split('\r\n0\r\n')
    expect(client.received).toMatch(/^HTTP\/1.1 200 /)
    expect(behind.split('\r\n').filter((line) => line !== '')).toEqual(trailers)
  })
})

describe.each(applications.slice(3, 5))('%s', (_, mount) => {
  it('shows plugins what Koa says of itself, and sends it as they leave it', async () => {
    const seen: unknown[] = []
    const { url } = await mount({
      name: 'a',
      hooks: {
        response: [
          async (response, { request }) => {
            if (request.path === '/look') return
            seen.push(response.status, response.headers.get('content-type'), await response.text())
            if (request.path === '/change') response.status = 410
          },
        ],
      },
    })
    const [look, read, change] = [await send(url, '/look'), await send(url, '/read'), await send(url, '/change')]
    expect([look, read, change].map(({ status, text, headers }) => [status, text, headers['content-type']])).toEqual([
      [404, 'Not Found', 'text/plain; charset=utf-8'],
      [404, 'Not Found', 'text/plain; charset=utf-8'],
      [410, 'Not Found', 'text/plain; charset=utf-8'],
    ])
    expect(seen.slice(0, 3)).toEqual([404, 'text/plain; charset=utf-8', 'Not Found'])
  })
})
