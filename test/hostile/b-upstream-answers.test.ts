import type { Socket } from 'node:net'
import { deny } from '@postern/core'
import { expect, it } from 'vitest'
import { valuesOf } from '../support/lines.ts'
import { type RawAnswer, rawExchange } from '../support/raw-client.ts'
import { deafPort, listenRaw } from '../support/server.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { headerSafety } from './catalogue/b.ts'

cleanUpAfterAttacks()

const ask = (port: number, target = '/attack', fields = ''): Promise<RawAnswer> =>
  rawExchange(port, `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`)

attack(headerSafety, 'B15', (mount) => {
  const length = 'Content-Length: 8\r\n'
  const BROKEN: readonly (readonly [what: string, fields: string, body?: string])[] = [
    ['a space in a name', `${length}X Inside: 1\r\n`],
    ['a space before the colon', `${length}X-Inside : 1\r\n`],
    ['a control byte in a name', `${length}X\u0001Inside: 1\r\n`],
    ['NUL in a name', `${length}X\0Inside: 1\r\n`],
    ['a byte above 127 in a name', `${length}X\u00E9Inside: 1\r\n`],
    ['an empty name', `${length}: inside\r\n`],
    ['no colon', `${length}X-Inside\r\n`],
    ['NUL in a value', `${length}X-Inside: a\0b\r\n`],
    ['a control byte in a value', `${length}X-Inside: a\u0001b\r\n`],
    ['a bare CR in a value', `${length}X-Inside: a\rb\r\n`],
    ['a folded value', `${length}X-Inside: a\r\n b\r\n`],
    ['two lengths', 'Content-Length: 8\r\nContent-Length: 9\r\n'],
    ['the same length twice', 'Content-Length: 8\r\nContent-Length: 8\r\n'],
    ['two lengths in one line', 'Content-Length: 8, 9\r\n'],
    ['a negative length', 'Content-Length: -8\r\n'],
    ['a length with a sign', 'Content-Length: +8\r\n'],
    ['a length that is no number', 'Content-Length: inside\r\n'],
    ['a length no number can hold', `Content-Length: ${'9'.repeat(30)}\r\n`],
    ['a length, then chunks', `${length}Transfer-Encoding: chunked\r\n`, '6\r\ninside\r\n0\r\n\r\n'],
    ['chunks, then a length', `Transfer-Encoding: chunked\r\n${length}`, '6\r\ninside\r\n0\r\n\r\n'],
    ['a status line that is none', '', ''],
  ]

  it.each(BROKEN)('an answer with %s is 502', async (what, fields, body = 'insides\n') => {
    const status = what === 'a status line that is none' ? 'HTTP/1.1 inside' : 'HTTP/1.1 200 OK'
    let dropped = 0
    const upstream = await strictUpstream(({ method, target }, socket: Socket) => {
      if (target !== '/attack') return wireAnswer(`${method} ${target}`)
      socket.once('close', () => (dropped += 1))
      socket.write(`${status}\r\n${fields}\r\n${body}`, 'latin1')
      return undefined
    })
    const { port, gateway, unharmed } = await besiege(mount, {}, { upstream })
    const answer = await ask(port)
    expect([answer.status, answer.body]).toEqual([502, envelope('Bad Gateway')])
    expect(answer.lines.flat().join(' ')).not.toMatch(/inside/i)
    await expect.poll(() => gateway.records.list().map(({ code }) => code)).toEqual(['PSTN_UPSTREAM_INVALID'])
    await expect.poll(() => dropped).toBe(1)
    await unharmed()
  })

  it.each(['9999999999999999', '-8', '8, 9', 'inside'])(
    'an answer to HEAD is 502 as well where its length, which nobody counts by, is %s',
    async (claimed) => {
      const upstream = await strictUpstream(({ method, target }) =>
        target === '/attack'
          ? `HTTP/1.1 200 OK\r\nContent-Length: ${claimed}\r\n\r\n`
          : wireAnswer(`${method} ${target}`),
      )
      const { port, unharmed } = await besiege(mount, {}, { upstream })
      const answer = await rawExchange(port, 'HEAD /attack HTTP/1.1\r\nHost: a\r\n\r\n', 'HEAD')
      expect(answer.status).toBe(502)
      expect(valuesOf(answer.lines, 'content-length')).not.toContain(claimed)
      await unharmed()
    },
  )
})

attack(headerSafety, 'B16', (mount) => {
  const LOCATIONS = [
    '//evil.example/',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    'https:evil.example',
    'javascript:alert(1)',
    'data:text/html,<script>',
    '/a%0d%0aSet-Cookie:%20x=1',
    '/a%0D%0A%0D%0A<script>',
    'http://a@evil.example/',
    'http://127.0.0.1:9/inner',
    'http://front.example.evil.example/',
    '/%2e%2e/%2e%2e/a//b',
    '../../a',
    '?next=//evil.example',
    'caf\u00E9',
    '',
  ]

  it.each([301, 302, 303, 307, 308, 201])(
    '%s passes Location on byte for byte, and nobody follows it',
    async (status) => {
      const upstream = await strictUpstream(({ method, target }) => {
        const [, index] = /^\/attack\/(\d+)$/.exec(target) ?? []
        if (index === undefined) return wireAnswer(`${method} ${target}`)
        return wireAnswer('moved', `${status} Moved`, `Location: ${LOCATIONS[Number(index)]!}\r\n`)
      })
      const { port, unharmed } = await besiege(mount, {}, { upstream })
      for (const [i, location] of LOCATIONS.entries()) {
        const answer = await ask(port, `/attack/${i}`)
        expect([answer.status, answer.body, valuesOf(answer.lines, 'location')]).toEqual([status, 'moved', [location]])
        expect(valuesOf(answer.lines, 'set-cookie')).toEqual([])
      }
      expect(upstream.seen).toHaveLength(LOCATIONS.length)
      await unharmed()
    },
  )
})

attack(headerSafety, 'B17', (mount) => {
  const SCRIPT = `<script>alert("1")</script>'&\u2028\u0000\r\n`
  const KEY = 'secret-key-0123456789'

  const expectHarmless = ({ body, lines }: RawAnswer): void => {
    expect(valuesOf(lines, 'x-content-type-options')).toEqual(['nosniff'])
    expect(body).not.toContain(KEY)
    expect(body).not.toMatch(/\bat \w+|node:|\.ts\b|\.js\b|\/work|127\.0\.0\.1|localhost|inner\.invalid/)
  }

  it.each(['application/json', 'text/html', 'text/plain', ''])(
    'a refusal that repeats what a client of type %j sent is JSON',
    async (type) => {
      const { port, unharmed } = await besiege(mount, {
        hooks: { pre: [({ path }) => (path === '/attack' ? deny(403, SCRIPT) : undefined)] },
      })
      const answer = await ask(port, '/attack', `Accept: text/html\r\nContent-Type: ${type}\r\n`)
      expect([answer.status, JSON.parse(Buffer.from(answer.body, 'latin1').toString())]).toEqual([
        403,
        { error: SCRIPT },
      ])
      expect(valuesOf(answer.lines, 'content-type')).toEqual(['application/json'])
      expectHarmless(answer)
      await unharmed()
    },
  )

  it.each(['application/xml', 'text/xml; charset=utf-8', 'APPLICATION/SOAP+XML'])(
    'to a client of type %s it is XML with everything escaped',
    async (type) => {
      const { port, unharmed } = await besiege(mount, {
        hooks: { pre: [({ path }) => (path === '/attack' ? deny(403, `</error>${SCRIPT}`) : undefined)] },
      })
      const answer = await ask(port, '/attack', `Content-Type: ${type}\r\n`)
      expect(answer.status).toBe(403)
      expect(valuesOf(answer.lines, 'content-type')[0]).toMatch(/xml/)
      expect(answer.body.match(/<[^>]*>/g)).toEqual([
        '<?xml version = "1.0" encoding = "UTF-8"?>',
        '<error>',
        '</error>',
      ])
      expectHarmless(answer)
      await unharmed()
    },
  )

  it('a key nobody knows is not repeated', async () => {
    const { port } = await besiege(mount, { authentication: { token: true } })
    const answer = await ask(port, '/attack', `Authorization: ${KEY}\r\n`)
    expect([answer.status, answer.body]).toEqual([403, envelope('Access to this API has been disallowed')])
    expectHarmless(answer)
  })

  it('a plugin that throws shows neither its message nor its stack', async () => {
    const { port, unharmed } = await besiege(mount, {
      hooks: {
        pre: [
          ({ path }) => {
            if (path === '/attack') throw new Error(`cannot reach inner.invalid with ${KEY}`)
          },
        ],
      },
    })
    const answer = await ask(port)
    expect([answer.status, answer.body]).toEqual([500, envelope('Middleware error')])
    expectHarmless(answer)
    await unharmed()
  })

  it.each([
    ['is not there', async () => `http://127.0.0.1:${await deafPort()}`],
    ['has no address', () => 'http://inner.invalid'],
    ['answers nonsense', async () => (await listenRaw((socket) => socket.end(`inner.invalid ${KEY}\r\n\r\n`))).url],
  ])('an upstream that %s is not named', async (_, url) => {
    const { port } = await besiege(mount, { upstream: await url() })
    const answer = await ask(port, '/attack', `Cookie: ${KEY}\r\n`)
    expect([answer.status, answer.body]).toEqual([502, envelope('Bad Gateway')])
    expectHarmless(answer)
  })

  it.each([
    ['a path with no spelling', '/..%2f<script>', '', 400, 'Malformed request path'],
    ['a head with two readings', '/<script>', 'Host: <script>\r\n', 400, 'Malformed request'],
    ['a coding nobody knows', '/', 'Transfer-Encoding: <script>\r\n', 501, 'Transfer coding not supported'],
  ])('%s is refused with a fixed sentence', async (_, target, fields, status, message) => {
    const { port, unharmed } = await besiege(mount)
    const answer = await ask(port, target, fields)
    expect(answer.body).not.toContain('<')
    expect([[status, 400].includes(answer.status), [envelope(message), envelope('Malformed request')]]).toEqual([
      true,
      expect.arrayContaining([answer.body]),
    ])
    expectHarmless(answer)
    await unharmed()
  })
})
