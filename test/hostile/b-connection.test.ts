import { expect, it } from 'vitest'
import { type Line, valuesOf } from '../support/lines.ts'
import { rawExchange } from '../support/raw-client.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { headerSafety } from './catalogue/b.ts'

cleanUpAfterAttacks()

const get = (...fields: readonly string[]): string =>
  `GET /attack HTTP/1.1\r\nHost: a\r\n${fields.join('\r\n')}\r\n\r\n`

const CONNECTION_FIELDS: readonly Line[] = [
  ['Connection', 'sentinel'],
  ['Keep-Alive', 'sentinel=1'],
  ['Proxy-Connection', 'sentinel'],
  ['Proxy-Authenticate', 'Basic realm=sentinel'],
  ['Proxy-Authorization', 'Basic sentinel'],
  ['TE', 'trailers, sentinel'],
  ['TE', 'trailers'],
  ['Trailer', 'sentinel'],
  ['Upgrade', 'sentinel'],
  ['HTTP2-Settings', 'sentinel'],
]

attack(headerSafety, 'B01', (mount) => {
  it('keeps the fields of the client connection from the upstream', async () => {
    const { port, upstream, unharmed } = await besiege(mount)
    for (const [name, value] of CONNECTION_FIELDS) {
      const { status } = await rawExchange(port, get(`${name}: ${value}`, 'X-Kept: 1'))
      const { lines } = upstream.seen.at(-1)!
      expect([name, status, lines.flat().join(' ')]).toEqual([name, 200, expect.not.stringContaining('sentinel')])
      expect(valuesOf(lines, name.toLowerCase())).toEqual(name === 'Connection' ? ['keep-alive'] : [])
      expect(valuesOf(lines, 'x-kept')).toEqual(['1'])
    }
    await unharmed()
  })

  it('makes the framing of the request anew', async () => {
    const { port, upstream, unharmed } = await besiege(mount)
    const { status } = await rawExchange(
      port,
      'POST /attack HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 9\r\n\r\n',
    )
    const [{ body, lines }] = upstream.seen as [(typeof upstream.seen)[number]]
    expect([status, body, valuesOf(lines, 'trailer'), valuesOf(lines, 'x-sum')]).toEqual([200, 'hello', [], []])
    expect(['', ...valuesOf(lines, 'transfer-encoding')].at(-1)).not.toBe('Chunked')
    await unharmed()
  })
})

const many = (count: number): string =>
  Array.from({ length: count }, (_, i) => (i === count - 1 ? 'x-secret' : `x-${i}`)).join(', ')

const NOMINATIONS: readonly (readonly [what: string, lines: readonly string[]])[] = [
  ['on one line', ['Connection: close, X-Secret']],
  ['on three lines', ['Connection: x-a', 'Connection: X-Secret', 'Connection: close']],
  ['in odd case', ['cOnNeCtIoN:  , x-sEcReT ,']],
  ['in quotes', ['Connection: "X-Secret"']],
  ['in one pair of quotes for all', ['Connection: "x-a, X-Secret"']],
  ['as the last of 100', [`Connection: ${many(100)}`]],
]

attack(headerSafety, 'B02', (mount) => {
  it.each(NOMINATIONS)('a field nominated %s is not forwarded', async (_, lines) => {
    const { port, upstream, unharmed } = await besiege(mount)
    const { status } = await rawExchange(port, get(...lines, 'X-SECRET: 1', 'x-secret: 2', 'X-Kept: 3'))
    const { lines: seen } = upstream.seen[0]!
    expect([status, valuesOf(seen, 'x-secret'), valuesOf(seen, 'x-kept')]).toEqual([200, [], ['3']])
    await unharmed()
  })

  it.each([
    ['101 names on one line', [`Connection: ${many(101)}`]],
    ['200 names on one line', [`Connection: ${many(200)}`]],
    ['200 names on two lines', [`Connection: ${many(100)}`, `Connection: ${many(100)}`]],
  ])('%s are refused', async (_, lines) => {
    const { port, upstream, unharmed } = await besiege(mount)
    const { status, body, lines: answered } = await rawExchange(port, get(...lines, 'X-Secret: 1'))
    expect([status, body, valuesOf(answered, 'connection')]).toEqual([400, envelope('Malformed request'), ['close']])
    expect(upstream.seen).toEqual([])
    await unharmed()
  })
})

attack(headerSafety, 'B03', (mount) => {
  it('nothing of ours is nominated away, nor what says where the message goes and where it ends', async () => {
    const { port, upstream, unharmed } = await besiege(mount, {
      hooks: { pre: [(request) => request.headers.set('x-user', 'ann')] },
    })
    const { status } = await rawExchange(
      port,
      'POST /attack HTTP/1.1\r\nHost: a\r\nX-User: eve\r\nAuthorization: Basic abc\r\nCookie: a=1\r\nContent-Length: 5\r\nConnection: close, X-Forwarded-For, x-forwarded-host, x-user, host, Content-Length, authorization, Cookie\r\n\r\nhello',
    )
    const { lines, body, framing } = upstream.seen[0]!
    const kept = ['host', 'x-forwarded-for', 'x-forwarded-host', 'x-user', 'content-length', 'authorization', 'cookie']
    expect([status, body, framing]).toEqual([200, 'hello', 'length'])
    expect(kept.map((name) => valuesOf(lines, name))).toEqual([
      [`127.0.0.1:${upstream.port}`],
      ['127.0.0.1'],
      ['a'],
      ['ann'],
      ['5'],
      ['Basic abc'],
      ['a=1'],
    ])
    await unharmed()
  })

  it.each([
    ['none', ['secret-key']],
    ['all', []],
  ] as const)('with strip %s the key goes upstream as the definition says', async (strip, sent) => {
    const { port, upstream, gateway } = await besiege(mount, { authentication: { token: { strip } } })
    await gateway.sessions.create({}, { key: 'secret-key' })
    const { status } = await rawExchange(port, get('Authorization: secret-key', 'Connection: close, Authorization'))
    expect([status, valuesOf(upstream.seen[0]!.lines, 'authorization')]).toEqual([200, sent])
  })
})

attack(headerSafety, 'B04', (mount) => {
  const RESPONSES: readonly (readonly [what: string, fields: readonly string[]])[] = [
    ...CONNECTION_FIELDS.map(
      ([name, value]) => [`${name}: ${value}`, [`${name}: ${value.replace('trailers', 'sentinel')}`]] as const,
    ),
    ...NOMINATIONS.map(([what, lines]) => [`nominated ${what}`, [...lines, 'X-SECRET: sentinel']] as const),
    ['nominated as the last of 200', [`Connection: ${many(200)}`, 'X-Secret: sentinel']],
  ]

  it('keeps the fields of the upstream connection from the client', async () => {
    const upstream = await strictUpstream(({ target }) => {
      const fields = RESPONSES[Number(target.slice('/attack/'.length))]?.[1]
      return wireAnswer(`GET ${target}`, '200 OK', fields?.map((field) => `${field}\r\n`).join(''))
    })
    const { port, unharmed } = await besiege(mount, {}, { upstream })
    for (const [i, [what]] of RESPONSES.entries()) {
      const { status, body, lines } = await rawExchange(port, `GET /attack/${i} HTTP/1.1\r\nHost: a\r\n\r\n`)
      expect([what, status, body]).toEqual([what, 200, `GET /attack/${i}`])
      expect([what, lines.flat().join(' ')]).toEqual([what, expect.not.stringMatching(/sentinel|x-secret/i)])
    }
    await unharmed()
  })

  it('makes the framing of the answer anew, and drops trailers', async () => {
    const upstream = await strictUpstream(({ target }) => {
      const text = `GET ${target}`
      return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\nX-Sum: sentinel\r\n\r\n`
    })
    const { port, unharmed } = await besiege(mount, {}, { upstream })
    const { body, lines } = await rawExchange(port, get())
    expect([body, lines.flat().join(' ')]).toEqual(['GET /attack', expect.not.stringMatching(/sentinel|x-sum/i)])
    await unharmed()
  })
})

attack(headerSafety, 'B18', (mount) => {
  it.each(['Max-Forwards: 0', 'Max-Forwards: 5', 'X-Plain: 1'])('TRACE with %s is refused', async (field) => {
    const met: string[] = []
    const { port, upstream, unharmed } = await besiege(mount, {
      hooks: { pre: [({ method }) => void met.push(method)] },
    })
    const { status, body, lines } = await rawExchange(
      port,
      `TRACE /attack HTTP/1.1\r\nHost: a\r\nCookie: secret=1\r\n${field}\r\n\r\n`,
    )
    expect([status, body]).toEqual([405, envelope('Method not allowed')])
    expect([upstream.seen, met, lines.flat().join(' ')]).toEqual([[], [], expect.not.stringContaining('secret')])
    await unharmed()
  })

  it.each(['GET', 'OPTIONS'])('Max-Forwards passes unchanged on %s', async (method) => {
    const { port, upstream, unharmed } = await besiege(mount)
    const statuses: number[] = []
    for (const hops of ['0', '1', '10']) {
      const { status } = await rawExchange(port, `${method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: ${hops}\r\n\r\n`)
      statuses.push(status)
    }
    expect(statuses).toEqual([200, 200, 200])
    expect(upstream.seen.flatMap(({ lines }) => valuesOf(lines, 'max-forwards'))).toEqual(['0', '1', '10'])
    await unharmed()
  })
})

attack(headerSafety, 'B19', (mount) => {
  it.each([
    ['plainly', []],
    ['nominating the field away', ['Connection: close, CDN-Loop, Via']],
    ['behind other gateways', ['CDN-Loop: other; hops=99, "quoted, postern"', 'CDN-Loop: third']],
  ])('a request that comes back again and again, sent %s, ends with 508', async (_, fields) => {
    let passes = 0
    const siege = await besiege(mount, {
      hooks: {
        pre: [
          (request) => {
            if (request.path !== '/attack') return
            passes += 1
            request.upstream = siege.url
          },
        ],
      },
    })
    const { status, body, lines } = await rawExchange(siege.port, get(...fields))
    expect([status, body, passes]).toEqual([508, envelope('Loop detected'), 10])
    expect(valuesOf(lines, 'via')).toEqual([])
    await siege.unharmed()
  })
})
