import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { MALFORMED_HTTP } from './catalogue/a.ts'
import { allSaid, SMUGGLED, statusesIn } from './refusals.ts'

cleanUpAfterAttacks()

const get = (target: string, ...fields: readonly string[]): string =>
  `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`
const LAST = get('/last', 'Connection: close')

attack(MALFORMED_HTTP, 'A25', (mount) => {
  const bodies = [
    ['with a length', `Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
    ['chunked', `Transfer-Encoding: chunked\r\n\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`],
  ] as const

  it.each(
    ['GET', 'HEAD', 'DELETE', 'OPTIONS'].flatMap((method) => bodies.map(([how, body]) => [method, how, body] as const)),
  )('%s %s: the body belongs to its request', async (method, _, body) => {
    const siege = await besiege(mount)
    const client = new RawClient(siege.port)
    client.write(`${method} /x HTTP/1.1\r\nHost: a\r\n${body}`)
    const answer = await client.answer(method)
    client.write(LAST)
    await client.closed
    expect([answer.status, statusesIn(client.received)]).toEqual([200, [200]])
    expect(siege.upstream.seen.map((seen) => [seen.method, seen.target, seen.body])).toEqual([
      [method, '/x', SMUGGLED],
      ['GET', '/last', ''],
    ])
    await siege.unharmed()
  })

  it.each(bodies)('GET %s: the host application below gets no second request', async (_, body) => {
    const targets: string[] = []
    const { port } = await mount(
      { name: 'a' },
      {
        route: (req) => {
          targets.push(req.url ?? '')
          return { body: 'ok' }
        },
      },
    )
    const said = await allSaid(port, `GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${body}`)
    expect([statusesIn(said), targets]).toEqual([[200], ['/x']])
  })
})

attack(MALFORMED_HTTP, 'A26', (mount) => {
  const slow = (ms: number) => () => new Promise<void>((resolve) => setTimeout(resolve, ms))

  it('answers a hundred pipelined requests in order', async () => {
    const siege = await besiege(mount)
    const client = new RawClient(siege.port)
    client.write(Array.from({ length: 100 }, (_, i) => get(`/${i}`)).join(''))
    for (let i = 0; i < 100; i += 1) expect((await client.answer()).body).toBe(`GET /${i}`)
    await siege.unharmed()
  })

  it('answers a POST before the GET behind it, also when that is ready first', async () => {
    const siege = await besiege(mount, { endpoints: { 'POST /': [slow(50)] } })
    const client = new RawClient(siege.port)
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc${get('/behind')}`)
    expect([(await client.answer()).body, (await client.answer()).body]).toEqual(['POST /', 'GET /behind'])
    await siege.unharmed()
  })

  it.each([
    ['garbage', '\u0001\u0002\r\n\r\n'],
    [
      'a second message with two lengths',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    ],
    ['a second message without a host', 'GET /behind HTTP/1.1\r\n\r\n'],
    ['a second message with a bad target', 'GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('answers what was whole, and then refuses or ends: %s', async (_, broken) => {
    for (const ms of [0, 40]) {
      const siege = await besiege(mount, ms === 0 ? {} : { hooks: { pre: [slow(ms)] } })
      const said = await allSaid(siege.port, get('/first') + get('/second') + broken + SMUGGLED)
      expect([
        [200, 200],
        [200, 200, 400],
      ]).toContainEqual(statusesIn(said))
      expect(said.indexOf('GET /first')).toBeLessThan(said.indexOf('GET /second'))
      expect(siege.upstream.seen.map(({ target }) => target).toSorted()).toEqual(['/first', '/second'])
    }
  })

  it('answers what was whole, and then a body that is no HTTP', async () => {
    const siege = await besiege(mount, { endpoints: { 'GET /first': [slow(40)] } })
    const broken = 'POST /broken HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXY'
    const said = await allSaid(siege.port, get('/first') + broken + SMUGGLED)
    expect(statusesIn(said)).toEqual([200, 400])
    expect(siege.upstream.seen.map(({ target }) => target)).toEqual(['/first'])
    await siege.unharmed()
  })

  it.each([
    ['in one piece', [LAST + SMUGGLED]],
    ['in two', [LAST, SMUGGLED]],
  ])('runs nothing that comes behind Connection: close: %s', async (_, pieces) => {
    const siege = await besiege(mount, { hooks: { pre: [slow(30)] } })
    const said = await allSaid(siege.port, ...pieces)
    expect(statusesIn(said)).toEqual([200])
    expect(siege.upstream.seen.map(({ target }) => target)).toEqual(['/last'])
  })

  it('runs nothing that comes behind a refusal', async () => {
    const refused = 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'
    for (const safe of [true, false]) {
      const siege = await besiege(mount, {}, { safe })
      for (const pieces of [[refused + SMUGGLED.repeat(3)], [refused, SMUGGLED, SMUGGLED]]) {
        expect(statusesIn(await allSaid(siege.port, ...pieces))).toEqual([400])
      }
      expect(siege.upstream.seen).toEqual([])
      await siege.unharmed()
    }
  })

  it('concludes requests that wait for their turn when the client leaves', async () => {
    // Node runs pipelined requests at once; behind `createServer` only the first has begun.
    const siege = await besiege(mount, { hooks: { pre: [slow(60_000)] }, pluginTimeoutMs: 60_000 }, { safe: false })
    const client = new RawClient(siege.port)
    client.write(get('/1') + get('/2') + get('/3'))
    await sleep(30)
    client.socket.resetAndDestroy()
    await siege.gateway.close({ timeoutMs: 60_000 })
    expect(siege.gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([499, 499, 499])
  })
})

attack(MALFORMED_HTTP, 'A27', (mount) => {
  it('closes behind an answer to HTTP/1.0', async () => {
    const siege = await besiege(mount)
    const said = await allSaid(siege.port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')
    expect([statusesIn(said), said.endsWith('GET /')]).toEqual([[200], true])
    await siege.unharmed()
  })

  it('keeps the connection of HTTP/1.0 that asks for it', async () => {
    const siege = await besiege(mount)
    const client = new RawClient(siege.port)
    for (const target of ['/1', '/2']) {
      client.write(`GET ${target} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`)
      const { status, body, lines } = await client.answer()
      expect([status, body]).toEqual([200, `GET ${target}`])
      expect(lines.map(([name, value]) => `${name}: ${value}`.toLowerCase())).toContain('connection: keep-alive')
    }
    await siege.unharmed()
  })

  it('needs no host in HTTP/1.0', async () => {
    const siege = await besiege(mount)
    expect(statusesIn(await allSaid(siege.port, 'GET / HTTP/1.0\r\n\r\n'))).toEqual([200])
    await siege.unharmed()
  })

  it.each(['', 'Connection: keep-alive\r\n'])('does not chunk an answer of unknown length: %j', async (fields) => {
    const upstream = await strictUpstream(({ target }, socket) => {
      if (target !== '/chunked') return wireAnswer(`GET ${target}`)
      // Later, so that nobody can count it before the head leaves.
      setTimeout(() => socket.write('3\r\ndef\r\n0\r\n\r\n'), 30)
      return 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'
    })
    const siege = await besiege(mount, {}, { upstream })
    const said = await allSaid(siege.port, `GET /chunked HTTP/1.0\r\nHost: a\r\n${fields}\r\n`)
    expect(said).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(said).not.toMatch(/transfer-encoding/i)
    expect(said.slice(said.indexOf('\r\n\r\n') + 4)).toBe('abcdef')
    await siege.unharmed()
  })
})

attack(MALFORMED_HTTP, 'A28', (mount) => {
  const message =
    'POST /split?a=1 HTTP/1.1\r\nHost: a\r\nX-A:  one \r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailing: 1\r\n\r\n'

  it('means the same wherever it is cut', async () => {
    const siege = await besiege(mount)
    const clients = await Promise.all(
      Array.from({ length: message.length - 1 }, async (_, i) => {
        const client = new RawClient(siege.port)
        client.socket.setNoDelay(true)
        await new Promise((resolve) => client.socket.once('connect', resolve))
        client.write(message.slice(0, i + 1))
        return client
      }),
    )
    await sleep(20)
    const answers = await Promise.all(
      clients.map((client, i) => {
        client.write(message.slice(i + 1))
        return client.answer()
      }),
    )
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`))).toEqual(new Set(['200 POST /split?a=1']))
    const seen = siege.upstream.seen.map(({ body, lines }) => JSON.stringify([body, lines]))
    expect([seen.length, new Set(seen).size]).toEqual([message.length - 1, 1])
    await siege.unharmed()
  })

  it('is refused the same wherever it is cut', async () => {
    const siege = await besiege(mount)
    const broken = message.replace('abc\r\n', 'abcd\r\n')
    const said = await Promise.all(
      Array.from({ length: 30 }, (_, i) => {
        const at = broken.length - 60 + i
        return allSaid(siege.port, broken.slice(0, at), broken.slice(at) + SMUGGLED)
      }),
    )
    expect(new Set(said.map((text) => statusesIn(text).join(' ')))).toEqual(new Set(['400']))
    expect(siege.upstream.seen).toEqual([])
    await siege.unharmed()
  })

  it('means the same byte by byte', async () => {
    const siege = await besiege(mount)
    const { status, body } = await (async () => {
      const client = new RawClient(siege.port)
      client.socket.setNoDelay(true)
      for (const byte of message) {
        client.write(byte)
        await sleep(0)
      }
      return client.answer()
    })()
    expect([status, body, siege.upstream.seen[0]?.body]).toEqual([200, 'POST /split?a=1', 'abc0123456789'])
    await siege.unharmed()
  })
})
