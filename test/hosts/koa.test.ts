import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createGzip, gunzipSync } from 'node:zlib'
import { type ApiDefinitionInput, respond } from '@postern/core'
import { createGateway } from '@postern/koa'
import Koa from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { open, send } from '../support/client.ts'
import { valuesOf } from '../support/lines.ts'
import { signalled } from '../support/promises.ts'
import { RawClient } from '../support/raw-client.ts'
import { type Listening, listen } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

const HEADER_ONLY: ApiDefinitionInput = {
  name: 'a',
  hooks: { response: [(response) => response.headers.set('x-hook', String(response.status))] },
}
const BODY_READING: ApiDefinitionInput = {
  name: 'a',
  hooks: {
    response: [
      async (response) => {
        response.headers.set('x-hook', String(response.status))
        response.headers.set('x-body', await response.text())
      },
    ],
  },
}

describe.each([
  ['Koa 2', Koa2 as unknown as typeof Koa],
  ['Koa 3', Koa],
])('%s', (_, Framework) => {
  function start(...middleware: Koa.Middleware[]): Promise<Listening<unknown>> {
    const app = new Framework()
    app.silent = true
    for (const each of middleware) app.use(each)
    return listen(app.callback() as never)
  }

  function gatewayOf(definition: ApiDefinitionInput): Koa.Middleware {
    const gateway = createGateway(definition)
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    gateway.on('pluginError', () => undefined)
    return gateway
  }

  it('shows middleware above the gateway what the upstream answered, and lets it change that', async () => {
    const upstream = await startUpstream((res) =>
      res.writeHead(202, { 'x-up': '1', 'content-type': 'text/x' }).end('up'),
    )
    const seen: unknown[] = []
    const { url } = await start(
      async (ctx, next) => {
        await next()
        seen.push(ctx.status, ctx.response.get('x-up'), ctx.type, ctx.body !== undefined && ctx.body !== null)
        ctx.set('x-above', '1')
        ctx.status = 203
      },
      gatewayOf({ name: 'a', upstream: upstream.url }),
    )
    const reply = await send(url)
    expect(seen).toEqual([202, '1', 'text/x', true])
    expect([reply.status, reply.headers['x-above'], reply.text]).toEqual([203, '1', 'up'])
  })

  it('shows middleware above the gateway what a plugin answered, and lets it replace the body', async () => {
    const seen: unknown[] = []
    const { url } = await start(
      async (ctx, next) => {
        await next()
        seen.push(ctx.status, String(ctx.body))
        ctx.body = 'replaced above'
      },
      gatewayOf({ name: 'a', hooks: { pre: [() => respond(201, 'plugin')] } }),
    )
    const reply = await send(url)
    expect([seen, reply.status, reply.text]).toEqual([[201, 'plugin'], 201, 'replaced above'])
  })

  it('lets middleware above put a stream of its own around the body, and set headers after that', async () => {
    const wrapped = signalled()
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-type': 'text/plain' })
      res.write('first half, ')
      void wrapped.promise.then(() => res.end('second half'))
    })
    const { url } = await start(
      async (ctx, next) => {
        await next()
        ctx.body = (ctx.body as Readable).pipe(createGzip())
        wrapped.signal()
        ctx.set('content-encoding', 'gzip')
        await new Promise((resolve) => setTimeout(resolve, 20))
        ctx.set('x-above', '1')
      },
      gatewayOf({ name: 'a', upstream: upstream.url }),
    )
    const reply = await send(url)
    expect([reply.headers['content-encoding'], reply.headers['x-above'], gunzipSync(reply.body).toString()]).toEqual([
      'gzip',
      '1',
      'first half, second half',
    ])
  })

  it.each([
    ['nothing', undefined, false],
    ['a stream that passes on', () => new PassThrough(), false],
    ['a compressor', () => createGzip(), true],
  ])('sends the head before the first byte of a body, behind %s', async (__, wrap, isZipped) => {
    const goOn = signalled()
    const upstream = await startUpstream((res) => {
      res.setHeader('content-type', 'text/event-stream')
      res.flushHeaders()
      void goOn.promise.then(() => res.end('data: 1\n\n'))
    })
    const { url } = await start(
      async (ctx, next) => {
        await next()
        if (wrap !== undefined) ctx.body = (ctx.body as Readable).pipe(wrap())
      },
      gatewayOf({ name: 'a', upstream: upstream.url }),
    )
    const res = await open(url)
    goOn.signal()
    const body = await buffer(res)
    expect(String(isZipped ? gunzipSync(body) : body)).toBe('data: 1\n\n')
  })

  /** What a client gets of a body of 200,000 bytes that comes in two pieces, when middleware above does something to `ctx`. */
  async function receivedOf(touch: (ctx: Koa.Context) => void): Promise<string> {
    const upstream = await startUpstream((res) => {
      res.setHeader('content-length', 200_000)
      res.write('a'.repeat(100_000))
      setTimeout(() => res.end('b'.repeat(100_000)), 20)
    })
    const { url } = await start(
      async (ctx, next) => {
        await next()
        touch(ctx)
      },
      gatewayOf({ name: 'a', upstream: upstream.url }),
    )
    const { text } = await send(url)
    return text.replaceAll(/a{100000}|b{100000}/g, (run) => run[0]!.toUpperCase())
  }

  it('sends all of a body that middleware above has put something in front of', async () => {
    const received = await receivedOf((ctx) => {
      ctx.length += 4
      ;(ctx.body as Readable).unshift('PRE!')
    })
    expect(received).toBe('PRE!AB')
  })

  it('sends all of a body that somebody looks at once it is sent, and shows it', async () => {
    let seen = 0
    const received = await receivedOf((ctx) => {
      ctx.res.once('pipe', (body: Readable) => body.on('data', (chunk: Buffer) => (seen += chunk.length)))
    })
    expect([received, seen]).toEqual(['AB', 200_000])
  })

  it('sends all of a body that somebody wants to have as well, when it is too late', async () => {
    const received = await receivedOf((ctx) => {
      const body = ctx.body as Readable
      setImmediate(() => body.pipe(new PassThrough()).resume())
    })
    expect(received).toBe('AB')
  })

  it('ends a 205 although middleware above has put a body in, and makes a 204 of it where asked', async () => {
    const upstream = await startUpstream((res) => res.writeHead(205).end())
    const { port } = await start(
      async (ctx, next) => {
        await next()
        if (ctx.path === '/body') ctx.body = 'replaced'
        else ctx.status = 204
      },
      gatewayOf({ name: 'a', upstream: upstream.url }),
    )
    const client = new RawClient(port)
    const answers: unknown[] = []
    for (const path of ['/body', '/204']) {
      client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      const { status, lines, body } = await client.answer()
      answers.push([status, valuesOf(lines, 'content-length'), body])
    }
    expect([answers, client.received]).toEqual([
      [
        [205, ['0'], ''],
        [204, [], ''],
      ],
      '',
    ])
  })

  it('invents no length for a HEAD, whatever type middleware above has set', async () => {
    const upstream = await startUpstream((res) => res.writeHead(404).end())
    const { url } = await start(
      async (ctx, next) => {
        ctx.type = 'json'
        await next()
      },
      gatewayOf({ name: 'a', upstream: upstream.url }),
    )
    const { status, headers } = await send(url, '/', { method: 'HEAD' })
    expect([status, headers['content-length'], headers['content-type']]).toEqual([404, undefined, undefined])
  })

  it('frames the answer itself, whatever middleware above has said about that', async () => {
    const upstream = await startUpstream((res) => res.end('hello'))
    const { url } = await start(
      async (ctx, next) => {
        ctx.set('Transfer-Encoding', 'chunked')
        await next()
      },
      gatewayOf({ name: 'a', upstream: upstream.url }),
    )
    const { text, headers } = await send(url)
    expect([text, headers['transfer-encoding'], headers['content-length']]).toEqual(['hello', undefined, '5'])
  })

  it('keeps headers that middleware above the gateway has set', async () => {
    const upstream = await startUpstream((res) =>
      res.writeHead(200, { 'set-cookie': ['b=2', 'c=3'], vary: 'accept' }).end('up'),
    )
    const { url } = await start(
      async (ctx, next) => {
        ctx.set('x-above', '1')
        await next()
      },
      gatewayOf({ name: 'a', upstream: upstream.url }),
    )
    const reply = await send(url)
    expect([reply.headers['x-above'], reply.headers['set-cookie'], reply.headers.vary]).toEqual([
      '1',
      ['b=2', 'c=3'],
      'accept',
    ])
  })

  it.each([
    ['text', () => 'text', 'text'],
    ['a buffer', () => Buffer.from('buffer'), 'buffer'],
    ['an object', () => ({ a: 1 }), '{"a":1}'],
    ['a stream', () => Readable.from(['str', 'eam']), 'stream'],
    ['an empty text', () => '', ''],
  ])('lets response plugins look at and read a ctx.body of %s', async (__, body, expected) => {
    const plain = await start((ctx) => void (ctx.body = body()))
    const without = await send(plain.url)
    for (const [definition, read] of [
      [HEADER_ONLY, undefined],
      [BODY_READING, expected],
    ] as const) {
      const { url } = await start(gatewayOf(definition), (ctx) => void (ctx.body = body()))
      const reply = await send(url)
      expect([
        reply.status,
        reply.text,
        reply.headers['content-type'],
        reply.headers['x-hook'],
        reply.headers['x-body'],
      ]).toEqual([without.status, expected, without.headers['content-type'], '200', read])
    }
  })

  it.each([
    ['a status alone', (ctx: Koa.Context) => void (ctx.status = 202)],
    ['an explicit null body', (ctx: Koa.Context) => void (ctx.body = null)],
    ['nothing at all', () => undefined],
    ['a redirect', (ctx: Koa.Context) => ctx.redirect('/elsewhere')],
    ['an attachment', (ctx: Koa.Context) => (ctx.attachment('x.txt'), void (ctx.body = 'x'))],
    [
      'fresh content',
      (ctx: Koa.Context) => {
        ctx.body = 'content'
        ctx.etag = 'e'
        if (ctx.fresh) ctx.status = 304
      },
    ],
  ])('sends %s past a response plugin as it does without', async (__, answer) => {
    const plain = await start(answer)
    const hooked = await start(gatewayOf(HEADER_ONLY), answer)
    const init = { headers: { 'if-none-match': '"e"' } }
    const [first, second] = [await send(plain.url, '/', init), await send(hooked.url, '/', init)]
    const head = (reply: typeof first): unknown[] => reply.lines.filter(([name]) => !/^(date|x-hook)$/i.test(name))
    expect([second.status, second.text, head(second)]).toEqual([first.status, first.text, head(first)])
    expect(second.headers['x-hook']).toBe(String(first.status))
  })

  it('turns what a route throws into the answer it would have been, past a response plugin', async () => {
    const fail: Koa.Middleware = (ctx) => ctx.throw(418, 'teapot', { headers: { 'x-error': '1' } })
    const plain = await start(fail)
    const hooked = await start(gatewayOf(HEADER_ONLY), fail)
    const [first, second] = [await send(plain.url), await send(hooked.url)]
    expect([second.status, second.text, second.headers['x-error']]).toEqual([
      first.status,
      first.text,
      first.headers['x-error'],
    ])
  })

  it('lets middleware above catch what a route behind the gateway throws', async () => {
    for (const definition of [{ name: 'a' }, HEADER_ONLY]) {
      const { url } = await start(
        async (ctx, next) => {
          try {
            await next()
          } catch (error) {
            ctx.status = 599
            ctx.body = `caught ${(error as Error).message}`
          }
        },
        gatewayOf(definition),
        () => {
          throw new Error('from the route')
        },
      )
      const reply = await send(url)
      expect([reply.status, reply.text]).toEqual([599, 'caught from the route'])
    }
  })

  it('waits for a route that writes to res and sets ctx.respond to false', async () => {
    for (const definition of [{ name: 'a' }, HEADER_ONLY, BODY_READING]) {
      const { url } = await start(gatewayOf(definition), (ctx) => {
        ctx.respond = false
        setImmediate(() => {
          ctx.res.statusCode = 202
          ctx.res.setHeader('x-own', '1')
          ctx.res.write('one ')
          setImmediate(() => ctx.res.end('two'))
        })
      })
      const reply = await send(url)
      const hooks = definition.hooks === undefined ? undefined : '202'
      expect([reply.status, reply.headers['x-own'], reply.headers['x-hook'], reply.text]).toEqual([
        202,
        '1',
        hooks,
        'one two',
      ])
    }
  })

  it('leaves ctx.state, ctx.query and ctx.path in step with what plugins changed', async () => {
    const { url } = await start(
      (ctx, next) => {
        ctx.state['user'] = 'ann'
        // Read above, so that anything remembered would show.
        void [ctx.query, ctx.path, ctx.URL]
        return next()
      },
      gatewayOf({
        name: 'a',
        hooks: {
          pre: [
            (request) => {
              request.path = '/new'
              request.query.set('b', '2')
              request.headers.set('accept', 'text/html')
            },
          ],
        },
      }),
      (ctx) => {
        ctx.body = [ctx.state['user'], ctx.path, ctx.query, ctx.get('accept'), ctx.accepts('json', 'html')]
      },
    )
    const reply = await send(url, '/old?a=1', { headers: { accept: 'application/json' } })
    expect(JSON.parse(reply.text)).toEqual(['ann', '/new', { a: '1', b: '2' }, 'text/html', 'html'])
  })

  it('destroys the stream of a route when a plugin replaces its answer', async () => {
    let destroyed = 0
    const { url } = await start(
      gatewayOf({ name: 'a', hooks: { response: [() => respond(200, 'replaced')] } }),
      (ctx) => {
        ctx.body = new Readable({ read: () => undefined, destroy: (error, done) => done(((destroyed += 1), error)) })
      },
    )
    const reply = await send(url)
    expect([reply.text, destroyed]).toEqual(['replaced', 1])
  })

  it('runs two gateways in one application, one behind the other', async () => {
    const upstream = await startUpstream((res) => res.end('up'))
    const { url } = await start(
      gatewayOf(BODY_READING),
      gatewayOf({
        name: 'b',
        upstream: upstream.url,
        hooks: { response: [(response) => response.headers.set('x-inner', '1')] },
      }),
    )
    const reply = await send(url)
    expect([reply.text, reply.headers['x-hook'], reply.headers['x-body'], reply.headers['x-inner']]).toEqual([
      'up',
      '200',
      'up',
      '1',
    ])
  })
})
