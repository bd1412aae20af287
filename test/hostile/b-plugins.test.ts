import { Readable } from 'node:stream'
import type { BodyInput, GatewayHeaders } from '@postern/core'
import { expect, it } from 'vitest'
import { closeLater } from '../support/cleanup.ts'
import { type Line, valuesOf } from '../support/lines.ts'
import { type RawAnswer, rawExchange } from '../support/raw-client.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { headerSafety } from './catalogue/b.ts'

cleanUpAfterAttacks()

const ask = (port: number, target: string): Promise<RawAnswer> =>
  rawExchange(port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)

attack(headerSafety, 'B05', (mount) => {
  const UNSENDABLE: readonly (readonly [what: string, name: string, value: string])[] = [
    ['CR', 'x-sentinel', 'a\rb'],
    ['LF', 'x-sentinel', 'a\nb'],
    ['a whole field behind CRLF', 'x-sentinel', 'a\r\nx-evil: 1'],
    ['NUL', 'x-sentinel', 'a\0b'],
    ['DEL', 'x-sentinel', 'a\u007Fb'],
    ['a lone surrogate', 'x-sentinel', '\uD800'],
    ['a character above U+00FF', 'x-sentinel', 'a\u2028b'],
    ['a letter whose low byte is LF', 'x-sentinel', 'a\u010Ab'],
    ['a value of 1 MiB', 'x-sentinel', 'x'.repeat(1_048_576)],
    ['a name with a space', 'x-sentinel b', '1'],
    ['a name with a colon', 'x-sentinel:', '1'],
    ['a name with a line break', 'x-sentinel\r\nx-evil', '1'],
    ['a name that is empty', '', 'x-sentinel'],
    ['a name of 1 MiB', `x-sentinel${'x'.repeat(1_048_576)}`, '1'],
  ]

  const set =
    (where: 'request' | 'response', how: 'set' | 'append') =>
    (headers: GatewayHeaders, path: string): void => {
      const [, side, index] = /^\/(request|response)\/(\d+)$/.exec(path) ?? []
      if (side === where) headers[how](UNSENDABLE[Number(index)]![1], UNSENDABLE[Number(index)]![2])
    }

  it.each(['set', 'append'] as const)('%s fails as its plugin, and nothing of the field leaves', async (how) => {
    const onRequest = set('request', how)
    const onResponse = set('response', how)
    const { port, gateway, upstream, unharmed } = await besiege(mount, {
      hooks: {
        pre: [{ name: 'culprit', plugin: (request) => onRequest(request.headers, request.path) }],
        response: [
          { name: 'accomplice', plugin: (response, { request }) => onResponse(response.headers, request.path) },
        ],
      },
    })
    const failures: string[] = []
    gateway.on('pluginError', ({ plugin, error }) => void failures.push(`${plugin} ${error.code}`))
    for (const [where, name] of [
      ['request', 'culprit'],
      ['response', 'accomplice'],
    ] as const) {
      for (const [i, [what]] of UNSENDABLE.entries()) {
        const { status, body, lines } = await ask(port, `/${where}/${i}`)
        expect([what, status, body]).toEqual([what, 500, envelope('Middleware error')])
        expect(lines.flat().join(' ')).not.toMatch(/sentinel|evil/)
        expect([what, failures.splice(0)]).toEqual([what, [`${name} PSTN_HEADER_INVALID`]])
      }
    }
    expect(upstream.seen.map(({ target }) => target)).toEqual(UNSENDABLE.map((_, i) => `/response/${i}`))
    await unharmed()
  })
})

/** The attack a path stands for; none for a canary. */
const attackOf = <T>(attacks: readonly T[], path: string): T | undefined => {
  const [, index] = /^\/attack\/(\d+)$/.exec(path) ?? []
  return attacks[Number(index)]
}

function warnings(): readonly string[] {
  const heard: string[] = []
  const listen = ({ message }: Error): void => void heard.push(message)
  process.on('warning', listen)
  closeLater(() => process.off('warning', listen))
  return heard
}

attack(headerSafety, 'B06', (mount) => {
  const FRAMING: readonly Line[] = [
    ['content-length', '3'],
    ['transfer-encoding', 'gzip'],
    ['connection', 'close, x-kept'],
    ['keep-alive', 'timeout=99'],
    ['te', 'trailers'],
    ['trailer', 'x-kept'],
    ['upgrade', 'h2c'],
  ]

  it.each([
    ['a body of known length', 'Content-Length: 5\r\n\r\nhello'],
    ['a body in chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
  ])('a plugin cannot frame a request with %s, nor choose its Host', async (_, message) => {
    const heard = warnings()
    const fields = [...FRAMING, ['host', 'evil.example'] as const]
    const { port, upstream, unharmed } = await besiege(mount, {
      hooks: {
        pre: [
          ({ path, headers }) => {
            const field = attackOf(fields, path)
            if (field !== undefined) headers.set(...field)
          },
        ],
      },
    })
    for (const [i, [name]] of fields.entries()) {
      const request = `POST /attack/${i} HTTP/1.1\r\nHost: a\r\nX-Kept: 1\r\n${message}`
      const { status } = await rawExchange(port, request)
      const { lines, body } = upstream.seen.at(-1)!
      expect([name, status, body]).toEqual([name, 200, 'hello'])
      expect([name, valuesOf(lines, 'host'), valuesOf(lines, 'connection'), valuesOf(lines, 'x-kept')]).toEqual([
        name,
        [`127.0.0.1:${upstream.port}`],
        ['keep-alive'],
        ['1'],
      ])
      expect(lines.flat().join(' ')).not.toMatch(/gzip|timeout=99|trailer|h2c|evil/)
      await expect.poll(() => heard.filter((text) => text.includes(`request header "${name}"`))).toHaveLength(1)
    }
    await unharmed()
  })

  it('a plugin cannot frame an answer', async () => {
    const heard = warnings()
    const { port, unharmed } = await besiege(mount, {
      hooks: {
        response: [
          ({ headers }, { request }) => {
            const field = attackOf(FRAMING, request.path)
            if (field !== undefined) headers.set(...field)
            headers.set('x-kept', '1')
          },
        ],
      },
    })
    for (const [i, [name]] of FRAMING.entries()) {
      const { status, body, lines } = await ask(port, `/attack/${i}`)
      expect([name, status, body, valuesOf(lines, 'x-kept')]).toEqual([name, 200, `GET /attack/${i}`, ['1']])
      expect([...valuesOf(lines, 'content-length'), ...valuesOf(lines, 'transfer-encoding')]).toHaveLength(1)
      expect(lines.flat().join(' ')).not.toMatch(/gzip|timeout=99|trailer|h2c|close/)
      await expect.poll(() => heard.filter((text) => text.includes(`response header "${name}"`))).toHaveLength(1)
    }
    await unharmed()
  })

  it('says nothing of a length that setBody has written', async () => {
    const heard = warnings()
    const { port, unharmed } = await besiege(mount, {
      hooks: {
        pre: [(request) => request.setBody('other')],
        response: [(response, { request }) => (request.path === '/attack' ? response.setBody('other') : undefined)],
      },
    })
    const { body } = await rawExchange(port, 'POST /attack HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
    await new Promise((resolve) => setImmediate(resolve))
    expect([body, heard.filter((text) => text.includes('has no effect'))]).toEqual(['other', []])
    await unharmed()
  })
})

attack(headerSafety, 'B07', (mount) => {
  const BODIES: readonly (readonly [what: string, make: () => BodyInput, bytes: string, framing: string])[] = [
    ['longer', () => 'hello, hello', 'hello, hello', 'length'],
    ['shorter', () => 'h', 'h', 'length'],
    ['empty', () => '', '', 'length'],
    ['of several bytes a character', () => 'é☕😀', 'é☕😀', 'length'],
    ['a Buffer', () => Buffer.from('é☕'), 'é☕', 'length'],
    ['an object', () => ({ name: 'é' }), '{"name":"é"}', 'length'],
    ['a stream', () => Readable.from([Buffer.from('é'), Buffer.from('☕')]), 'é☕', 'chunked'],
  ]

  it.each([
    ['known length', 'Content-Length: 5\r\n\r\nhello'],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
  ])('the upstream gets the new bytes in place of a body of %s', async (_, message) => {
    const { port, upstream, unharmed } = await besiege(mount, {
      hooks: {
        pre: [
          (request) => {
            const chosen = attackOf(BODIES, request.path)
            if (chosen !== undefined) request.setBody(chosen[1]())
          },
        ],
      },
    })
    for (const [i, [what, , bytes, framing]] of BODIES.entries()) {
      const request = `POST /attack/${i} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n${message}`
      const { status } = await rawExchange(port, request)
      const seen = upstream.seen.at(-1)!
      const body = Buffer.from(seen.body, 'latin1').toString()
      expect([what, status, body, seen.framing]).toEqual([what, 200, bytes, framing])
    }
    await unharmed()
  })

  it('the client gets the new bytes in place of an answer', async () => {
    const { port, unharmed } = await besiege(mount, {
      hooks: {
        response: [
          (response, { request }) => {
            const chosen = attackOf(BODIES, request.path)
            if (chosen !== undefined) response.setBody(chosen[1]())
          },
        ],
      },
    })
    for (const [i, [what, , bytes]] of BODIES.entries()) {
      const { status, body, lines } = await ask(port, `/attack/${i}`)
      expect([what, status, Buffer.from(body, 'latin1').toString()]).toEqual([what, 200, bytes])
      const lengths = valuesOf(lines, 'content-length')
      expect([what, [...lengths, ...valuesOf(lines, 'transfer-encoding')].length]).toEqual([what, 1])
      expect([what, ...lengths]).toEqual(lengths.length === 0 ? [what] : [what, String(Buffer.byteLength(bytes))])
    }
    await unharmed()
  })
})

attack(headerSafety, 'B13', (mount) => {
  const COOKIES = ['a=1; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT', 'b="2, 3"', 'c=\u00E9;HttpOnly']
  const set = COOKIES.map((cookie) => `Set-Cookie: ${cookie}\r\n`).join('')
  const upstream = (): ReturnType<typeof strictUpstream> =>
    strictUpstream(({ target }) => wireAnswer(`GET ${target}`, '200 OK', target === '/attack' ? set : ''))

  it('keeps cookies apart, in order and byte for byte', async () => {
    const { port, unharmed } = await besiege(mount, {}, { upstream: await upstream() })
    expect(valuesOf((await ask(port, '/attack')).lines, 'set-cookie')).toEqual(COOKIES)
    await unharmed()
  })

  it('changes only those a response plugin changes', async () => {
    const { port, unharmed } = await besiege(
      mount,
      {
        hooks: {
          response: [
            ({ headers }, { request }) => {
              if (request.path !== '/attack') return
              const [first, , third] = headers.getSetCookie()
              headers.delete('set-cookie')
              for (const cookie of [first!, third!, 'd=4, 5']) headers.append('set-cookie', cookie)
            },
          ],
        },
      },
      { upstream: await upstream() },
    )
    const { lines } = await ask(port, '/attack')
    expect(valuesOf(lines, 'set-cookie')).toEqual([COOKIES[0], COOKIES[2], 'd=4, 5'])
    await unharmed()
  })
})

attack(headerSafety, 'B14', (mount) => {
  it('keeps order, spelling and bytes of what a client repeats', async () => {
    const sent: readonly Line[] = [
      ['X-One', '1'],
      ['x-empty', ''],
      ['X-ONE', '2'],
      ['X-Bytes', '\u00E9\u00FF\u0080'],
      ['x-one', '1'],
      ['Accept', 'a, b'],
      ['accept', 'c'],
    ]
    const { port, upstream, unharmed } = await besiege(mount)
    const fields = sent.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    await rawExchange(port, Buffer.from(`GET /attack HTTP/1.1\r\nHost: a\r\n${fields}\r\n`, 'latin1'))
    const names = new Set(sent.map(([name]) => name.toLowerCase()))
    expect(upstream.seen[0]!.lines.filter(([name]) => names.has(name.toLowerCase()))).toEqual(sent)
    await unharmed()
  })

  it('joins cookies, where the first of them stood', async () => {
    const read: (string | null)[] = []
    const { port, upstream, unharmed } = await besiege(mount, {
      hooks: { pre: [({ headers }) => void read.push(headers.get('cookie'))] },
    })
    await rawExchange(
      port,
      'GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nX-A: 1\r\ncookie: b=2; c=3\r\nCOOKIE: d=4\r\n\r\n',
    )
    const { lines } = upstream.seen[0]!
    expect([valuesOf(lines, 'cookie'), read[0]]).toEqual([['a=1; b=2; c=3; d=4'], 'a=1; b=2; c=3; d=4'])
    await unharmed()
  })

  it('keeps order, spelling and bytes of what an upstream repeats', async () => {
    const fields = 'X-One: 1\r\nx-empty:\r\nX-Bytes: \u00E9\u00FF\u0080\r\nX-Two: 1, 2\r\nX-ONE: 2\r\n'
    const upstream = await strictUpstream(({ target }) => wireAnswer(`GET ${target}`, '200 OK', fields))
    const { port, unharmed } = await besiege(mount, {}, { upstream })
    const { lines } = await ask(port, '/attack')
    expect(['x-one', 'x-empty', 'x-bytes', 'x-two'].map((name) => valuesOf(lines, name))).toEqual([
      ['1', '2'],
      [''],
      ['\u00E9\u00FF\u0080'],
      ['1, 2'],
    ])
    await unharmed()
  })
})
