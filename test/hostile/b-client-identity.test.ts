import type { EventEmitter } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { ApiDefinitionInput, ForwardedPolicy } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { closeLater } from '../support/cleanup.ts'
import type { Mount } from '../support/hosts.ts'
import { type Line, valuesOf } from '../support/lines.ts'
import { rawExchange } from '../support/raw-client.ts'
import { strictUpstream } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks, type Siege } from './attack.ts'
import { headerSafety } from './catalogue/b.ts'

cleanUpAfterAttacks()

// Where there is no IPv6 at all, nothing can be asked over it.
const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'))

const CLAIMS: readonly Line[] = [
  ['X-Forwarded-For', '203.0.113.7'],
  ['X-Forwarded-For', '198.51.100.1'],
  ['X-Forwarded-Proto', 'https'],
  ['X-Forwarded-Host', 'shop.example'],
  ['X-Forwarded-Port', '444'],
  ['X-Forwarded-Prefix', '/admin'],
  ['X-Forwarded', 'for=203.0.113.9'],
  ['Forwarded', 'for=203.0.113.9;proto=https'],
  ['X-Real-IP', '203.0.113.8'],
  ['X_Forwarded_For', '203.0.113.10'],
  ['X-Forwarded_Proto', 'https'],
  ['x_real_ip', '203.0.113.11'],
]

const FAMILY = /forwarded|real.ip/i

interface Identified {
  readonly siege: Siege
  /** What plugins are told. */
  readonly told: readonly string[]
}

async function identified(
  mount: Mount,
  definition: Partial<ApiDefinitionInput>,
  setup: Parameters<typeof besiege>[2] = {},
): Promise<Identified> {
  const told: string[] = []
  const siege = await besiege(
    mount,
    { hooks: { pre: [({ clientAddress }) => void told.push(clientAddress)] }, ...definition },
    setup,
  )
  return { siege, told }
}

const request = (lines: readonly Line[], target = '/attack'): string =>
  `GET ${target} HTTP/1.1\r\nHost: front.example\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`

attack(headerSafety, 'B10', (mount) => {
  const ask = async (
    forwarded: ForwardedPolicy,
    trustedProxies: readonly string[],
  ): Promise<{ family: readonly Line[]; told: readonly string[]; recorded: readonly string[] }> => {
    const upstream = await strictUpstream()
    const { siege, told } = await identified(
      mount,
      { trustedProxies, upstream: { url: upstream.url, forwarded } },
      { upstream },
    )
    await rawExchange(siege.port, request(CLAIMS))
    await expect.poll(() => siege.gateway.records.list()).toHaveLength(1)
    const recorded = siege.gateway.records.list().map(({ clientAddress }) => clientAddress)
    const family = upstream.seen[0]!.lines.filter(([name]) => FAMILY.test(name))
    const answer = { family, told: [...told], recorded }
    await siege.unharmed()
    return answer
  }

  it.each(['append', 'set'] as const)('with %s and trusting nobody, all of it is replaced', async (policy) => {
    for (const trusted of [[], ['10.0.0.0/8', '::1']]) {
      const { family, told, recorded } = await ask(policy, trusted)
      expect(family).toEqual([
        ['X-Forwarded-For', '127.0.0.1'],
        ['X-Forwarded-Host', 'front.example'],
        ['X-Forwarded-Proto', 'http'],
      ])
      expect([told, recorded]).toEqual([['127.0.0.1'], ['127.0.0.1']])
    }
  })

  it.each([
    ['one network', ['127.0.0.0/8'], '198.51.100.1'],
    ['two hops', ['127.0.0.0/8', '198.51.100.0/24'], '203.0.113.7'],
  ])('trusting %s, it is kept and the client is found in it', async (_, trusted, address) => {
    const { family, told, recorded } = await ask('append', trusted)
    const values = (name: string): string[] => valuesOf(family, name)
    expect(values('x-forwarded-for')).toEqual(['203.0.113.7, 198.51.100.1, 127.0.0.1'])
    expect([values('x-forwarded-host'), values('x-forwarded-proto'), values('x-forwarded-port')]).toEqual([
      ['shop.example'],
      ['https'],
      ['444'],
    ])
    expect(family.filter(([name]) => name.includes('_'))).toEqual([])
    expect([told, recorded]).toEqual([[address], [address]])
    // The same reading of what the upstream got gives the same client.
    const hops = values('x-forwarded-for')[0]!.split(', ')
    expect(hops.findLast((hop) => !hop.startsWith('127.') && !(trusted.length > 1 && hop.startsWith('198.')))).toBe(
      address,
    )
  })

  it('trusting one network, set still replaces it and remove sends nothing', async () => {
    const { family } = await ask('set', ['127.0.0.1'])
    expect(family.map(([name]) => name)).toEqual(['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto'])
    expect(valuesOf(family, 'x-forwarded-for')).toEqual(['127.0.0.1'])
    for (const trusted of [[], ['127.0.0.1']]) expect((await ask('remove', trusted)).family).toEqual([])
  })

  it('limits count by API and key: no claim gives a client another bucket', async () => {
    const { siege } = await identified(mount, { trustedProxies: ['127.0.0.1'], limits: { rate: 2, per: 60 } })
    const statuses: number[] = []
    for (const address of ['203.0.113.1', '203.0.113.2', '203.0.113.3']) {
      const { status } = await rawExchange(siege.port, request([['X-Forwarded-For', address]]))
      statuses.push(status)
    }
    expect(statuses).toEqual([200, 200, 429])
  })
})

attack(headerSafety, 'B11', (mount) => {
  const ADDRESSES: readonly (readonly [forwardedFor: string, address: string])[] = [
    ...[
      '2001:db8::7',
      '2001:DB8::7',
      '2001:db8:0:0:0:0:0:7',
      '2001:0db8::0007',
      '[2001:db8::7]',
      '[2001:db8::7]:443',
    ].map((spelling) => [spelling, '2001:db8::7'] as const),
    ...['2001:db8::7%eth0', '[2001:db8::7%25eth0]:1'].map((zone) => [zone, '2001:db8::7'] as const),
    ...['1.2.3.4', '1.2.3.4:5678', '::ffff:1.2.3.4', '::FFFF:1.2.3.4', '::ffff:102:304', '[::ffff:1.2.3.4]:80'].map(
      (spelling) => [spelling, '1.2.3.4'] as const,
    ),
    ...['0:0:0:0:0:ffff:1.2.3.4', '  1.2.3.4  ', '9.9.9.9,1.2.3.4'].map((spelling) => [spelling, '1.2.3.4'] as const),
    ...[
      'unknown',
      '_hidden',
      '',
      ',',
      ', ,',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4',
      '256.1.1.1',
      '1.2.3.4:',
      '1.2.3.4:x',
    ].map((garbage) => [garbage, '127.0.0.1'] as const),
    ...['<script>', 'for=1.2.3.4', '"1.2.3.4"', '[1.2.3.4', '2001:db8::7]', ':::', '[]', '[]:80', '1.2.3.4%eth0'].map(
      (garbage) => [garbage, '127.0.0.1'] as const,
    ),
    ['6.6.6.6, garbage', '127.0.0.1'],
    ['6.6.6.6, garbage, 10.0.0.2', '10.0.0.2'],
    ['garbage, 6.6.6.6, 10.0.0.2:99', '6.6.6.6'],
    ['6.6.6.6, ::ffff:10.0.0.3, 10.0.0.2', '6.6.6.6'],
  ]

  it('one client has one address, read from the right up to what is no address', async () => {
    const { siege, told } = await identified(mount, { trustedProxies: ['127.0.0.1', '10.0.0.0/8'] })
    const found: (readonly [string, string])[] = []
    for (const [forwardedFor] of ADDRESSES) {
      await rawExchange(siege.port, request([['X-Forwarded-For', forwardedFor]]))
      found.push([forwardedFor, told.at(-1)!])
    }
    expect(found).toEqual(ADDRESSES)
    await siege.unharmed()
  })

  it.each([
    ['proxies', '203.0.113.7', Array.from({ length: 10_000 }, (_, i) => `10.${i >> 8}.0.${i & 255}`), '203.0.113.7'],
    ['IPv6 proxies', '203.0.113.7', Array.from({ length: 10_000 }, (_, i) => `fd00::${i.toString(16)}`), '203.0.113.7'],
    ['addresses', '203.0.113.7', Array.from({ length: 10_000 }, () => '198.51.100.1'), '198.51.100.1'],
    ['pieces of garbage', '203.0.113.7', Array.from({ length: 10_000 }, () => 'x'), '127.0.0.1'],
    ['empty entries', '203.0.113.7', Array.from({ length: 10_000 }, () => ''), '127.0.0.1'],
  ])('10,000 %s take no time anybody would notice', async (_, first, entries, address) => {
    const { siege, told } = await identified(
      mount,
      { trustedProxies: ['127.0.0.1', '10.0.0.0/8', 'fd00::/8'] },
      { server: { maxHeaderBytes: 1_048_576 } },
    )
    const started = performance.now()
    const { status } = await rawExchange(siege.port, request([['X-Forwarded-For', [first, ...entries].join(',')]]))
    expect([status, told]).toEqual([200, [address]])
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  it.runIf(hasIpv6)('an IPv4 client on a dual-stack socket has its IPv4 address', async () => {
    const { siege, told } = await identified(mount, { trustedProxies: ['127.0.0.0/8'] })
    const dual = await onAllAddresses(siege.server)
    await rawExchange(dual, request([['X-Forwarded-For', '::ffff:203.0.113.7']]))
    await rawExchange(dual, request([]))
    expect(told).toEqual(['203.0.113.7', '127.0.0.1'])
    expect(siege.upstream.seen.flatMap(({ lines }) => valuesOf(lines, 'x-forwarded-for'))).toEqual([
      '::ffff:203.0.113.7, 127.0.0.1',
      '127.0.0.1',
    ])
  })
})

/** The same application behind a socket for IPv6 and IPv4. */
async function onAllAddresses(server: EventEmitter): Promise<number> {
  const dual = createServer((req, res) => void server.emit('request', req, res))
  closeLater(() => {
    dual.closeAllConnections()
    return new Promise((resolve) => dual.close(resolve))
  })
  await new Promise<void>((resolve) => dual.listen(0, '::', resolve))
  return (dual.address() as AddressInfo).port
}

attack(headerSafety, 'B12', (mount) => {
  const HOSTS: readonly (readonly [what: string, lines: readonly Line[], asked: string])[] = [
    ['its own', [], 'front.example'],
    ['what a trusted proxy says', [['X-Forwarded-Host', 'shop.example:8443']], 'shop.example:8443'],
    ['what the nearest proxy says', [['X-Forwarded-Host', 'evil.example, shop.example']], 'shop.example'],
    ...[
      'evil example',
      'a@evil.example',
      'evil.example/..',
      'a,',
      'evil.example:99999',
      '<script>',
      'a\\b',
      '[::1',
    ].map((bad): readonly [string, readonly Line[], string] => [bad, [['X-Forwarded-Host', bad]], 'front.example']),
  ]

  describe.each([false, true])('with preserveHost %s', (preserveHost) => {
    it('the upstream gets one Host, as documented', async () => {
      const { upstream } = await besiege(mount)
      const { port } = await besiege(mount, {
        trustedProxies: ['127.0.0.1'],
        upstream: { url: upstream.url, preserveHost },
      })
      for (const [what, lines, asked] of HOSTS) {
        const { status } = await rawExchange(port, request(lines))
        const seen = upstream.seen.at(-1)!.lines
        expect([what, status, valuesOf(seen, 'host'), valuesOf(seen, 'x-forwarded-host')]).toEqual([
          what,
          200,
          [preserveHost ? asked : `127.0.0.1:${upstream.port}`],
          [asked],
        ])
      }
      expect(upstream.violations).toEqual([])
    })

    it('a request without a Host, as HTTP/1.0 allows, goes out with that of the upstream', async () => {
      const { upstream } = await besiege(mount)
      const { port } = await besiege(mount, { upstream: { url: upstream.url, preserveHost } })
      const { status } = await rawExchange(port, 'GET / HTTP/1.0\r\n\r\n')
      expect([status, valuesOf(upstream.seen[0]!.lines, 'host')]).toEqual([200, [`127.0.0.1:${upstream.port}`]])
    })
  })

  it('an upstream a plugin chooses gets its own Host', async () => {
    const { upstream: other } = await besiege(mount)
    const { port, upstream } = await besiege(mount, {
      hooks: { pre: [(incoming) => void (incoming.upstream = other.url)] },
    })
    await rawExchange(port, request([]))
    expect(upstream.seen).toEqual([])
    expect(valuesOf(other.seen[0]!.lines, 'host')).toEqual([`127.0.0.1:${other.port}`])
  })

  it.runIf(hasIpv6)('an IPv6 address is in brackets', async () => {
    const { upstream, server } = await besiege(mount)
    const port = await onAllAddresses(server)
    const front = await besiege(mount, { upstream: `http://[::1]:${port}` })
    await rawExchange(front.port, request([]))
    expect(valuesOf(upstream.seen[0]!.lines, 'x-forwarded-host')).toEqual([`[::1]:${port}`])
  })
})
