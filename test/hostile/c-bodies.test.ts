import { setTimeout as sleep } from 'node:timers/promises'
import type { ResponsePlugin } from '@postern/core'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { valuesOf } from '../support/lines.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { BODIES_AND_STREAMS } from './catalogue/c.ts'
import { statusesIn } from './refusals.ts'

cleanUpAfterAttacks()

const post = (type: string, body: string, ...fields: readonly string[]): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n${body}`

/** node:http has no parsers. */
const hasParsers = (host: string): boolean => host !== 'node:http'

attack(BODIES_AND_STREAMS, 'C09', (mount, host) => {
  const JSON_BODY = '{ "a" : 1,\t"b":[ 1.0 ] }'

  it('is forwarded byte for byte where nothing has read it', async () => {
    const siege = await besiege(mount)
    await rawExchange(siege.port, post('application/json', JSON_BODY))
    expect(siege.upstream.seen[0]?.body).toBe(JSON_BODY)
    await siege.unharmed()
  })

  // The body parser of Koa keeps the raw bytes beside what it made of them.
  const keepsRaw = host.startsWith('Koa')

  it.runIf(hasParsers(host))(
    'is forwarded as its raw bytes, or written out again from JSON, with its true length',
    async () => {
      const siege = await besiege(mount, {}, { parser: 'json' })
      const { status } = await rawExchange(siege.port, post('application/json', JSON_BODY))
      expect([status, siege.upstream.seen[0]?.body]).toEqual([200, keepsRaw ? JSON_BODY : '{"a":1,"b":[1]}'])
      await siege.unharmed()
    },
  )

  it.runIf(hasParsers(host))('is forwarded as its raw bytes, or written out again from a flat form', async () => {
    const siege = await besiege(mount, {}, { parser: 'form' })
    await rawExchange(siege.port, post('application/x-www-form-urlencoded', 'a=1&b=%C3%A4&a=2'))
    expect(siege.upstream.seen[0]?.body).toBe(keepsRaw ? 'a=1&b=%C3%A4&a=2' : 'a=1&a=2&b=%C3%A4')
    await siege.unharmed()
  })

  it
    .runIf(hasParsers(host))
    .each([
      [
        'multipart',
        'multipart/form-data; boundary=b',
        '--b\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n--b--\r\n',
        'multipart',
      ],
      ...(keepsRaw ? [] : [['a nested form', 'application/x-www-form-urlencoded', 'a[b]=1', 'form'] as const]),
    ] as const)('is refused, never guessed, from %s', async (_, type, body, parser) => {
    const siege = await besiege(mount, {}, { parser })
    const errors: string[] = []
    siege.gateway.on('upstreamError', ({ error }) => void errors.push(`${error.code} ${error.message}`))
    const answer = await rawExchange(siege.port, post(type, body))
    expect([answer.status, answer.body, siege.upstream.seen]).toEqual([
      500,
      '{\n    "error": "There was a problem proxying the request"\n}',
      [],
    ])
    expect(errors).toEqual([expect.stringMatching(/^PSTN_BODY_CONSUMED .*mount the gateway above the body parser/)])
    await siege.unharmed()
  })

  it.runIf(hasParsers(host))('cannot grow a part by a value with line ends in it', async () => {
    const siege = await besiege(mount, {}, { parser: 'form' })
    await rawExchange(
      siege.port,
      post('application/x-www-form-urlencoded', 'a=1%0D%0A%0D%0AGET+%2Fsmuggled+HTTP%2F1.1%26b%3D2'),
    )
    expect(siege.upstream.seen.map(({ method, body }) => [method, body])).toEqual([
      ['POST', 'a=1%0D%0A%0D%0AGET+%2Fsmuggled+HTTP%2F1.1%26b%3D2'],
    ])
    await siege.unharmed()
  })
})

attack(BODIES_AND_STREAMS, 'C10', (mount, host) => {
  const runs = hasParsers(host)

  it.runIf(runs)('is not forwarded when the parser refuses it', async () => {
    const siege = await besiege(mount, {}, { parser: 'json' })
    const { status } = await rawExchange(siege.port, post('application/json', '{"a": '))
    expect([status, siege.upstream.seen]).toEqual([400, []])
    await siege.unharmed()
  })

  it.runIf(runs).each(['json', 'form', 'multipart'] as const)(
    'is not forwarded when the client leaves the %s parser',
    async (parser) => {
      const siege = await besiege(mount, {}, { parser })
      const type = parser === 'json' ? 'application/json' : 'application/x-www-form-urlencoded'
      const client = new RawClient(siege.port)
      client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nContent-Length: 100\r\n\r\n{"a":`)
      await sleep(20)
      client.socket.resetAndDestroy()
      await client.closed
      await sleep(20)
      expect(siege.upstream.seen).toEqual([])
      await siege.unharmed()
    },
  )

  it('is not forwarded when its stream broke above the gateway', async () => {
    const siege = await besiege(mount, {}, { above: (req) => req.url === '/broken' && req.destroy() })
    const client = new RawClient(siege.port)
    client.write(post('application/json', '{}').replace('POST /', 'POST /broken'))
    await client.closed
    expect([statusesIn(client.received), siege.upstream.seen]).toEqual([[], []])
    await siege.unharmed()
  })
})

attack(BODIES_AND_STREAMS, 'C12', (mount) => {
  const rewrite: ResponsePlugin = async (response) => {
    response.setBody(`${await response.text()} and more`)
  }
  const looks: ResponsePlugin = ({ headers }) => headers.set('x-seen', 'yes')

  it.each(
    (
      [
        ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n'],
        ['HEAD with a body', wireAnswer('evil')],
        ['HEAD with a smuggled answer', `HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n${wireAnswer('evil')}`],
        ['204', 'HTTP/1.1 204 No Content\r\n\r\n'],
        ['204 with a body', 'HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil'],
        ['304', 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'],
        ['304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n'],
        ['304 with a body', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil'],
      ] as const
    ).flatMap(([what, text]) => [
      [what, 'no plugin', text, []] as const,
      [what, 'a plugin that looks', text, [looks]] as const,
      [what, 'a plugin that changes bodies', text, [rewrite]] as const,
    ]),
  )('has no body, and the next exchange is in step: %s, %s', async (what, _, text, response) => {
    const upstream = await strictUpstream(({ method, target }) =>
      target === '/odd' ? text : wireAnswer(`${method} ${target}`),
    )
    const siege = await besiege(mount, { hooks: { response: [...response] } }, { upstream })
    const client = new RawClient(siege.port)
    const method = what.startsWith('HEAD') ? 'HEAD' : 'GET'
    client.write(`${method} /odd HTTP/1.1\r\nHost: a\r\n\r\n`)
    const odd = await client.answer(method)
    client.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    const next = await client.answer()
    // An upstream that says too much has broken its connection, and may have lost its answer with it.
    expect([200, 204, 304, 502]).toContain(odd.status)
    const more = response.length > 0 && response[0] === rewrite ? ' and more' : ''
    expect([next.status, next.body, client.received]).toEqual([200, `GET /next${more}`, ''])
    expect(client.received).not.toContain('evil')
  })
})

attack(BODIES_AND_STREAMS, 'C14', (mount) => {
  const MULTIPART =
    '--b\r\nContent-Range: bytes 0-1/10\r\n\r\nab\r\n--b\r\nContent-Range: bytes 4-5/10\r\n\r\nef\r\n--b--\r\n'

  it.each([
    [
      'one part',
      ['Range: bytes=0-2', 'If-Range: "1"'],
      wireAnswer('abc', '206 Partial Content', 'Content-Range: bytes 0-2/10\r\nETag: "1"\r\nAccept-Ranges: bytes\r\n'),
      206,
      'abc',
    ],
    [
      'several parts',
      ['Range: bytes=0-1,4-5'],
      wireAnswer(MULTIPART, '206 Partial Content', 'Content-Type: multipart/byteranges; boundary=b\r\n'),
      206,
      MULTIPART,
    ],
    [
      'not satisfiable',
      ['Range: bytes=99-'],
      wireAnswer('', '416 Range Not Satisfiable', 'Content-Range: bytes */10\r\n'),
      416,
      '',
    ],
    [
      'not modified',
      ['If-None-Match: "1", W/"2"'],
      'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nCache-Control: max-age=5\r\n\r\n',
      304,
      '',
    ],
    [
      'a failed precondition',
      ['If-Match: "3"', 'If-Unmodified-Since: Tue, 01 Jan 2030 00:00:00 GMT'],
      wireAnswer('', '412 Precondition Failed'),
      412,
      '',
    ],
  ] as const)('is untouched: %s', async (_, fields, answer, status, body) => {
    const upstream = await strictUpstream(({ method, target }) =>
      target === '/range' ? answer : wireAnswer(`${method} ${target}`),
    )
    const siege = await besiege(mount, {}, { upstream })
    const got = await rawExchange(
      siege.port,
      `GET /range HTTP/1.1\r\nHost: a\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`,
    )
    expect([got.status, got.body]).toEqual([status, body])
    const sent = answer.slice(0, answer.indexOf('\r\n\r\n')).split('\r\n').slice(1)
    for (const line of sent) {
      const [name = '', ...value] = line.split(': ')
      expect([name, valuesOf(got.lines, name.toLowerCase())]).toEqual([name, [value.join(': ')]])
    }
    const asked = new Set(fields.map((field) => field.slice(0, field.indexOf(':'))))
    const forwarded = upstream.seen[0]!.lines.filter(([name]) => asked.has(name))
    expect(forwarded.map((line) => line.join(': '))).toEqual([...fields])
    await siege.unharmed()
  })

  it('is untouched where the parts are compressed', async () => {
    const packed = gzipSync('abcdefgh'.repeat(100)).toString('latin1')
    const upstream = await strictUpstream(({ method, target }) =>
      target === '/range'
        ? `HTTP/1.1 206 Partial Content\r\nContent-Encoding: gzip\r\nContent-Range: bytes 0-${packed.length - 1}/${packed.length}\r\nContent-Length: ${packed.length}\r\n\r\n${packed}`
        : wireAnswer(`${method} ${target}`),
    )
    const siege = await besiege(mount, {}, { upstream })
    const got = await rawExchange(siege.port, 'GET /range HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n')
    expect(gunzipSync(Buffer.from(got.body, 'latin1')).toString()).toBe('abcdefgh'.repeat(100))
    await siege.unharmed()
  })
})
