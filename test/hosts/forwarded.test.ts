import type { ForwardedPolicy } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts, type Mount } from '../support/hosts.ts'
import { type Line, valuesOf } from '../support/lines.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

const CLAIMS = [
  'X-Forwarded-For',
  '203.0.113.7, 198.51.100.1',
  'X-Forwarded-Host',
  'shop.example',
  'X-Forwarded-Proto',
  'https',
  'X-Forwarded-Port',
  '444',
  'X-Real-IP',
  '203.0.113.8',
  'Forwarded',
  'for=203.0.113.9',
  'X_Forwarded_For',
  '203.0.113.10',
]

const LOOPBACK = ['127.0.0.1', '::1']

async function claims(
  mount: Mount,
  forwarded: ForwardedPolicy | undefined,
  trustedProxies: string[],
): Promise<{ lines: readonly Line[]; host: string }> {
  const upstream = await startUpstream()
  const { url } = await mount({
    name: 'a',
    trustedProxies,
    // Twins are dropped before any policy sees them; here the policies are on trial.
    underscoreHeaders: 'keep',
    upstream: { url: upstream.url, forwarded },
  })
  await send(url, '/', { headers: CLAIMS })
  return { lines: upstream.only().lines, host: new URL(url).host }
}

function family(lines: readonly Line[]): Line[] {
  return lines
    .filter(([name]) => /forwarded|real.ip/i.test(name))
    .map(([name, value]): Line => [name.toLowerCase(), value])
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
}

describe.each(hosts)('%s', (_, mount) => {
  it.each([undefined, 'append', 'set'] as const)(
    'with policy %s tells the upstream only what it knows itself of a client nobody vouches for',
    async (policy) => {
      const { lines, host } = await claims(mount, policy, [])
      expect(family(lines)).toEqual([
        ['x-forwarded-for', '127.0.0.1'],
        ['x-forwarded-host', host],
        ['x-forwarded-proto', 'http'],
      ])
    },
  )

  it('appends to what a trusted proxy says', async () => {
    const { lines } = await claims(mount, 'append', LOOPBACK)
    expect(valuesOf(lines, 'x-forwarded-for')).toEqual(['203.0.113.7, 198.51.100.1, 127.0.0.1'])
    expect([valuesOf(lines, 'x-forwarded-host'), valuesOf(lines, 'x-forwarded-proto')]).toEqual([
      ['shop.example'],
      ['https'],
    ])
  })

  it('replaces what a trusted proxy says where the policy is set', async () => {
    const { lines, host } = await claims(mount, 'set', LOOPBACK)
    expect(family(lines)).toEqual([
      ['x-forwarded-for', '127.0.0.1'],
      ['x-forwarded-host', host],
      ['x-forwarded-proto', 'http'],
    ])
  })

  it.each([[[]], [LOOPBACK]])('sends none of them where the policy is remove, trusting %j', async (trusted) => {
    const { lines } = await claims(mount, 'remove', trusted)
    expect(family(lines)).toEqual([])
  })

  it('leaves what the client sends alone where the policy is off', async () => {
    const { lines } = await claims(mount, 'off', [])
    expect(lines.flat().join('\n')).toContain(CLAIMS.join('\n'))
  })

  it('tells plugins the address, the scheme and the host of a client behind a trusted proxy, and of no other', async () => {
    const upstream = await startUpstream((res, seen) => res.end(seen.headers['x-who']))
    const who = async (trustedProxies: string[]): Promise<string> => {
      const { url } = await mount({
        name: 'a',
        trustedProxies,
        upstream: upstream.url,
        hooks: {
          pre: [
            (request) => {
              request.headers.set('x-who', `${request.clientAddress} ${request.scheme} ${request.host}`)
            },
          ],
        },
      })
      const reply = await send(url, '/', { headers: CLAIMS })
      return reply.text.replace(new URL(url).host, 'itself')
    }
    expect([await who([]), await who(LOOPBACK), await who([...LOOPBACK, '198.51.100.0/24'])]).toEqual([
      '127.0.0.1 http itself',
      '198.51.100.1 https shop.example',
      '203.0.113.7 https shop.example',
    ])
  })

  it.each([true, false])(
    'sends the Host of the client upstream where preserveHost is %s, else its own',
    async (preserveHost) => {
      const upstream = await startUpstream()
      const { url } = await mount({ name: 'a', upstream: { url: upstream.url, preserveHost } })
      await send(url, '/', { headers: { host: 'shop.example' } })
      const expected = preserveHost ? 'shop.example' : new URL(upstream.url).host
      expect(valuesOf(upstream.only().lines, 'host')).toEqual([expected])
      expect(valuesOf(upstream.only().lines, 'x-forwarded-host')).toEqual(['shop.example'])
    },
  )
})
