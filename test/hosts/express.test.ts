import { writeFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ApiDefinitionInput, respond } from '@postern/core'
import { createGateway } from '@postern/express'
import express from 'express'
import express4 from 'express4'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { type Reply, send } from '../support/client.ts'
import { RawClient } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
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
      async (response) => response.headers.set('x-hook', `${response.status} ${(await response.bytes()).length}`),
    ],
  },
}

describe.each([
  ['Express 4', express4 as unknown as typeof express],
  ['Express 5', express],
])('%s', (_, framework) => {
  function gatewayOf(definition: ApiDefinitionInput): ReturnType<typeof createGateway> {
    const gateway = createGateway(definition)
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    return gateway
  }

  async function start(...handlers: (express.RequestHandler | express.ErrorRequestHandler)[]): Promise<string> {
    const app = framework()
    for (const handler of handlers) app.use(handler)
    return (await listen(app)).url
  }

  const comparable = (reply: Reply): unknown[] => [
    reply.status,
    reply.text,
    reply.lines
      .filter(([name]) => !/^(date|x-hook|transfer-encoding|content-length)$/i.test(name))
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ]

  it.each([undefined, 'simple', 'extended'])(
    'shows routes the query plugins changed, parsed by the parser %s of the application',
    async (parser) => {
      const app = framework()
      if (parser !== undefined) app.set('query parser', parser)
      app.use(
        (req, __, next) => {
          // Looked at above, so that anything remembered would show.
          void req.query
          next()
        },
        gatewayOf({
          name: 'a',
          hooks: { pre: [(request) => request.query.set('b', '2'), (request) => request.query.append('c[d]', '3')] },
        }),
        (req, res) => void res.json(req.query),
      )
      const { url } = await listen(app)
      const reply = await send(url, '/?a=1&b=1')
      const nested = parser === 'extended' || (parser === undefined && framework !== express)
      expect(JSON.parse(reply.text)).toEqual({ a: '1', b: '2', ...(nested ? { c: { d: '3' } } : { 'c[d]': '3' }) })
    },
  )

  it('has no parsed query where the application has turned its parser off', async () => {
    const app = framework()
    app.set('query parser', false)
    app.use(
      gatewayOf({ name: 'a', hooks: { pre: [(request) => request.query.set('b', '2')] } }),
      (req, res) => void res.json([req.query, req.url]),
    )
    const { url } = await listen(app)
    expect(JSON.parse((await send(url, '/?a=1')).text)).toEqual([{}, '/?a=1&b=2'])
  })

  it('routes by the method, the path and the headers plugins changed', async () => {
    const app = framework()
    app.use(
      gatewayOf({
        name: 'a',
        hooks: {
          pre: [
            (request) => {
              request.method = 'PUT'
              request.path = '/items/caf\u00E9'
              request.headers.set('x-user', 'ann')
            },
          ],
        },
      }),
    )
    app.put('/items/:id', (req, res) => void res.json([req.params['id'], req.path, req.originalUrl, req.get('x-user')]))
    const { url } = await listen(app)
    expect(JSON.parse((await send(url, '/old')).text)).toEqual(['caf\u00E9', '/items/caf%C3%A9', '/old', 'ann'])
  })

  it.each([
    ['res.json', (_req: express.Request, res: express.Response) => void res.json({ a: 1 })],
    ['res.send of text', (_req: express.Request, res: express.Response) => void res.send('text')],
    ['res.send of bytes', (_req: express.Request, res: express.Response) => void res.send(Buffer.from('bytes'))],
    ['res.sendStatus', (_req: express.Request, res: express.Response) => void res.sendStatus(202)],
    ['a status without a body', (_req: express.Request, res: express.Response) => void res.status(204).end()],
    ['a redirect', (_req: express.Request, res: express.Response) => res.redirect('/elsewhere')],
    [
      'cookies',
      (_req: express.Request, res: express.Response) =>
        void res.cookie('a', '1').cookie('b', '2').clearCookie('c').send('x'),
    ],
    [
      'a status text of its own',
      (_req: express.Request, res: express.Response) => void res.writeHead(200, 'Fine', { 'x-a': '1' }).end('x'),
    ],
    [
      'pieces',
      (_req: express.Request, res: express.Response) => {
        res.write('one ')
        res.write(Buffer.from('two '), () => res.end('three', 'latin1'))
      },
    ],
    [
      'headers as a list',
      (_req: express.Request, res: express.Response) => void res.writeHead(201, ['X-A', '1', 'X-B', '2']).end('x'),
    ],
    ['the end alone', (_req: express.Request, res: express.Response) => void res.end()],
  ])('sends %s past response plugins as it does without', async (__, route) => {
    const plain = await send(await start(route))
    const looked = await send(await start(gatewayOf(HEADER_ONLY), route))
    const read = await send(await start(gatewayOf(BODY_READING), route))
    expect([comparable(looked), comparable(read)]).toEqual([comparable(plain), comparable(plain)])
    expect([looked.headers['x-hook'], read.headers['x-hook']]).toEqual([
      String(plain.status),
      `${plain.status} ${plain.body.length}`,
    ])
  })

  it('answers a conditional request with 304 past a response plugin', async () => {
    const url = await start(
      gatewayOf(HEADER_ONLY),
      (_req: express.Request, res: express.Response) => void res.send('content'),
    )
    const first = await send(url)
    const second = await send(url, '/', { headers: { 'if-none-match': first.headers.etag ?? '' } })
    expect([second.status, second.text, second.headers['x-hook']]).toEqual([304, '', '304'])
  })

  it('sends files and ranges of them past a response plugin', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-'))
    closeLater(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'file.txt'), 'x'.repeat(200_000))
    const route: express.RequestHandler = (__, res) => res.sendFile('file.txt', { root: folder })
    const [plain, hooked] = [await start(route), await start(gatewayOf(HEADER_ONLY), route)]
    for (const headers of [{}, { range: 'bytes=5-9' }, { range: 'bytes=999999-' }]) {
      const [first, second] = [await send(plain, '/', { headers }), await send(hooked, '/', { headers })]
      expect([
        second.status,
        second.text === first.text,
        second.headers['content-range'],
        second.headers['content-type'],
      ]).toEqual([first.status, true, first.headers['content-range'], first.headers['content-type']])
    }
  })

  it('hands what a route throws to the error middleware, whose answer meets the response plugins', async () => {
    const fail: express.RequestHandler = (__, _res, next) =>
      next(Object.assign(new Error('from the route'), { status: 418 }))
    const onError: express.ErrorRequestHandler = (error: Error, _req, res, _next) =>
      void res.status(599).send(`caught ${error.message}`)
    const bare = await send(await start(gatewayOf({ name: 'a' }), fail, onError))
    const hooked = await send(await start(gatewayOf(HEADER_ONLY), fail, onError))
    expect([bare.status, bare.text]).toEqual([599, 'caught from the route'])
    expect([hooked.status, hooked.text, hooked.headers['x-hook']]).toEqual([599, 'caught from the route', '599'])
  })

  it('answers what nobody catches as it does without the gateway', async () => {
    const fail: express.RequestHandler = () => {
      throw Object.assign(new Error('from the route'), { status: 418 })
    }
    const plain = await send(await start(fail))
    const hooked = await send(await start(gatewayOf(HEADER_ONLY), fail))
    expect([hooked.status, hooked.text.includes('from the route')]).toEqual([
      plain.status,
      plain.text.includes('from the route'),
    ])
  })

  it('lets a middleware above that wraps res see the head and the end of the answer, whoever gives it', async () => {
    const events: string[] = []
    const wrap: express.RequestHandler = (_req, res, next) => {
      const [writeHead, end] = [res.writeHead.bind(res), res.end.bind(res)]
      res.writeHead = ((...args: Parameters<typeof writeHead>) => {
        res.setHeader('x-wrapped', '1')
        return writeHead(...args)
      }) as typeof res.writeHead
      res.end = ((...args: Parameters<typeof end>) => {
        events.push(`end ${res.statusCode}`)
        return end(...args)
      }) as typeof res.end
      res.on('finish', () => events.push('finish'))
      next()
    }
    const upstream = await startUpstream((res) => res.writeHead(201).end('up'))
    const definitions: ApiDefinitionInput[] = [
      { name: 'a', upstream: upstream.url },
      { name: 'a', hooks: { pre: [() => respond(201, 'up')] } },
      HEADER_ONLY,
    ]
    for (const definition of definitions) {
      events.length = 0
      const reply = await send(
        await start(
          wrap,
          gatewayOf(definition),
          (_req: express.Request, res: express.Response) => void res.status(201).end('up'),
        ),
      )
      expect([reply.status, reply.headers['x-wrapped'], reply.text]).toEqual([201, '1', 'up'])
      await expect.poll(() => events).toEqual(['end 201', 'finish'])
    }
  })

  it('costs a broken middleware above nothing but its own request', async () => {
    const upstream = await startUpstream((res) => res.end('up'))
    const breaking: express.RequestHandler = (req, res, next) => {
      if (req.url === '/broken')
        res.writeHead = () => {
          throw new Error('from the middleware above')
        }
      next()
    }
    const url = await start(breaking, gatewayOf({ name: 'a', upstream: upstream.url }))
    const broken = await send(url, '/broken').catch(() => 'no answer')
    const next = await send(url)
    expect(broken).toBe('no answer')
    expect([next.status, next.text]).toEqual([200, 'up'])
  })

  it('tells a route that its answer has left once it wrote it', async () => {
    const seen: unknown[] = []
    const route: express.RequestHandler = (__, res) => {
      seen.push(res.headersSent, res.writableEnded)
      res.status(201).send('x')
      seen.push(res.headersSent, res.writableEnded)
      try {
        res.setHeader('x-late', '1')
      } catch (error) {
        seen.push((error as NodeJS.ErrnoException).code)
      }
    }
    const reply = await send(await start(gatewayOf(BODY_READING), route))
    expect(seen.slice(0, 4)).toEqual([false, false, true, true])
    expect([reply.status, reply.text]).toEqual([201, 'x'])
  })

  it('runs two gateways in one application, one behind the other', async () => {
    const upstream = await startUpstream((res) => res.end('up'))
    const reply = await send(
      await start(
        gatewayOf(BODY_READING),
        gatewayOf({
          name: 'b',
          upstream: upstream.url,
          hooks: { response: [(response) => response.headers.set('x-inner', '1')] },
        }),
      ),
    )
    expect([reply.text, reply.headers['x-hook'], reply.headers['x-inner']]).toEqual(['up', '200 2', '1'])
  })

  it('takes the rest of an upload that a middleware above has answered before it called on', async () => {
    const early: express.RequestHandler = (__, res, next) => {
      res.writeHead(413, { Connection: 'close' }).end('enough')
      next()
    }
    const url = await start(early, gatewayOf({ name: 'a', hooks: { pre: [() => undefined] } }))
    const client = new RawClient(Number(new URL(url).port))
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n')
    client.write(Buffer.alloc(900_000))
    const answer = await client.answer()
    expect([answer.status, answer.body]).toEqual([413, 'enough'])
  })

  it('tells a writeHead of a class of its own all fields at once', async () => {
    const told: unknown[] = []
    const spy: express.RequestHandler = (__, res, next) => {
      const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => typeof res
      const own = Object.create(Object.getPrototypeOf(res) as object, {
        writeHead: {
          value: (status: number, fields: unknown) => {
            told.push(fields === undefined)
            return writeHead(status, fields)
          },
        },
      }) as object
      Object.setPrototypeOf(res, own)
      next()
    }
    const upstream = await startUpstream((res) => res.end('up'))
    const reply = await send(await start(spy, gatewayOf({ name: 'a', upstream: upstream.url })))
    expect([reply.text, told]).toEqual(['up', [false]])
  })
})
