import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ApiDefinitionInput, type KeyInput, memoryStore, respond } from '@postern/core'
import { createGateway } from '@postern/koa'
import Koa from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { EventReader, open, type Reply, send } from '../support/client.ts'
import { applications, frameworks, type Host, hosts, type Mounted } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { settled, watchProcess } from '../support/process.ts'
import { signalled } from '../support/promises.ts'
import { RawClient } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

const RATED: ApiDefinitionInput = { name: 'rated', limits: { rate: 3, per: 3600 } }

/** The same, with the answer of the host application shown to a plugin. */
const CAPTURED: ApiDefinitionInput = { ...RATED, hooks: { response: [() => undefined] } }

/** The host answers by itself, its head is shown to a plugin, its body is read by one. */
const WAYS = [
  ['handed over', RATED],
  ['captured', CAPTURED],
  ['read', { ...RATED, hooks: { response: [async (response) => void (await response.bytes())] } }],
] as const satisfies readonly (readonly [string, ApiDefinitionInput])[]

const NAMES = [
  'ratelimit',
  'ratelimit-policy',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'retry-after',
]

/** Every field line that speaks of limits, but for the time of day. */
function limitLines({ lines }: Pick<Reply, 'lines'>): string[] {
  return NAMES.flatMap((name) =>
    valuesOf(lines, name).map((value) => (name.endsWith('reset') ? name : `${name}: ${value}`)),
  )
}

function linesWith(remaining: number): string[] {
  return [
    `ratelimit: "api";r=${remaining};t=3600`,
    'ratelimit-policy: "api";q=3;w=3600',
    'x-ratelimit-limit: 3',
    `x-ratelimit-remaining: ${remaining}`,
    'x-ratelimit-reset',
  ]
}

const LIMITED = '{\n    "error": "API Rate Limit Exceeded"\n}'

describe.each(hosts)('%s', (_, mount) => {
  it('refuses what is beyond the rate, and says on every answer where it stands', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ ...RATED, upstream: upstream.url })
    const replies = [await send(url), await send(url), await send(url), await send(url)]
    expect(replies.map(({ status, text }) => [status, text])).toEqual([
      [200, 'ok'],
      [200, 'ok'],
      [200, 'ok'],
      [429, LIMITED],
    ])
    expect(replies.map(limitLines)).toEqual([
      linesWith(2),
      linesWith(1),
      linesWith(0),
      [...linesWith(0), 'retry-after: 3600'],
    ])
    expect(upstream.seen).toHaveLength(3)
  })

  it('refuses what is beyond the quota of a key', async () => {
    const { url, gateway } = await mount(
      { name: 'a', authentication: { token: true } },
      { route: () => ({ body: 'host' }) },
    )
    const { key } = await gateway.sessions.create({ quotaMax: 1, quotaRenewalRate: 3600 })
    const headers = { authorization: key }
    const [passed, refused] = [await send(url, '/', { headers }), await send(url, '/', { headers })]
    expect([passed.text, passed.headers['x-ratelimit-remaining']]).toEqual(['host', '0'])
    expect([refused.status, refused.text, refused.headers['retry-after']]).toEqual([
      403,
      '{\n    "error": "Quota exceeded"\n}',
      '3600',
    ])
  })

  it('lets exactly the rate through of requests that arrive together', async () => {
    const { url } = await mount({ name: 'a', limits: { rate: 11, per: 3600 } }, { route: () => ({ body: 'host' }) })
    const replies = await Promise.all(Array.from({ length: 40 }, () => send(url)))
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(11)
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(29)
    const left = replies.flatMap((reply) =>
      reply.status === 200 ? [Number(reply.headers['x-ratelimit-remaining'])] : [],
    )
    expect(left.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 11 }, (__, i) => i))
  })

  it('says where limits stand on the answers of plugins, and to plugins that broke', async () => {
    const { url, gateway } = await mount({
      ...RATED,
      endpoints: { 'GET /mine': [() => respond(200, 'mine')] },
      hooks: { post: [() => Promise.reject(new Error('broken'))] },
    })
    gateway.on('pluginError', () => undefined)
    const [mine, broken] = [await send(url, '/mine'), await send(url)]
    expect([mine.status, limitLines(mine), broken.status, limitLines(broken)]).toEqual([
      200,
      linesWith(2),
      500,
      linesWith(1),
    ])
  })

  it('replaces what the upstream says of limits of its own', async () => {
    const upstream = await startUpstream((res) => {
      res.setHeader('X-RateLimit-Limit', ['77', '78'])
      res.setHeader('ratelimit', '"theirs";r=1')
      res.end('ok')
    })
    const { url } = await mount({ ...RATED, upstream: upstream.url })
    expect(limitLines(await send(url))).toEqual(linesWith(2))
  })

  it('charges a request once that waits for its turn, and none whose client has left', async () => {
    const problems = watchProcess()
    const arrived = signalled()
    let now = 0
    const store = memoryStore({ now: () => now })
    const { url, port, gateway } = await mount(
      {
        name: 'a',
        authentication: { token: true },
        hooks: { postAuth: [(request) => (request.path === '/left' ? arrived.signal() : undefined)] },
      },
      { options: { store }, route: () => ({ body: 'host' }) },
    )
    const { key } = await gateway.sessions.create({
      rate: 1,
      per: 10,
      throttleInterval: 0.02,
      throttleRetryLimit: 1_000_000,
      quotaMax: 10,
      quotaRenewalRate: 3600,
    })
    const headers = { authorization: key }
    expect((await send(url, '/', { headers })).text).toBe('host')
    const leaving = new RawClient(port)
    leaving.write(`GET /left HTTP/1.1\r\nHost: a\r\nAuthorization: ${key}\r\n\r\n`)
    await arrived.promise
    leaving.socket.destroy()
    await expect
      .poll(() => gateway.records.list().map(({ path, responseCode }) => [path, responseCode]))
      .toEqual([
        ['/', 200],
        ['/left', 499],
      ])
    const waiting = send(url, '/waited', { headers })
    now += 10_000
    const reply = await waiting
    expect([reply.status, reply.text, reply.headers['retry-after']]).toEqual([200, 'host', undefined])
    expect((await gateway.sessions.quotas(key))[0]?.remaining).toBe(8)
    expect(problems).toEqual([])
  })

  it('counts HEAD as GET at an endpoint', async () => {
    const { url } = await mount(
      { name: 'a', limits: { endpoints: { 'GET /x/:id': { rate: 2, per: 3600 } } } },
      { route: () => ({ body: 'host' }) },
    )
    const head = await send(url, '/x/1', { method: 'HEAD' })
    expect([head.status, head.headers['x-ratelimit-remaining'], head.text]).toEqual([200, '1', ''])
    expect([(await send(url, '/x/2')).status, (await send(url, '/x/3')).status]).toEqual([200, 429])
    const refused = await send(url, '/x/4', { method: 'HEAD' })
    expect([refused.status, refused.text, refused.headers['retry-after']]).toEqual([429, '', '3600'])
  })

  it.each(WAYS)('says so to a body that turned out too long on its way to the host, %s', async (__, definition) => {
    const { port } = await mount(
      // By then the body waits in the stream of the request, and nobody has counted it.
      { ...definition, maxBodyBytes: 10, endpoints: { 'POST /': [settled] } },
      { raw: (___, res) => res.writeHead(200).end('host') },
    )
    const client = new RawClient(port)
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n${'x'.repeat(20)}\r\n0\r\n\r\n`)
    const answer = await client.answer()
    expect([answer.status, limitLines(answer)]).toEqual([413, linesWith(2)])
  })
})

describe.each(applications)('%s as the upstream', (_, mount) => {
  describe.each(WAYS)('%s', (_way, definition) => {
    it('says where the limits stand, whatever it answers', async () => {
      const { url } = await mount(definition, {
        route: (req) => ({ status: Number(req.url?.slice(1)), headers: { 'x-host': '1' }, body: 'host' }),
      })
      const replies = [await send(url, '/200'), await send(url, '/404'), await send(url, '/503')]
      expect(replies.map((reply) => [reply.status, reply.headers['x-host'], reply.text])).toEqual([
        [200, '1', 'host'],
        [404, '1', 'host'],
        [503, '1', 'host'],
      ])
      expect(replies.map(limitLines)).toEqual([linesWith(2), linesWith(1), linesWith(0)])
    })

    it('does not get through with limits of its own', async () => {
      const { url } = await mount(definition, {
        route: () => ({
          headers: {
            'X-RateLimit-Limit': ['77', '78'],
            'x-ratelimit-remaining': '70',
            'X-RATELIMIT-RESET': '1',
            RateLimit: ['"theirs";r=1', '"more";r=1'],
            'RateLimit-Policy': '"theirs";q=1',
            'x-host': '1',
          },
          body: 'host',
        }),
      })
      const reply = await send(url)
      expect([reply.headers['x-host'], reply.text, limitLines(reply)]).toEqual(['1', 'host', linesWith(2)])
    })

    it.each<[string, (req: IncomingMessage, res: ServerResponse) => void]>([
      [
        'set one by one',
        (__, res) => {
          res.statusCode = 200
          res.setHeader('X-RateLimit-Limit', '77').setHeader('x-host', '1').end('host')
        },
      ],
      [
        'written with the head as an object',
        (__, res) =>
          res.writeHead(200, { 'X-RateLimit-Limit': '77', 'RateLimit-Policy': '"t"', 'x-host': '1' }).end('host'),
      ],
      [
        'written with the head as a list',
        (__, res) =>
          res.writeHead(200, ['X-RateLimit-Limit', '77', 'x-ratelimit-limit', '78', 'x-host', '1']).end('host'),
      ],
      [
        'written with a reason',
        (__, res) => res.writeHead(200, 'Fine', { 'x-ratelimit-reset': '77', 'x-host': '1' }).end('host'),
      ],
      [
        'taken off',
        (__, res) => {
          res.statusCode = 200
          for (const name of res.getHeaderNames()) res.removeHeader(name)
          res.setHeader('x-host', '1').end('host')
        },
      ],
    ])('does not get through with fields %s', async (__, raw) => {
      const { url } = await mount(definition, { raw })
      const reply = await send(url)
      expect([reply.status, reply.headers['x-host'], reply.text, limitLines(reply)]).toEqual([
        200,
        '1',
        'host',
        linesWith(2),
      ])
    })
  })

  it.each(WAYS.slice(0, 2))('says so in the head of an event stream, %s', async (__, definition) => {
    const answering = signalled<ServerResponse>()
    const { url } = await mount(definition, {
      raw: (___, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
        answering.signal(res)
      },
    })
    const res = await open(url)
    expect([res.headers['x-ratelimit-remaining'], res.headers['ratelimit']]).toEqual(['2', '"api";r=2;t=3600'])
    const source = await answering.promise
    source.write('data: 1\n\n')
    expect(await new EventReader(res).next()).toBe('data: 1')
    source.end()
  })

  it('is left alone where nothing is limited, and where the limits are kept quiet', async () => {
    const route = (): { headers: Record<string, string>; body: string } => ({
      headers: { 'x-ratelimit-limit': '77' },
      body: 'host',
    })
    const definitions: ApiDefinitionInput[] = [
      { name: 'a' },
      { name: 'a', hooks: { pre: [() => undefined] } },
      { ...RATED, limits: { rate: 3, per: 3600, headers: 'none' } },
      { ...CAPTURED, limits: { rate: 3, per: 3600, headers: 'none' } },
    ]
    for (const definition of definitions) {
      const { url } = await mount(definition, { route })
      expect(limitLines(await send(url))).toEqual(['x-ratelimit-limit: 77'])
    }
  })

  it.each<[string, Partial<ApiDefinitionInput>, KeyInput]>([
    ['the API', { limits: { endpoints: { 'GET /export': { rate: 1, per: 3600 } } } }, {}],
    [
      'a key',
      {},
      {
        accessRights: {
          a: { endpoints: [{ path: '/export', methods: [{ name: 'GET', limit: { rate: 1, per: 3600 } }] }] },
        },
      },
    ],
  ])('is reached past no limit of %s at an endpoint, however the path is spelled', async (__, limited, session) => {
    const definition: ApiDefinitionInput = { name: 'a', authentication: { token: true }, ...limited }
    const here = await mount(definition, { route: () => ({ body: 'host' }) })
    const upstream = await startUpstream()
    const elsewhere = await mount({ ...definition, upstream: upstream.url })
    const statuses = async (to: Mounted, paths: readonly string[]): Promise<number[]> => {
      const { key } = await to.gateway.sessions.create(session)
      const met: number[] = []
      for (const path of paths) met.push((await send(to.url, path, { headers: { authorization: key } })).status)
      return met
    }
    expect(await statuses(here, ['/export', '/EXPORT', '/export/', '/Export/', '/other'])).toEqual([
      200, 429, 429, 429, 200,
    ])
    // To an upstream `/EXPORT` is another place; with a slash at the end it is the same one.
    expect(await statuses(elsewhere, ['/export', '/EXPORT', '/export/'])).toEqual([200, 200, 429])
  })

  it('still says when to come back', async () => {
    const { url } = await mount(RATED, {
      route: () => ({ status: 503, headers: { 'retry-after': '5' }, body: 'host' }),
    })
    expect(limitLines(await send(url))).toEqual([...linesWith(2), 'retry-after: 5'])
  })
})

describe.each(frameworks)('%s', (_, mount) => {
  it.each(WAYS)('says where limits stand on its own 404, %s', async (__, definition) => {
    const { url } = await mount(definition)
    const reply = await send(url, '/nothing-there')
    expect([reply.status, limitLines(reply)]).toEqual([404, linesWith(2)])
  })

  it('finds endpoints below the mount path and the listen path', async () => {
    const { url } = await mount(
      {
        name: 'a',
        listenPath: '/orders/',
        limits: { rate: 5, per: 3600, endpoints: { 'GET /x/:id': { rate: 1, per: 3600 } } },
      },
      { at: '/v1', route: () => ({ body: 'host' }) },
    )
    const replies = [
      await send(url, '/v1/orders/x/1'),
      await send(url, '/v1/orders/x/2'),
      await send(url, '/v1/orders/x'),
    ]
    expect(replies.map((reply) => [reply.status, reply.headers['ratelimit-policy']])).toEqual([
      [200, '"api-endpoint";q=1;w=3600'],
      [429, '"api-endpoint";q=1;w=3600'],
      [200, '"api";q=5;w=3600'],
    ])
  })
})

/** Hosts whose application throws, with an error page of the framework's own. */
const throwing: readonly Host[] = hosts.filter(([name]) => !name.startsWith('Koa'))

describe.each(throwing)('%s whose application throws', (_, mount) => {
  it.each(WAYS)('says where limits stand on its error page, %s', async (__, definition) => {
    const { url } = await mount(definition, {
      raw: () => {
        throw Object.assign(new Error('the application broke'), { status: 500 })
      },
    })
    const reply = await send(url)
    expect([reply.status, limitLines(reply)]).toEqual([500, linesWith(2)])
  })
})

describe.each([
  ['Koa 2', Koa2 as unknown as typeof Koa],
  ['Koa 3', Koa],
])('%s', (_, Framework) => {
  async function start(
    definition: ApiDefinitionInput,
    above: Koa.Middleware[],
    below: Koa.Middleware,
  ): Promise<string> {
    const app = new Framework()
    app.silent = true
    const gateway = createGateway(definition)
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    for (const each of [...above, gateway as Koa.Middleware, below]) app.use(each)
    return (await listen(app.callback() as never)).url
  }

  it.each(WAYS)('says where limits stand when its application throws, %s', async (__, definition) => {
    const url = await start(definition, [], (ctx) => {
      ctx.set('x-half', '1')
      return ctx.throw(418, 'broken', { headers: { 'x-error': '1' } })
    })
    const reply = await send(url)
    expect([reply.status, reply.text, reply.headers['x-half'], reply.headers['x-error']]).toEqual([
      418,
      'broken',
      undefined,
      '1',
    ])
    expect(limitLines(reply)).toEqual(linesWith(2))
  })

  it.each(WAYS)('says so too where a middleware above makes the error page, %s', async (__, definition) => {
    const url = await start(
      definition,
      [
        async (ctx, next) => {
          try {
            await next()
          } catch {
            ctx.status = 500
            ctx.body = 'page'
          }
        },
      ],
      () => Promise.reject(new Error('broken')),
    )
    const reply = await send(url)
    expect([reply.status, reply.text, limitLines(reply)]).toEqual([500, 'page', linesWith(2)])
  })

  it.each(WAYS)('shows middleware above where limits stand, %s', async (__, definition) => {
    const seen: unknown[] = []
    const url = await start(
      definition,
      [
        async (ctx, next) => {
          await next()
          seen.push(ctx.response.get('x-ratelimit-remaining'), ctx.response.get('ratelimit'))
        },
      ],
      (ctx) => void (ctx.body = 'host'),
    )
    const reply = await send(url)
    expect([reply.text, seen]).toEqual(['host', ['2', '"api";r=2;t=3600']])
  })
})
