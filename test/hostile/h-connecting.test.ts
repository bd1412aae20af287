import dns from 'node:dns'
import { createServer as createPlainServer } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import { createServer as createSocketServer, type Socket } from 'node:net'
import tls from 'node:tls'
import { afterEach, expect, it, vi } from 'vitest'
import { AUTHORITY, EXPIRED, KEY, OF_ANOTHER, VALID } from '../support/certificates.ts'
import { closeLater } from '../support/cleanup.ts'
import type { Mounted } from '../support/hosts.ts'
import { type RawAnswer, rawExchange } from '../support/raw-client.ts'
import { deafPort, listen, listenRaw } from '../support/server.ts'
import { SELF_SIGNED } from '../support/tls.ts'
import { attack, cleanUpAfterAttacks, envelope } from './attack.ts'
import { upstreams } from './catalogue/h.ts'

cleanUpAfterAttacks()
afterEach(() => vi.restoreAllMocks())

const REQUEST = 'POST /attack HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody'
const ask = (port: number): Promise<RawAnswer> => rawExchange(port, REQUEST)

function failuresOf({ gateway }: Mounted): string[] {
  const failures: string[] = []
  gateway.on('upstreamError', ({ error }) => failures.push(`${error.code} ${error.message}`))
  return failures
}

/** A name server for `shop.example`; every other name is the machine's affair. */
function resolveShop(answer: (done: (address: string) => void) => void): void {
  const { lookup } = dns
  const answering = (name: string, options: dns.LookupAllOptions, done: (...result: unknown[]) => void): void => {
    if (name !== 'shop.example') lookup(name, options, done)
    else answer((address) => (options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)))
  }
  vi.spyOn(dns, 'lookup').mockImplementation(answering as never)
}

attack(upstreams, 'H01', (mount) => {
  it.each([
    ['refuses the connection', async () => `127.0.0.1:${await deafPort()}`, /ECONNREFUSED/],
    // A broadcast address: the kernel says at once that nothing can be sent there, and nothing is.
    ['has no route to it', async () => '255.255.255.255:9', /ENETUNREACH|EHOSTUNREACH|EACCES|EINVAL|EADDRNOTAVAIL/],
    ['has a name that does not exist', async () => 'nowhere.invalid', /ENOTFOUND|EAI_AGAIN/],
  ])('an upstream that %s is 502', async (_, host, reason) => {
    const mounted = await mount({ name: 'a', upstream: `http://${await host()}` })
    const failures = failuresOf(mounted)
    const answer = await ask(mounted.port)
    expect([answer.status, answer.body]).toEqual([502, envelope('Bad Gateway')])
    expect(failures).toEqual([expect.stringMatching(reason)])
    expect(failures[0]).toMatch(/^PSTN_UPSTREAM_UNREACHABLE/)
  })

  it('a name server that never answers, and a handshake that never ends, are 504 when connectTimeoutMs is over', async () => {
    const silent = await listenRaw(() => undefined)
    const upstream = (url: string): object => ({ upstream: { url, connectTimeoutMs: 100 } })
    const mounted = await mount([
      { name: 'a', listenPath: '/name/', ...upstream('http://shop.example') },
      { name: 'b', listenPath: '/handshake/', ...upstream(`https://127.0.0.1:${silent.port}`) },
    ])
    const failures = failuresOf(mounted)
    resolveShop(() => undefined)
    const answers = await Promise.all(
      ['/name/', '/handshake/'].map((target) => rawExchange(mounted.port, REQUEST.replace('/attack', target))),
    )
    for (const { status, body } of answers) expect([status, body]).toEqual([504, envelope('Gateway Timeout')])
    expect(failures.map((failure) => failure.split(' ')[0])).toEqual(Array(2).fill('PSTN_UPSTREAM_TIMEOUT'))
  })

  it('a name is resolved anew for every connection', async () => {
    const answering = (socket: Socket, name: string): void => {
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n${name}`))
    }
    const first = await listenRaw((socket) => answering(socket, 'a'))
    // All of 127.0.0.0/8 is this machine, on systems where only one address of it is set up the test ends here.
    const second = createSocketServer((socket) =>
      answering(
        socket.on('error', () => undefined),
        'b',
      ),
    )
    const here = await new Promise<boolean>((resolve) => {
      second.once('error', () => resolve(false)).listen(first.port, '127.0.0.2', () => resolve(true))
    })
    if (here) closeLater(() => new Promise((resolve) => second.close(resolve)))
    const { port } = await mount({ name: 'a', upstream: `http://shop.example:${first.port}` })
    const addresses = ['127.0.0.1', here ? '127.0.0.2' : '127.0.0.1']
    let asked = 0
    resolveShop((done) => done(addresses[asked++]!))
    expect([(await ask(port)).body, (await ask(port)).body, asked]).toEqual(['a', here ? 'b' : 'a', 2])
  })
})

attack(upstreams, 'H05', (mount) => {
  /** What Node trusts is fixed when a process starts: the authority of the tests is added connection by connection. */
  function trustAuthority(): void {
    const { connect } = tls
    vi.spyOn(tls, 'connect').mockImplementation(((options: tls.ConnectionOptions) =>
      connect({ ...options, ca: AUTHORITY })) as never)
  }

  /** An HTTPS server that counts what reaches it. */
  async function securely(options: ServerOptions): Promise<{ readonly url: string; readonly asked: () => number }> {
    let asked = 0
    const { url } = await listen(createServer(options, (_, res) => res.end(String((asked += 1)))))
    return { url, asked: () => asked }
  }

  const REFUSED: readonly (readonly [what: string, options: ServerOptions, reason: RegExp])[] = [
    ['that has expired', { key: KEY, cert: EXPIRED }, /CERT_HAS_EXPIRED/],
    ['for another name', { key: KEY, cert: OF_ANOTHER }, /ERR_TLS_CERT_ALTNAME_INVALID/],
    ['that nobody known has signed', SELF_SIGNED, /SELF_SIGNED/],
  ]
  it.each(REFUSED)('an upstream with a certificate %s is 502 and gets nothing', async (_, options, reason) => {
    trustAuthority()
    const { url, asked } = await securely(options)
    const mounted = await mount({ name: 'a', upstream: url })
    const failures = failuresOf(mounted)
    const answer = await ask(mounted.port)
    expect([answer.status, answer.body, asked()]).toEqual([502, envelope('Bad Gateway'), 0])
    expect(failures).toEqual([expect.stringMatching(reason)])
  })

  it.each([
    [
      'speaks TLS 1.0 only',
      { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' },
      /PROTOCOL|VERSION/i,
    ],
    ['speaks HTTP/2 only', { ALPNProtocols: ['h2'] }, /ALPN|APPLICATION_PROTOCOL|ECONNRESET|closed/i],
    ['asks for a certificate of the client', { requestCert: true, rejectUnauthorized: true, ca: AUTHORITY }, /./],
  ] as const)('an upstream that %s is 502 and acts on nothing', async (_, options, reason) => {
    trustAuthority()
    const { url, asked } = await securely({ key: KEY, cert: VALID, ...(options as ServerOptions) })
    const mounted = await mount({ name: 'a', upstream: url })
    const failures = failuresOf(mounted)
    const answer = await ask(mounted.port)
    expect([answer.status, answer.body, asked()]).toEqual([502, envelope('Bad Gateway'), 0])
    expect(failures).toEqual([expect.stringMatching(reason)])
  })

  it('an upstream that speaks plain HTTP where TLS is expected is 502 and gets no request', async () => {
    let asked = 0
    const plain = await listen(createPlainServer((_, res) => res.end(String((asked += 1)))))
    const mounted = await mount({ name: 'a', upstream: `https://127.0.0.1:${plain.port}` })
    const failures = failuresOf(mounted)
    const answer = await ask(mounted.port)
    expect([answer.status, answer.body, asked]).toEqual([502, envelope('Bad Gateway'), 0])
    expect(failures).toEqual([expect.stringMatching(/^PSTN_UPSTREAM_UNREACHABLE/)])
  })

  it('an upstream with a valid certificate is asked', async () => {
    trustAuthority()
    const { url, asked } = await securely({ key: KEY, cert: VALID })
    const mounted = await mount({ name: 'a', upstream: url })
    expect([(await ask(mounted.port)).status, asked()]).toEqual([200, 1])
  })

  it('verifyTls: false asks anybody, and a warning says so once, when the gateway is made', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const { url } = await securely(SELF_SIGNED)
    const mounted = await mount({ name: 'careless', upstream: { url, verifyTls: false } })
    const said = (): unknown[] => warn.mock.calls.map(([text]) => text).filter((text) => /verifyTls/.test(String(text)))
    expect(said()).toEqual([expect.stringContaining('"careless" accepts any certificate')])
    expect([(await ask(mounted.port)).status, (await ask(mounted.port)).status, said().length]).toEqual([200, 200, 1])
  })
})
