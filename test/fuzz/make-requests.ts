import fc from 'fast-check'
import { changed, changes, cuts, often } from './raw-bytes.ts'

/** What a client sends on one connection, and what it does then. */
export interface Script {
  readonly text: string
  /** Where it is cut into packets. */
  readonly cuts: readonly number[]
  readonly ending: 'waits' | 'ends its side' | 'hangs up'
}

const method = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH') },
  { weight: 1, arbitrary: fc.constantFrom('get', 'TRACE', 'CONNECT', 'PRI', 'QUERY', 'GET/x', 'G ET', 'M-SEARCH', '') },
)

const SEGMENTS = [
  'a',
  'orders',
  '..',
  '.',
  '',
  '%2e',
  '%2F',
  '%00',
  '%',
  '%zz',
  'ä',
  '\\',
  ';x',
  '..;',
  '%c0%ae',
  'a b',
  '[',
  '~',
  '%7e',
]
const path = fc.array(fc.constantFrom(...SEGMENTS), { maxLength: 4 }).map((segments) => `/${segments.join('/')}`)
const query = fc.constantFrom('', '', '?a=1', '?', '?a=%zz', '?a=1#b', '?a= b', '?__proto__[x]=1')
const target = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('/', '/a', '/a/b?c=d', '/orders/7') },
  { weight: 4, arbitrary: fc.tuple(path, query).map(([p, q]) => p + q) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '*',
      'http://a/x',
      'http://u@a/x',
      'https://b/y',
      '//evil/x',
      'a:80',
      '',
      '?x',
      'x',
      'http:/a',
      'HTTP://A/z',
    ),
  },
)

const version = often(
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/1.2',
  'HTTP/0.9',
  'http/1.1',
  'HTTP/1.10',
  'HTTP/ 1.1',
  '',
)

const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('1', 'a, b', '', 'x'.repeat(300), '"q"', 'é', 'a\tb') },
  { weight: 1, arbitrary: fc.constantFrom('a\rb', 'a\nb', 'a\0b', '\u007F', 'a\r\n b', 'x'.repeat(9000)) },
)
const name = fc.constantFrom(
  'X-One',
  'x-two',
  'X_One',
  'Cookie',
  'Connection',
  'Keep-Alive',
  'TE',
  'Trailer',
  'Expect',
  'Upgrade',
  'X-Tyk-Key',
  '__proto__',
  'constructor',
  'Proxy-Connection',
  'X-Forwarded-For',
  'Via',
  'Content-Type',
  'Range',
  'X One',
  'X-One ',
  '',
  'Ä',
  ':x',
)
const NOTABLE_LINES = [
  'Connection: close',
  'Connection: keep-alive',
  'Connection: X-One, close',
  'Connection: host, content-length, transfer-encoding',
  'Connection: upgrade',
  'Upgrade: h2c',
  'Upgrade: websocket',
  'Expect: 100-continue',
  'Expect: 200-ok',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding : chunked',
  'Transfer_Encoding: chunked',
  'Transfer-Encoding: chunked, chunked',
  'Content-Length: 0',
  'Content-Length: 5',
  'Content-Length: +5',
  'Content-Length: 5, 5',
  'Content-Length: 99999999999999999999',
  'Content_Length: 7',
  'Host: other',
  'Host: a:b@c',
  'Host:',
  ' folded: line',
  'Content-Encoding: gzip',
]
const line = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(name, value).map(([n, v]) => `${n}: ${v}`) },
  { weight: 2, arbitrary: fc.constantFrom(...NOTABLE_LINES) },
)

/** Bodies that spell requests: none of them may ever arrive as one. */
const content = fc.constantFrom(
  '',
  'a',
  'hello',
  'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
  '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc',
  '\r\n\r\n',
  'x'.repeat(3000),
)

interface Chunking {
  readonly sizes: readonly number[]
  readonly extension: string
  readonly trailers: string
  readonly upper: boolean
}
const chunking: fc.Arbitrary<Chunking> = fc.record({
  sizes: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 4 }),
  extension: often('', ';a=b', ';a="b\r\n"', ' ;x', ';\n', ';a=\0'),
  trailers: often('', 'X-Trailer: 1\r\n', 'Content-Length: 3\r\n', 'broken\r\n', 'Transfer-Encoding: chunked\r\n'),
  upper: fc.boolean(),
})

function inChunks(body: string, { sizes, extension, trailers, upper }: Chunking): string {
  let text = ''
  let rest = body
  const size = (length: number): string => (upper ? length.toString(16).toUpperCase() : `0${length.toString(16)}`)
  for (const wanted of [...sizes, body.length]) {
    const piece = rest.slice(0, wanted)
    rest = rest.slice(wanted)
    if (piece !== '') text += `${size(piece.length)}${extension}\r\n${piece}\r\n`
  }
  return `${text}0${extension}\r\n${trailers}\r\n`
}

const framing = fc.oneof(
  { weight: 4, arbitrary: fc.constant('as it is' as const) },
  { weight: 3, arbitrary: fc.constant('length' as const) },
  { weight: 3, arbitrary: chunking },
  { weight: 1, arbitrary: fc.record({ off: fc.constantFrom(-2, -1, 1, 7) }) },
)

const request = fc
  .record({
    method,
    target,
    version,
    host: often('Host: a', 'host: a.example:80', 'Host: a\r\nHost: a', '', 'Host: a b'),
    lines: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 3, arbitrary: fc.array(line, { minLength: 1, maxLength: 3 }) },
    ),
    content,
    framing,
    changes,
  })
  .map(
    ({ method: verb, target: where, version: spoken, host, lines, content: body, framing: framed, changes: made }) => {
      const head = [`${verb} ${where} ${spoken}`, ...(host === '' ? [] : [host]), ...lines]
      let sent = ''
      if (framed === 'length') {
        head.push(`Content-Length: ${body.length}`)
        sent = body
      } else if (framed !== 'as it is' && 'off' in framed) {
        head.push(`Content-Length: ${Math.max(0, body.length + framed.off)}`)
        sent = body
      } else if (framed !== 'as it is') {
        head.push('Transfer-Encoding: chunked')
        sent = inChunks(body, framed)
      }
      return changed(`${head.join('\r\n')}\r\n\r\n${sent}`, made)
    },
  )

/** Requests on one connection, well-formed, broken and ambiguous ones, one behind another. */
const script: fc.Arbitrary<Script> = fc.record({
  text: fc.array(request, { minLength: 1, maxLength: 4 }).map((all) => all.join('')),
  cuts,
  ending: fc.oneof(
    { weight: 6, arbitrary: fc.constant('waits' as const) },
    { weight: 2, arbitrary: fc.constant('ends its side' as const) },
    { weight: 2, arbitrary: fc.constant('hangs up' as const) },
  ),
})

/** Several connections at the same time: most of them wait for a deadline. */
export const scripts: fc.Arbitrary<readonly Script[]> = fc.array(script, { minLength: 1, maxLength: 30, size: 'max' })
