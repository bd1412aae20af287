import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { type ApiDefinitionInput, deny, type HooksInput, respond, type SessionInput } from '@postern/core'
import * as forExpress from '@postern/express'
import { createGateway } from '@postern/http'
import * as forKoa from '@postern/koa'
import express from 'express'
import express4 from 'express4'
import Koa from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { applications, frameworks, hosts } from '../support/hosts.ts'
import { settled } from '../support/process.ts'
import { listen } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

/*
 * What a guard guards stays guarded: however a path is written, however large or late a body comes, whatever fails. The
 * host application behind answers everything, so that whatever slips through shows.
 */

const MIDDLEWARE_ERROR = '{\n    "error": "Middleware error"\n}'
const TOO_LARGE = '{\n    "error": "Request body too large"\n}'

function guarded(listenPath: string, more: Partial<ApiDefinitionInput> = {}): ApiDefinitionInput {
  return { name: 'guarded', listenPath, hooks: { auth: () => deny(401, 'no') }, ...more }
}

/** A small body sent with its head has arrived by then, and waits in the stream of the request. */
async function untilBodyIsHere(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await settled()
}

describe.each(hosts)('%s', (_, mount) => {
  const behind = { route: () => ({ body: 'the host' }) }

  it.each([
    '/orders',
    '/ORDERS',
    '/Orders/7',
    '/ORDERS/7',
    '/oRDERS/7?x=1',
    '/%4FRDERS/7',
    '//ORDERS/7',
    '/x/../ORDERS/7',
  ])('guards the routes of the application at %s, whose router may ignore case', async (target) => {
    const { url } = await mount(guarded('/orders/'), behind)
    expect((await send(url, target)).status).toBe(401)
  })

  it('leaves a listen path in another case alone where an upstream stands behind it', async () => {
    const upstream = await startUpstream()
    const { url } = await mount(guarded('/orders/', { upstream: upstream.url }), behind)
    expect([(await send(url, '/ORDERS/7')).text, (await send(url, '/orders/7')).status]).toEqual(['the host', 401])
  })

  it('guards a listen path in another case where ignoreCase asks for it', async () => {
    const upstream = await startUpstream()
    const { url } = await mount(guarded('/Orders/', { upstream: upstream.url, ignoreCase: true }), behind)
    expect([(await send(url, '/ORDERS/7')).status, upstream.seen.length]).toEqual([401, 0])
  })

  it.each([
    '/orders/..',
    '/orders/%2e%2e',
    '/orders/../',
    '/orders/.%2E',
    '/orders/../x',
    '/ORDERS/..',
    'http://a/orders/..',
  ])('refuses %s, which reads differently to whoever stands behind', async (target) => {
    const { url } = await mount(guarded('/orders/'), behind)
    const reply = await send(url, target)
    expect([reply.status, reply.text]).toEqual([400, '{\n    "error": "Malformed request path"\n}'])
  })

  it('refuses dot segments out of a guarded path that is no first segment', async () => {
    const { url } = await mount(guarded('/admin'), behind)
    expect([(await send(url, '/admin/../x')).status, (await send(url, '/admin/7')).status]).toEqual([400, 401])
  })

  it.each(['/x/orders/../..', '/x/../y', '/./z'])(
    'leaves %s, in which no API is touched, to the application',
    async (target) => {
      const { url } = await mount(guarded('/orders/'), { route: (req) => ({ body: req.url ?? '' }) })
      expect((await send(url, target)).text).toBe(target)
    },
  )

  it('leaves such paths to the application when it guards nothing', async () => {
    const { url } = await mount({ name: 'idle', listenPath: '/orders/' }, { route: (req) => ({ body: req.url ?? '' }) })
    expect((await send(url, '/orders/..')).text).toBe('/orders/..')
    expect((await send(url, '/orders/%2e%2e')).text).toBe('/orders/%2e%2e')
  })

  it.each(['/orders//admin', '/orders///admin', '//orders//admin', '/orders/./admin', '/orders/x/..//admin'])(
    'meets the endpoint /admin at %s',
    async (target) => {
      const upstream = await startUpstream()
      const endpoints = { '* /admin': [() => deny(403, 'no')] }
      const [toUpstream, toHost] = [
        await mount({ name: 'a', listenPath: '/orders/', upstream: upstream.url, endpoints }),
        await mount({ name: 'a', listenPath: '/orders/', endpoints }, behind),
      ]
      expect([(await send(toUpstream.url, target)).status, (await send(toHost.url, target)).status]).toEqual([403, 403])
      expect(upstream.seen).toEqual([])
    },
  )

  it('sends on the spelling that was matched', async () => {
    const upstream = await startUpstream((res, seen) => res.end(seen.target))
    const hooks = { pre: [() => undefined] }
    const toUpstream = await mount({ name: 'a', listenPath: '/orders/', upstream: upstream.url, hooks })
    const toHost = await mount(
      { name: 'a', listenPath: '/orders/', hooks },
      { route: (req) => ({ body: req.url ?? '' }) },
    )
    expect((await send(toUpstream.url, '/orders//x?y=//')).text).toBe('/x?y=//')
    expect((await send(toHost.url, '/orders//x?y=//')).text).toBe('/orders/x?y=//')
  })

  it('answers 500 to a forwarder that rejects with nothing, and never lets the application answer', async () => {
    for (const response of [[], [() => undefined]]) {
      const { url } = await mount(
        { name: 'a', hooks: { response } },
        // oxlint-disable-next-line prefer-promise-reject-errors -- that is the point
        { ...behind, options: { forward: () => Promise.reject() } },
      )
      const reply = await send(url)
      expect([reply.status, reply.text.includes('the host')]).toEqual([500, false])
    }
  })

  it('answers 500 to a plugin that replaces the headers of the request, and never lets the application answer', async () => {
    for (const wait of [() => undefined, () => Promise.resolve()]) {
      const { url, gateway } = await mount(
        {
          name: 'a',
          hooks: {
            pre: [
              async (request) => {
                await wait()
                Object.assign(request, { headers: { 'x-user': 'ann' } })
              },
            ],
          },
        },
        behind,
      )
      const codes: string[] = []
      gateway.on('pluginError', ({ error }) => codes.push(error.code))
      const reply = await send(url)
      expect([reply.status, reply.text, codes]).toEqual([500, MIDDLEWARE_ERROR, ['PSTN_VALUE_INVALID']])
    }
  })

  it('knows a session only within the API that made it', async () => {
    const known: string[] = []
    const auth = (request: { headers: { get(name: string): string | null } }): SessionInput => ({
      metadata: { token: request.headers.get('authorization') ?? '' },
    })
    const api = (name: string): ApiDefinitionInput => ({
      name,
      listenPath: `/${name}`,
      hooks: {
        auth: (request, { session }) => {
          known.push(`${name} ${session?.keyId}`)
          return auth(request)
        },
        post: [() => respond(200, 'in')],
      },
    })
    const { url, gateway } = await mount([api('a'), api('b')])
    const statuses: number[] = []
    for (const target of ['/a', '/b', '/a', '/b']) {
      statuses.push((await send(url, target, { headers: { authorization: 'same' } })).status)
      // The session is saved with the record.
      await expect.poll(() => gateway.records.list().length).toBe(statuses.length)
    }
    expect([statuses, known]).toEqual([
      [200, 200, 200, 200],
      ['a undefined', 'b undefined', 'a same', 'b same'],
    ])
  })
})

describe.each(applications)('%s', (_, mount) => {
  it.each(['/x%00', '/x/..%2f', '/x/%2e%2e%2f', '/x%', '/x%zz', '/x\\y', '/x%ff', '/..', '/x/../..', '/..;/x'])(
    'shows nobody the answer to %s that response plugins have not seen',
    async (target) => {
      const { url } = await mount(
        { name: 'a', hooks: { response: [(response) => response.setBody('redacted')] } },
        { route: () => ({ body: 'secret' }) },
      )
      const reply = await send(url, target)
      expect(reply.text).not.toContain('secret')
      expect(reply.status).toBe(400)
    },
  )

  it.each<[string, HooksInput]>([
    ['no plugin', {}],
    ['a response plugin', { response: [() => undefined] }],
    ['a plugin that waits', { pre: [untilBodyIsHere] }],
    ['a plugin that waits and a response plugin', { pre: [untilBodyIsHere], response: [() => undefined] }],
  ])('never gives the application a whole body above maxBodyBytes, with %s', async (__, hooks) => {
    const bodies: string[] = []
    const { url } = await mount(
      { name: 'a', maxBodyBytes: 10, hooks },
      {
        raw: (req, res: ServerResponse) => {
          const chunks: Buffer[] = []
          req.on('error', () => undefined)
          req.on('data', (chunk: Buffer) => chunks.push(chunk))
          req.on('end', () => {
            bodies.push(Buffer.concat(chunks).toString())
            res.writeHead(200).end('the host')
          })
        },
      },
    )
    const post = (parts: string[]): Promise<number | string> =>
      send(url, '/', { method: 'POST', body: Readable.from(parts.map((part) => Buffer.from(part))) }).then(
        (reply) => reply.status,
        () => 'cut',
      )
    const [over, within] = [await post(['123456', '78901']), await post(['12345', '67890'])]
    expect(['cut', 413]).toContain(over)
    expect([within, bodies]).toEqual([200, ['1234567890']])
  })

  it('refuses a declared length above maxBodyBytes before the application meets it', async () => {
    let asked = 0
    const { url } = await mount({ name: 'a', maxBodyBytes: 10 }, { route: () => ({ body: String((asked += 1)) }) })
    const reply = await send(url, '/', { method: 'POST', body: '12345678901' })
    expect([reply.status, reply.text, asked]).toEqual([413, TOO_LARGE, 0])
  })
})

describe.each(frameworks)('%s', (_, mount) => {
  it.each([
    ['declared', (text: string) => text],
    ['chunked', (text: string) => Readable.from([Buffer.from(text)])],
  ])('refuses a %s body above maxBodyBytes that a parser above has read', async (__, body) => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', maxBodyBytes: 12, upstream: upstream.url }, { parser: 'json' })
    const post = (value: string): ReturnType<typeof send> =>
      send(url, '/', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: body(JSON.stringify({ value })),
      })
    const [over, within] = [await post('too long by far'), await post('')]
    expect([over.status, over.text, within.status]).toEqual([413, TOO_LARGE, 200])
    expect(upstream.only().body.toString()).toBe('{"value":""}')
  })
})

describe.each([
  ['Express 4', express4 as unknown as typeof express],
  ['Express 5', express],
])('%s', (_, framework) => {
  function gatewayOf(definition: ApiDefinitionInput): forExpress.ExpressGateway {
    const gateway = forExpress.createGateway(definition)
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    return gateway
  }

  it('guards the path a middleware above has rewritten the request to', async () => {
    const seen: string[] = []
    const app = framework()
    app.use((req, __, next) => {
      req.url = req.url.replace(/^\/public/, '/admin')
      next()
    })
    app.use(
      gatewayOf(
        guarded('/admin', {
          hooks: {
            pre: [(request) => void seen.push(`${request.path} ${request.originalUrl}`)],
            auth: () => deny(401, 'no'),
          },
        }),
      ),
      (__, res) => void res.send('the host'),
    )
    const { url } = await listen(app)
    expect([(await send(url, '/public/x')).status, (await send(url, '/other')).text, seen]).toEqual([
      401,
      'the host',
      ['/x /public/x'],
    ])
  })

  it.each(['/orders/..', '/orders/%2e%2e', 'http://a/orders/..', 'HTTP://a/ORDERS/%2E%2E', '/ORDERS/7', '/orders//7'])(
    'lets no route behind a guarded path meet %s',
    async (target) => {
      const app = framework()
      app.use(gatewayOf(guarded('/orders/')))
      app.get('/orders/:id', (req, res) => void res.send(`order ${req.params['id']}`))
      const { url } = await listen(app)
      const reply = await send(url, target)
      expect([400, 401]).toContain(reply.status)
    },
  )

  it('leaves a query that a middleware above has put in place, unless a plugin changed the target', async () => {
    const app = framework()
    app.use(
      (req, __, next) => {
        Object.defineProperty(req, 'query', { value: { own: 'yes' }, writable: true, configurable: true })
        next()
      },
      gatewayOf({ name: 'a', hooks: { pre: [(request) => request.headers.set('x-a', request.query.get('a') ?? '')] } }),
      (req, res) => void res.json([req.query, req.get('x-a')]),
    )
    const { url } = await listen(app)
    expect(JSON.parse((await send(url, '/?a=1')).text)).toEqual([{ own: 'yes' }, '1'])
  })
})

describe.each([
  ['Koa 2', Koa2 as unknown as typeof Koa],
  ['Koa 3', Koa],
])('%s', (_, Framework) => {
  it.each([
    ['ctx.url', (ctx: Koa.Context) => void (ctx.url = ctx.url.replace(/^\/public/, '/admin'))],
    ['ctx.path', (ctx: Koa.Context) => void (ctx.path = ctx.path.replace(/^\/public/, '/admin'))],
  ])('guards the path a middleware above has rewritten %s to', async (__, rewrite) => {
    const gateway = forKoa.createGateway(guarded('/admin'))
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    const app = new Framework()
    app.use((ctx, next) => {
      rewrite(ctx)
      return next()
    })
    app.use(gateway)
    app.use((ctx) => void (ctx.body = 'the host'))
    const { url } = await listen(app.callback() as never)
    expect([(await send(url, '/public/x')).status, (await send(url, '/other')).text]).toEqual([401, 'the host'])
  })
})

describe('node:http', () => {
  it.each<[string, () => never | Promise<never>]>([
    [
      'throws',
      () => {
        throw new Error('SECRET')
      },
    ],
    ['rejects', () => Promise.reject(new Error('SECRET'))],
  ])('never calls next with the error of a forwarder that %s', async (_, forward) => {
    let asked = 0
    const gateway = createGateway({ name: 'a' }, { forward })
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    const { url } = await listen((req, res) =>
      gateway(req, res, () => {
        asked += 1
        res.end('the host')
      }),
    )
    const reply = await send(url)
    expect([reply.status, reply.text, asked]).toEqual([500, '{\n    "error": "Internal Server Error"\n}', 0])
  })
})
