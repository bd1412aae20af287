import dns from 'node:dns'
import net from 'node:net'
import { type ApiDefinitionInput, defineApi } from '@postern/core'
import { afterEach, expect, it, vi } from 'vitest'
import { type Mounted } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { type RawAnswer, rawExchange } from '../support/raw-client.ts'
import { strictUpstream } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { upstreams } from './catalogue/h.ts'

cleanUpAfterAttacks()
afterEach(() => vi.restoreAllMocks())

const ask = (port: number, target = '/attack', fields = ''): Promise<RawAnswer> =>
  rawExchange(port, `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`)

/** A plugin that sends `/attack` where it should not. */
function routingTo(url: string | (() => string)): Partial<ApiDefinitionInput> {
  const route = ({ path }: { readonly path: string }): boolean => path === '/attack'
  return {
    hooks: {
      pre: [
        (request) => {
          if (route(request)) request.upstream = typeof url === 'string' ? url : url()
        },
      ],
    },
  }
}

function errorsOf({ gateway }: Mounted): string[] {
  const codes: string[] = []
  gateway.on('pluginError', ({ error }) => codes.push(error.code))
  gateway.on('upstreamError', ({ error }) => codes.push(error.code))
  return codes
}

attack(upstreams, 'H11', (mount) => {
  it.each([
    'file:///etc/passwd',
    'ftp://127.0.0.1/',
    'ws://127.0.0.1/',
    'unix:/var/run/docker.sock',
    'http+unix://%2Fvar%2Frun%2Fdocker.sock/',
    'data:text/plain,a',
    'javascript:alert(1)',
    'gopher://127.0.0.1:6379/_FLUSHALL',
    'http://a@127.0.0.1/',
    'http://a:b@127.0.0.1/',
    'http://127.0.0.1:0/',
    'http://127.0.0.1/?a=1',
    'http://127.0.0.1/#a',
    'http://',
    '//127.0.0.1/',
    '/etc/passwd',
    '',
  ])('a plugin that routes to %j fails, and nothing is sent', async (url) => {
    const siege = await besiege(mount, routingTo(url))
    const errors = errorsOf(siege)
    const answer = await ask(siege.port)
    expect([answer.status, answer.body, errors]).toEqual([500, envelope('Middleware error'), ['PSTN_VALUE_INVALID']])
    expect(siege.upstream.seen).toEqual([])
    await siege.unharmed()
  })

  const LINK_LOCAL = [
    'http://169.254.169.254/latest/meta-data/',
    'http://169.254.169.254:80',
    'https://169.254.169.254',
    'http://169.254.0.1',
    'http://2852039166',
    'http://0xA9FEA9FE',
    'http://0251.0376.0251.0376',
    'http://169.254.43518',
    'http://[::ffff:169.254.169.254]',
    'http://[::ffff:a9fe:a9fe]',
    'http://[fe80::1]',
    'http://[febf::a9fe:a9fe]:8080',
    'http://[64:ff9b::169.254.169.254]',
  ]
  it.each(LINK_LOCAL)('a plugin that routes to %s is answered 502, and nobody connects', async (url) => {
    const siege = await besiege(mount, routingTo(url))
    const errors = errorsOf(siege)
    const connect = vi.spyOn(net, 'connect')
    const answer = await ask(siege.port)
    const connected = connect.mock.calls.length
    connect.mockRestore()
    expect([answer.status, answer.body, errors]).toEqual([502, envelope('Bad Gateway'), ['PSTN_UPSTREAM_FORBIDDEN']])
    // The client of the test, and nobody else.
    expect(connected).toBeLessThanOrEqual(1)
    await siege.unharmed()
  })

  it.each([
    ['169.254.169.254', 4],
    ['::ffff:169.254.169.254', 6],
    ['fe80::1', 6],
  ] as const)('a name that resolves to %s is refused as well', async (address, family) => {
    const siege = await besiege(mount, routingTo('http://metadata.example'))
    const errors = errorsOf(siege)
    const { lookup } = dns
    const answering = (name: string, options: dns.LookupAllOptions, done: (...result: unknown[]) => void): void => {
      if (name !== 'metadata.example') lookup(name, options, done)
      else if (options.all)
        done(null, [
          { address: '127.0.0.1', family: 4 },
          { address, family },
        ])
      else done(null, address, family)
    }
    vi.spyOn(dns, 'lookup').mockImplementation(answering as never)
    const answer = await ask(siege.port)
    expect([answer.status, answer.body, errors]).toEqual([502, envelope('Bad Gateway'), ['PSTN_UPSTREAM_FORBIDDEN']])
    await siege.unharmed()
  })

  it('what a plugin routes to any other address arrives', async () => {
    const elsewhere = await strictUpstream()
    const siege = await besiege(mount, routingTo(`${elsewhere.url}/base`))
    const answer = await ask(siege.port)
    expect([answer.status, answer.body]).toEqual([200, 'GET /base/attack'])
    await siege.unharmed()
  })

  /** Mounts a gateway whose plugin counts and routes to the gateway itself. */
  async function ouroboros(definition: Partial<ApiDefinitionInput> = {}): Promise<Mounted & { passes: () => number }> {
    let passes = 0
    const own = { url: '' }
    const mounted = await besiege(mount, {
      ...definition,
      hooks: {
        pre: [
          (request) => {
            if (request.path !== '/attack') return
            passes += 1
            request.upstream = own.url
          },
        ],
      },
    })
    own.url = mounted.url
    return { ...mounted, passes: () => passes }
  }

  it.each([
    ['as it is', ''],
    ['with a Connection that nominates the count', 'Connection: CDN-Loop\r\n'],
    ['with a count of its own', 'CDN-Loop: postern-000000000000; hops=0, edge\r\nConnection: close, cdn-loop\r\n'],
  ])('a request that a plugin routes to the gateway itself ends after ten passes: %s', async (_, fields) => {
    const mounted = await ouroboros()
    const answer = await ask(mounted.port, '/attack', fields)
    expect([answer.status, answer.body, mounted.passes()]).toEqual([508, envelope('Loop detected'), 10])
    expect((await ask(mounted.port, '/next')).body).toBe('GET /next')
  })

  it('a plugin cannot set the count back', async () => {
    let passes = 0
    const own = { url: '' }
    const mounted = await besiege(mount, {
      hooks: {
        pre: [
          (request) => {
            passes += 1
            request.upstream = own.url
            if (passes % 2 === 0) request.headers.delete('cdn-loop')
            else request.headers.set('cdn-loop', 'nobody')
            request.headers.set('connection', 'cdn-loop')
          },
        ],
      },
    })
    own.url = mounted.url
    const answer = await ask(mounted.port)
    expect([answer.status, passes]).toEqual([508, 10])
  })

  it('a circle that goes through context.call ends as well', async () => {
    let passes = 0
    const own = { url: '' }
    const mounted = await mount([
      defineApi({
        name: 'outer',
        listenPath: '/outer/',
        endpoints: {
          'GET /*rest': [
            async (__, context) => {
              passes += 1
              return context.call('inner', '/x')
            },
          ],
        },
      }),
      defineApi({
        name: 'inner',
        listenPath: '/inner/',
        hooks: { pre: [(request) => void (request.upstream = own.url)] },
      }),
    ])
    own.url = `${mounted.url}/outer`
    const answer = await ask(mounted.port, '/outer/x')
    expect([answer.status, answer.body, passes]).toEqual([508, envelope('Loop detected'), 10])
  })

  it('every forwarded request says where it has been, and keeps what other gateways say', async () => {
    const siege = await besiege(mount)
    await ask(siege.port, '/attack', 'CDN-Loop: edge.example; v=2\r\n')
    const values = valuesOf(siege.upstream.seen[0]!.lines, 'cdn-loop')
    expect(values).toEqual([expect.stringMatching(/^edge\.example; v=2, postern-[\da-f]{12}; hops=1$/)])
    await siege.unharmed()
  })
})
