import { deny, respond } from '@postern/core'
import { expect, it } from 'vitest'
import { valuesOf } from '../support/lines.ts'
import { rawExchange } from '../support/raw-client.ts'
import { handshakeText, messageOf, openWebSocket, tunnelled, webSocketUpstream } from '../support/websocket.ts'
import { attack, cleanUpAfterAttacks, envelope } from './attack.ts'
import { upgrades } from './catalogue/m.ts'
import { eventually } from './eventually.ts'

cleanUpAfterAttacks()

const UPGRADE = { upgrade: true } as const

attack(upgrades, 'M01', (mount) => {
  it('a WebSocket passes key, limits and plugins, and is recorded when it ends', async () => {
    const upstream = await webSocketUpstream()
    const ran: string[] = []
    const { url, port, gateway } = await mount(
      {
        name: 'a',
        upstream: upstream.url,
        authentication: { token: true },
        hooks: {
          pre: [(request) => request.headers.set('x-pre', '1')],
          postAuth: [(_, { session }) => void ran.push(`postAuth ${String(session.metadata['plan'])}`)],
          post: [(request) => request.query.set('by', 'post')],
          response: [(response) => response.headers.set('x-response', String(response.status))],
          analytics: [() => void ran.push('analytics')],
        },
        endpoints: { 'GET /rooms/:room': [(_, { params }) => void ran.push(`endpoint ${params['room']}`)] },
      },
      UPGRADE,
    )
    const { key } = await gateway.sessions.create({ metadata: { plan: 'paid' }, alias: 'her' })
    const webSocket = await openWebSocket(`${url}/rooms/7?x=1`, ['chat'], { authorization: key })
    webSocket.send('hello')
    expect(await messageOf(webSocket)).toBe('hello')
    expect(ran).toEqual(['postAuth paid', 'endpoint 7'])
    expect(upstream.seen.map(({ target, lines }) => [target, valuesOf(lines, 'x-pre')])).toEqual([
      ['/rooms/7?x=1&by=post', ['1']],
    ])
    expect(webSocket.protocol).toBe('chat')
    expect(gateway.records.list()).toEqual([])
    webSocket.close(1000)
    await eventually(() => expect(gateway.records.list()).toHaveLength(1))
    const [record] = gateway.records.list()
    expect(record).toMatchObject({ responseCode: 101, method: 'GET', path: '/rooms/7', alias: 'her', code: '' })
    expect(ran.at(-1)).toBe('analytics')
    const { status, lines } = await rawExchange(port, handshakeText('/rooms/7', `Authorization: ${key}\r\n`))
    expect([status, valuesOf(lines, 'x-response')]).toEqual([101, ['101']])
  })

  it('handshakes count against the rate of the key, together with other requests', async () => {
    const upstream = await webSocketUpstream()
    const { port, gateway } = await mount(
      { name: 'a', upstream: upstream.url, authentication: { token: true } },
      UPGRADE,
    )
    const { key } = await gateway.sessions.create({ rate: 3, per: 3_600 })
    const field = `Authorization: ${key}\r\n`
    const first = await rawExchange(port, handshakeText('/', field))
    expect([first.status, valuesOf(first.lines, 'x-ratelimit-remaining')]).toEqual([101, ['2']])
    expect((await rawExchange(port, `GET / HTTP/1.1\r\nHost: a\r\n${field}\r\n`)).status).toBe(200)
    expect((await rawExchange(port, handshakeText('/', field))).status).toBe(101)
    const refused = await rawExchange(port, handshakeText('/', field))
    expect([refused.status, refused.body]).toEqual([429, envelope('Rate Limit Exceeded')])
    expect(valuesOf(refused.lines, 'connection')).toEqual(['close'])
    expect(upstream.seen).toHaveLength(2)
  })

  it('a plugin may answer in place of the upstream, or send the upgrade elsewhere', async () => {
    const [upstream, other] = [await webSocketUpstream(), await webSocketUpstream()]
    const { port } = await mount(
      {
        name: 'a',
        upstream: upstream.url,
        hooks: { pre: [(request) => (request.path === '/no' ? deny(418, 'Tea only') : undefined)] },
        endpoints: {
          'GET /here': [() => respond(200, 'virtual')],
          'GET /there': [(request) => void (request.upstream = other.url)],
        },
      },
      UPGRADE,
    )
    const answers = [await rawExchange(port, handshakeText('/no')), await rawExchange(port, handshakeText('/here'))]
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [418, envelope('Tea only')],
      [200, 'virtual'],
    ])
    await tunnelled(port, '/there')
    expect([upstream.seen.length, other.seen.map(({ target }) => target)]).toEqual([0, ['/there']])
  })
})

attack(upgrades, 'M08', (mount) => {
  it('every spelling of a path is the same for an upgrade as for a GET', async () => {
    const upstream = await webSocketUpstream()
    const { port } = await mount(
      {
        name: 'a',
        listenPath: '/api/',
        upstream: `${upstream.url}/base`,
        endpoints: { 'GET /admin/{*rest}': [() => deny(403, 'Guarded')], 'GET /admin': [() => deny(403, 'Guarded')] },
      },
      UPGRADE,
    )
    const targets = [
      '/api/x',
      '/api/x?a=1&b=//c',
      'http://client/api/x',
      'http://evil.example/api/x',
      'HTTP://evil.example:1/api/admin',
      '//api/admin',
      '/api//admin',
      '/api/./admin',
      '/api/x/../admin',
      '/api/%61dmin',
      '/api/%2e%2e/api/admin',
      '/api/admin%2Fx',
      '/api/..%2Fadmin',
      '/api/admin;x',
      '/api/%',
      '/api/%00',
      '/api/../../admin',
      '/api/x\\..\\admin',
      '/other',
      '/apix',
      '*',
    ]
    for (const target of targets) {
      const before = upstream.seen.length
      const get = await rawExchange(port, `GET ${target} HTTP/1.1\r\nHost: client\r\n\r\n`)
      const upgrade = await rawExchange(port, handshakeText(target))
      const reached = upstream.seen.slice(before).map((seen) => `GET ${seen.target}`)
      const passed = get.status === 200
      const expected = passed ? [101, '', [get.body]] : [get.status, get.status === 404 ? upgrade.body : get.body, []]
      // A host application's own 404 has a page of its own.
      expect([target, upgrade.status, upgrade.body, reached]).toEqual([target, ...expected])
    }
    expect(upstream.seen.map(({ target }) => target)).toContain('/base/x')
    expect(upstream.seen.every(({ target }) => !/^\/base\/admin(?:\/|$)/.test(target))).toBe(true)
  })
})

attack(upgrades, 'M11', (mount) => {
  const SPOOFED = [
    'X-Forwarded-For: 6.6.6.6',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: evil',
    'X-Forwarded-Port: 1',
    'X_Forwarded_For: 6.6.6.6',
    'Forwarded: for=6.6.6.6',
    'X-Real-IP: 6.6.6.6',
    'X-Tyk-Api-Expires: never',
  ]
  const fields = (lines: readonly string[]): string => lines.map((line) => `${line}\r\n`).join('')

  it('claims of a stranger are replaced', async () => {
    const upstream = await webSocketUpstream()
    const { port } = await mount({ name: 'a', upstream: upstream.url }, UPGRADE)
    await tunnelled(port, '/', fields(SPOOFED))
    const { lines } = upstream.seen[0]!
    expect(lines.filter(([name]) => /forwarded|real|tyk/i.test(name))).toEqual([
      ['X-Forwarded-For', '127.0.0.1'],
      ['X-Forwarded-Host', 'client'],
      ['X-Forwarded-Proto', 'http'],
    ])
    expect(valuesOf(lines, 'host')).toEqual([new URL(upstream.url).host])
  })

  it('those of a trusted proxy are kept', async () => {
    const upstream = await webSocketUpstream()
    const { port } = await mount({ name: 'a', upstream: upstream.url, trustedProxies: ['127.0.0.1'] }, UPGRADE)
    await tunnelled(port, '/', fields(SPOOFED))
    const { lines } = upstream.seen[0]!
    expect(valuesOf(lines, 'x-forwarded-for')).toEqual(['6.6.6.6, 127.0.0.1'])
    expect(valuesOf(lines, 'x-forwarded-proto')).toEqual(['https'])
  })

  it('nothing of ours is nominated away, and connection fields stay on their connection', async () => {
    const upstream = await webSocketUpstream()
    const pre = [
      (request: { headers: { set(name: string, value: string): void } }) => request.headers.set('x-plugin', '1'),
    ]
    const { port } = await mount({ name: 'a', upstream: upstream.url, hooks: { pre } }, UPGRADE)
    await tunnelled(
      port,
      '/',
      fields([
        'Connection: x-forwarded-for, X-FORWARDED-HOST, x-plugin, x-drop, host',
        'X-Drop: 1',
        'Keep-Alive: 5',
        'Proxy-Authorization: Basic x',
        'Proxy-Connection: keep-alive',
        'TE: trailers',
        'Trailer: x',
        'HTTP2-Settings: x',
        'Expect: 100-continue',
        'X-Twice: 1',
        'x-twice: 2',
      ]),
    )
    const { lines } = upstream.seen[0]!
    expect(
      lines
        .filter(([name]) => !/^sec-|^host$|^cdn-loop$/i.test(name))
        .map(([name, value]) => [name.toLowerCase(), value]),
    ).toEqual([
      ['x-twice', '1'],
      ['x-twice', '2'],
      ['x-plugin', '1'],
      ['x-forwarded-for', '127.0.0.1'],
      ['x-forwarded-host', 'client'],
      ['x-forwarded-proto', 'http'],
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
    ])
  })
})
