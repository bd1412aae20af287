import { createGateway as createExpressGateway } from '@postern/express'
import { createGateway as createKoaGateway } from '@postern/koa'
import express from 'express'
import express4 from 'express4'
import Koa from 'koa'
import mountAt from 'koa-mount'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { frameworks } from '../support/hosts.ts'
import { listen } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

describe.each(frameworks)('%s, mounted at /v1', (_, mount) => {
  it('takes the mount path off for the upstream and keeps it in originalUrl', async () => {
    const upstream = await startUpstream()
    const originals: string[] = []
    const { url } = await mount(
      {
        name: 'a',
        upstream: `${upstream.url}/base`,
        hooks: { pre: [(request) => void originals.push(request.originalUrl)] },
      },
      { at: '/v1' },
    )
    const targets = ['/v1', '/v1/', '/v1?x=1', '/v1/a%2Fb/?x=%7e', '/v1/v1']
    for (const target of targets) await send(url, target)
    expect(upstream.seen.map((seen) => seen.target)).toEqual([
      '/base/',
      '/base/',
      '/base/?x=1',
      '/base/a%2Fb/?x=%7e',
      '/base/v1',
    ])
    expect(originals).toEqual(targets)
  })

  it('matches listen paths and endpoints below the mount path', async () => {
    const upstream = await startUpstream()
    const ids: unknown[] = []
    const { url } = await mount(
      {
        name: 'a',
        listenPath: '/orders',
        upstream: upstream.url,
        endpoints: { 'GET /:id': [(__, { params }) => void ids.push(params['id'])] },
      },
      { at: '/v1' },
    )
    const replies = [await send(url, '/v1/orders/7'), await send(url, '/v1/other'), await send(url, '/orders/8')]
    expect([replies.map(({ status }) => status), ids, upstream.only().target]).toEqual([[200, 404, 404], ['7'], '/7'])
  })

  it.each(['/v1/../x', '/v1/%2e%2e/x', '/v1/a/../../x', '/v1/..', '/v1/..%2fx'])(
    'refuses %s, which leaves the mount',
    async (target) => {
      const upstream = await startUpstream()
      const { url } = await mount(
        { name: 'a', upstream: upstream.url },
        { at: '/v1', route: () => ({ body: 'the host' }) },
      )
      const reply = await send(url, target)
      expect([reply.status, reply.text, upstream.seen]).toEqual([
        400,
        '{\n    "error": "Malformed request path"\n}',
        [],
      ])
    },
  )

  it('resolves dot segments that stay inside the mount', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url }, { at: '/v1' })
    await send(url, '/v1/a/./../%62')
    expect(upstream.only().target).toBe('/b')
  })

  it('is not asked for a path that only begins like the mount path', async () => {
    const { url } = await mount(
      { name: 'a', upstream: 'http://127.0.0.1:1' },
      { at: '/v1', route: () => ({ body: 'the host' }) },
    )
    const [similar, other] = [await send(url, '/v1x'), await send(url, '/')]
    expect([similar.text, other.text]).toEqual(['the host', 'the host'])
  })

  it('lets routes behind it see the whole path, also where no API listens', async () => {
    const { url } = await mount(
      { name: 'a', listenPath: '/api' },
      { at: '/v1', route: (req) => ({ body: req.url ?? '' }) },
    )
    const [inside, outside] = [await send(url, '/v1/api/x?y=%7e'), await send(url, '/v1/other')]
    expect([inside.text, outside.text]).toEqual(['/v1/api/x?y=%7e', '/v1/other'])
  })

  it.each([
    ['without response plugins', []],
    ['past a response plugin', [() => undefined]],
  ])('lets routes behind it see the path and the query plugins changed, %s', async (__, response) => {
    const { url } = await mount(
      {
        name: 'a',
        listenPath: '/api',
        hooks: {
          pre: [
            (request) => {
              request.path = `/v2${request.path}`
              request.query.set('b', '2')
            },
          ],
          response,
        },
      },
      { at: '/v1', route: (req) => ({ body: req.url ?? '' }) },
    )
    const reply = await send(url, '/v1/api/x?a=%7e&b=1')
    expect(reply.text).toBe('/v1/api/v2/x?a=%7e&b=2')
  })
})

describe.each([
  ['Express 4', express4 as unknown as typeof express],
  ['Express 5', express],
])('%s routers', (_, framework) => {
  it('nest around the gateway, with parameters in their paths', async () => {
    const upstream = await startUpstream()
    const [app, outer, inner] = [framework(), framework.Router(), framework.Router()]
    inner.use('/in', createExpressGateway({ name: 'a', upstream: upstream.url }))
    outer.use('/:tenant', inner)
    app.use('/out', outer)
    const { url } = await listen(app)
    for (const target of ['/out/acme/in/x?y=1', '/OUT/acme/IN/X']) await send(url, target)
    expect(upstream.seen.map((seen) => seen.target)).toEqual(['/x?y=1', '/X'])
  })

  it('may hold the gateway and the routes behind it', async () => {
    const [app, router] = [framework(), framework.Router()]
    router.use(
      createExpressGateway({
        name: 'a',
        hooks: {
          pre: [(request) => void (request.path = `/v2${request.path}`)],
          response: [(response) => response.headers.set('x-hook', '1')],
        },
      }),
    )
    router.get('/v2/items/:id', (req, res) => void res.json([req.params['id'], req.url, req.baseUrl, req.originalUrl]))
    app.use('/v1', router)
    const { url } = await listen(app)
    const reply = await send(url, '/v1/items/7')
    expect([JSON.parse(reply.text), reply.headers['x-hook']]).toEqual([['7', '/v2/items/7', '/v1', '/v1/items/7'], '1'])
  })

  it('get their own requests unchanged when a gateway in another router does not listen there', async () => {
    const [app, router] = [framework(), framework.Router()]
    router.use(createExpressGateway({ name: 'a', listenPath: '/api', upstream: 'http://127.0.0.1:1' }))
    router.get('/own', (req, res) => void res.send(req.url))
    app.use('/v1', router)
    const { url } = await listen(app)
    expect((await send(url, '/v1/own?x=1')).text).toBe('/own?x=1')
  })
})

describe.each([
  ['Koa 2', Koa2 as unknown as typeof Koa],
  ['Koa 3', Koa],
])('%s mounts', (_, Framework) => {
  it('nest around the gateway', async () => {
    const upstream = await startUpstream()
    const app = new Framework()
    app.use(mountAt('/out', mountAt('/in', createKoaGateway({ name: 'a', upstream: upstream.url }))))
    const { url } = await listen(app.callback() as never)
    const replies = [await send(url, '/out/in/x?y=1'), await send(url, '/out/in'), await send(url, '/out/x')]
    expect([replies.map(({ status }) => status), upstream.seen.map((seen) => seen.target)]).toEqual([
      [200, 200, 404],
      ['/x?y=1', '/'],
    ])
  })

  it('may hold an application with the gateway and the routes behind it', async () => {
    const [app, inner] = [new Framework(), new Framework()]
    inner.use(
      createKoaGateway({
        name: 'a',
        hooks: {
          pre: [(request) => void (request.path = `/v2${request.path}`)],
          response: [(response) => response.headers.set('x-hook', '1')],
        },
      }),
    )
    inner.use((ctx) => {
      ctx.body = [ctx.path, ctx.url, ctx.originalUrl]
    })
    app.use(mountAt('/v1', inner))
    const { url } = await listen(app.callback() as never)
    const reply = await send(url, '/v1/items/7?x=1')
    // What Koa shows below a mount: the path without it.
    expect([JSON.parse(reply.text), reply.headers['x-hook']]).toEqual([
      ['/v2/items/7', '/v2/items/7?x=1', '/v1/items/7?x=1'],
      '1',
    ])
  })
})
