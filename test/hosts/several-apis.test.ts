import { type ApiDefinitionInput, deny, respond } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts } from '../support/hosts.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

function named(name: string, listenPath: string): ApiDefinitionInput {
  return { name, listenPath, hooks: { pre: [(request, { api }) => respond(200, `${api.name} ${request.path}`)] } }
}

describe.each(hosts)('%s', (_, mount) => {
  it.each([
    ['/x', 'root /x'],
    ['/a', 'a /'],
    ['/a/', 'a /'],
    ['/a/x?y', 'a /x'],
    ['/ab', 'root /ab'],
    ['/a/b', 'ab /'],
    ['/a/b/c', 'ab /c'],
    ['/a/bc', 'a /bc'],
    ['/a/x/../b/c', 'ab /c'],
    ['/%61/b', 'ab /'],
    ['/A', 'a /'],
    ['/A/B/C', 'ab /C'],
  ])('gives %s to the API with the longest listen path', async (target, expected) => {
    const { url } = await mount([named('a', '/a/'), named('root', '/'), named('ab', '/a/b')])
    expect((await send(url, target)).text).toBe(expected)
  })

  it.each(['/shop/admin/7', '/shop//admin/7', '/shop///admin//7', '//shop//admin/7', '/shop/x/..//admin/7'])(
    'does not let %s around the API it is sent on to',
    async (target) => {
      const guard = { name: 'admin', listenPath: '/shop/admin/', hooks: { pre: [() => deny(401, 'No')] } }
      const open = { name: 'shop', listenPath: '/shop/', hooks: { pre: [() => undefined] } }
      const { url, gateway } = await mount([open, guard], { route: (req) => ({ body: req.url ?? '' }) })
      expect((await send(url, target)).status).toBe(401)
      expect(gateway.explain('GET', target).api?.name).toBe('admin')
    },
  )

  it('lets no letter case around the API it is sent on to', async () => {
    const upstream = await startUpstream()
    const open = {
      name: 'open',
      listenPath: '/orders',
      ignoreCase: true,
      stripListenPath: false,
      upstream: upstream.url,
    }
    const guard = {
      name: 'guard',
      listenPath: '/orders/admin',
      upstream: upstream.url,
      hooks: { pre: [() => deny(401, 'No')] },
    }
    const { url } = await mount([open, guard])
    const statuses = await Promise.all(
      ['/orders/admin/x', '/ORDERS/admin/x', '/Orders//admin', '/ORDERS/x'].map(
        async (path) => (await send(url, path)).status,
      ),
    )
    expect(statuses).toEqual([401, 401, 401, 200])
    expect(upstream.seen.map(({ target }) => target)).toEqual(['/orders/x'])
  })

  it.each([
    ['/@admin/7', '/7', '/@admin/7'],
    ['/%40admin/7', '/7', '/@admin/7'],
    ['/%40admin/a/%40b', '/a/%40b', '/@admin/a/%40b'],
    ['/%40admin', '/', '/@admin'],
    ['/%40admin//x', '/x', '/@admin/x'],
    ['/(x)/%2B/7', '/%2B/7', '/(x)/%2B/7'],
    ['/%28x%29/%2B/7', '/%2B/7', '/(x)/%2B/7'],
  ])('meets %s in the spelling of the listen path', async (target, path, sent) => {
    const at = (listenPath: string): ApiDefinitionInput => ({
      name: listenPath,
      listenPath,
      hooks: { pre: [(request) => request.headers.set('x-met', `${listenPath} ${request.path}`)] },
    })
    const { url } = await mount([at('/'), at('/@admin/'), at('/(x)')], {
      route: (req) => ({ body: `${String(req.headers['x-met'])} ${req.url ?? ''}` }),
    })
    const listenPath = sent.startsWith('/@') ? '/@admin/' : '/(x)'
    expect((await send(url, target)).text).toBe(`${listenPath} ${path} ${sent}`)
  })

  it('records a call whose upstream breaks off as what it is', async () => {
    const upstream = await startUpstream((res) => {
      res.writeHead(200, { 'content-length': '100' })
      res.write('half', () => res.socket?.destroy())
    })
    const errors: string[] = []
    const { url, gateway } = await mount([
      {
        name: 'shop',
        listenPath: '/shop',
        hooks: {
          pre: [
            async (__, context) => {
              const answer = await context.call('stock', '/')
              return respond(200, await answer.text().catch(() => 'broken'))
            },
          ],
        },
      },
      { name: 'stock', listenPath: '/stock', upstream: upstream.url },
    ])
    gateway.on('upstreamError', ({ api, error }) => errors.push(`${api.name} ${error.code}`))
    expect((await send(url, '/shop')).text).toBe('broken')
    const codes = (): string[] => gateway.records.list().map(({ apiName, code }) => `${apiName} ${code}`)
    await expect.poll(() => codes().toSorted()).toEqual(['shop ', 'stock PSTN_UPSTREAM_BROKE'])
    expect(errors).toEqual(['stock PSTN_UPSTREAM_BROKE'])
  })

  it('calls another API with its whole chain and without a socket', async () => {
    const upstream = await startUpstream((res, seen) =>
      res
        .writeHead(201, { 'content-type': 'text/x' })
        .end(`${seen.method} ${seen.target} ${seen.headers['x-stock'] ?? ''} ${seen.body.toString()}`),
    )
    const { url, gateway } = await mount([
      {
        name: 'shop',
        listenPath: '/shop',
        hooks: {
          pre: [
            async (__, context) => {
              const answer = await context.call('stock', '/7?full=1', { method: 'POST', body: { n: 1 } })
              return respond(200, {
                status: answer.status,
                type: answer.headers.get('content-type'),
                text: await answer.text(),
              })
            },
          ],
        },
      },
      {
        name: 'stock',
        listenPath: '/stock',
        upstream: upstream.url,
        hooks: {
          pre: [(request) => request.headers.set('x-stock', 'pre')],
          response: [async (response) => response.setBody(`${await response.text()} response`)],
        },
      },
    ])
    const reply = await send(url, '/shop')
    expect(JSON.parse(reply.text)).toEqual({ status: 201, type: 'text/x', text: 'POST /7?full=1 pre {"n":1} response' })
    expect(gateway.records.list().map((record) => record.apiName)).toContain('stock')
  })

  it('brings back the refusal of the API that was called', async () => {
    const { url } = await mount([
      { name: 'shop', listenPath: '/shop', hooks: { pre: [async (__, context) => context.call('stock', '/')] } },
      { name: 'stock', listenPath: '/stock', hooks: { auth: () => deny(401, 'no') } },
    ])
    const reply = await send(url, '/shop')
    expect([reply.status, JSON.parse(reply.text)]).toEqual([401, { error: 'no' }])
  })

  it('answers 508 to a call more than five deep', async () => {
    const depths: number[] = []
    const { url } = await mount({
      name: 'loop',
      hooks: {
        pre: [
          async (request, context) => {
            const depth = Number(request.query.get('depth'))
            depths.push(depth)
            return context.call('loop', `/?depth=${depth + 1}`)
          },
        ],
      },
    })
    const reply = await send(url, '/?depth=0')
    expect([reply.status, JSON.parse(reply.text)]).toEqual([
      508,
      { error: 'Loop level too deep. Found more than 5 loops in single request' },
    ])
    expect(depths).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('answers 500 to a call of an API that is not there', async () => {
    const { url, gateway } = await mount({
      name: 'a',
      hooks: { pre: [async (__, context) => context.call('nobody', '/')] },
    })
    const codes: string[] = []
    gateway.on('pluginError', ({ error }) => codes.push(error.code))
    const reply = await send(url)
    expect([reply.status, reply.text, codes]).toEqual([
      500,
      '{\n    "error": "Middleware error"\n}',
      ['PSTN_CALL_INVALID'],
    ])
  })
})
