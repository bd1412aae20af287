import { describe, expect, it } from 'vitest'
import { Client, compileTrust } from '../../packages/core/src/http/client.ts'

interface Case {
  readonly peer: string
  readonly trust?: readonly string[]
  readonly forwardedFor?: string | readonly string[]
}

function client(
  { peer, trust = [], forwardedFor = [] }: Case,
  more: readonly string[] = [],
  encrypted = false,
): Client {
  const lines = [forwardedFor].flat().flatMap((value) => ['X-Forwarded-For', value])
  return new Client({ address: peer, encrypted }, [...lines, ...more], compileTrust(trust))
}

describe('the address of a client', () => {
  it.each<[string, Case, string]>([
    ['is that of the socket', { peer: '203.0.113.9' }, '203.0.113.9'],
    [
      'is that of the socket when nobody is trusted, whatever is claimed',
      { peer: '203.0.113.9', forwardedFor: '1.1.1.1' },
      '203.0.113.9',
    ],
    [
      'is that of the socket when it is not that of a proxy',
      { peer: '203.0.113.9', trust: ['10.0.0.0/8'], forwardedFor: '1.1.1.1' },
      '203.0.113.9',
    ],
    [
      'is what a trusted proxy says',
      { peer: '10.0.0.1', trust: ['10.0.0.0/8'], forwardedFor: '198.51.100.7' },
      '198.51.100.7',
    ],
    [
      'is read from the right: the left is a claim',
      { peer: '10.0.0.1', trust: ['10.0.0.0/8'], forwardedFor: '1.1.1.1, 198.51.100.7' },
      '198.51.100.7',
    ],
    [
      'is read through a row of trusted proxies',
      { peer: '10.0.0.1', trust: ['10.0.0.0/8'], forwardedFor: '1.1.1.1, 198.51.100.7, 10.0.0.3,10.0.0.2' },
      '198.51.100.7',
    ],
    [
      'is read over several lines as over one',
      { peer: '10.0.0.1', trust: ['10.0.0.0/8'], forwardedFor: ['1.1.1.1', '198.51.100.7, 10.0.0.2'] },
      '198.51.100.7',
    ],
    [
      'is the leftmost when all are proxies',
      { peer: '10.0.0.1', trust: ['10.0.0.0/8'], forwardedFor: '10.0.0.3, 10.0.0.2' },
      '10.0.0.3',
    ],
    ['is that of the proxy when it says nothing', { peer: '10.0.0.1', trust: ['10.0.0.0/8'] }, '10.0.0.1'],
    [
      'is the last believable one when nonsense follows',
      { peer: '10.0.0.1', trust: ['10.0.0.0/8'], forwardedFor: 'unknown, 10.0.0.2' },
      '10.0.0.2',
    ],
    [
      'is that of the proxy when it forwards nonsense',
      { peer: '10.0.0.1', trust: ['10.0.0.0/8'], forwardedFor: '198.51.100.7, <script>' },
      '10.0.0.1',
    ],
    [
      'is the same with a port',
      { peer: '10.0.0.1', trust: ['10.0.0.0/8'], forwardedFor: '198.51.100.7:4711' },
      '198.51.100.7',
    ],
    ['is one and the same on a dual-stack socket', { peer: '::ffff:203.0.113.9' }, '203.0.113.9'],
    ['is one and the same in capitals', { peer: '::FFFF:203.0.113.9' }, '203.0.113.9'],
    [
      'is trusted on a dual-stack socket as well',
      { peer: '::ffff:10.0.0.1', trust: ['10.0.0.0/8'], forwardedFor: '::ffff:198.51.100.7' },
      '198.51.100.7',
    ],
    ['may be of IPv6', { peer: '2001:db8::1', trust: ['2001:db8::/32'], forwardedFor: '2001:db9::7' }, '2001:db9::7'],
    ['is of one proxy exactly', { peer: '10.0.0.2', trust: ['10.0.0.1'], forwardedFor: '1.1.1.1' }, '10.0.0.2'],
    ['is empty on a socket that is gone', { peer: '', trust: ['10.0.0.0/8'], forwardedFor: '1.1.1.1' }, ''],
  ])('%s', (_, given, address) => {
    expect(client(given).address).toBe(address)
  })
})

describe('scheme and host of a client', () => {
  const PROXY: Case = { peer: '10.0.0.1', trust: ['10.0.0.1'] }
  const STRANGER: Case = { peer: '203.0.113.9', trust: ['10.0.0.1'] }

  it.each<[string, Case, string[], boolean, [string, string]]>([
    ['come from the socket and the Host header', STRANGER, ['Host', 'a.test:80'], false, ['http', 'a.test:80']],
    ['come from an encrypted socket', STRANGER, ['Host', 'a.test'], true, ['https', 'a.test']],
    [
      'are not claimed by a stranger',
      STRANGER,
      ['Host', 'a.test', 'X-Forwarded-Proto', 'https', 'X-Forwarded-Host', 'b.test'],
      false,
      ['http', 'a.test'],
    ],
    [
      'are what a trusted proxy says',
      PROXY,
      ['Host', 'a.test', 'X-Forwarded-Proto', 'HTTPS', 'X-Forwarded-Host', 'b.test'],
      false,
      ['https', 'b.test'],
    ],
    [
      'are what the nearest proxy says',
      PROXY,
      ['Host', 'a.test', 'X-Forwarded-Proto', 'http, https', 'X-Forwarded-Host', 'evil.test, b.test'],
      false,
      ['https', 'b.test'],
    ],
    [
      'are not nonsense',
      PROXY,
      ['Host', 'a.test', 'X-Forwarded-Proto', 'javascript', 'X-Forwarded-Host', ''],
      false,
      ['http', 'a.test'],
    ],
    ['are empty where there is no Host', STRANGER, [], false, ['http', '']],
  ])('%s', (_, given, lines, encrypted, expected) => {
    const { scheme, host } = client(given, lines, encrypted)
    expect([scheme, host]).toEqual(expected)
  })
})

describe('trust', () => {
  it.each<[string, string, boolean]>([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/0', '203.0.113.9', true],
    ['192.0.2.7/32', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['::1', '::1', true],
    ['::1', '127.0.0.1', false],
    ['10.0.0.0/8', '', false],
    ['10.0.0.0/8', 'nonsense', false],
  ])('in %s for %j is %s', (range, address, trusted) => {
    expect(compileTrust([range])(address)).toBe(trusted)
  })

  it.each([
    '',
    'localhost',
    '10.0.0',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/a',
    '10.0.0.0/8.5',
    '10.0.0.0/',
    '10.0.0.0/ 8',
    '10.0.0.0/8/8',
    '10.0.0.0/0x8',
    '::1/129',
    '10.0.0.0/8 ',
  ])('in %j is refused', (range) => {
    expect(() => compileTrust([range])).toThrow(expect.objectContaining({ code: 'PSTN_VALUE_INVALID' }))
  })

  it('in nobody is for nobody', () => {
    expect(compileTrust([])('127.0.0.1')).toBe(false)
  })
})
