import fc from 'fast-check'
import { changed, changes, cuts, often } from './raw-bytes.ts'

/** What is asked, and what the upstream sends then. */
export interface Played {
  readonly method: 'GET' | 'POST' | 'HEAD'
  readonly text: string
  readonly cuts: readonly number[]
  readonly ending: 'stays' | 'ends' | 'resets'
}

const statusLine = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      'HTTP/1.1 200 OK',
      'HTTP/1.1 404 Not Found',
      'HTTP/1.1 204 No Content',
      'HTTP/1.1 304 Not Modified',
      'HTTP/1.1 503 x',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'HTTP/1.1 200',
      'HTTP/1.1 200 ',
      'HTTP/1.0 200 OK',
      'HTTP/1.1 099 x',
      'HTTP/1.1 101 Switching Protocols',
      'HTTP/1.1 600 x',
      'HTTP/1.1 2000 x',
      'HTTP/1.1 000 x',
      'HTTP/2 200',
      'ICY 200 OK',
      'HTTP/1.1 200 \u00FF\u00E9',
      'SSH-2.0-x',
      '',
      'HTTP/1.1  200 OK',
      'HTTP/1.1 999 x',
    ),
  },
)
const interim = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
      'HTTP/1.1 102 x\r\nContent-Length: 5\r\n\r\n',
    ),
  },
)
const LINES = [
  'Connection: close',
  'Connection: keep-alive',
  'Connection: content-length',
  'Content-Type: text/plain',
  'Set-Cookie: a=b',
  'Set-Cookie: c=d',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip',
  'Transfer-Encoding: chunked, chunked',
  'Content-Length: 3',
  'Content-Length: -1',
  'Content-Length: 3, 3',
  'Content-Length: 99999999999999999999',
  'Content-Encoding: gzip',
  'Trailer: X',
  'Keep-Alive: timeout=1',
  'Upgrade: h2c',
  'X: a\rb',
  'X: a\0b',
  'X: a\r\n folded',
  'X : a',
  ': a',
  'X',
  `X: ${'y'.repeat(9000)}`,
  '__proto__: x',
  'X: \u00FF',
]
const lines = fc.oneof(
  { weight: 4, arbitrary: fc.constant([]) },
  { weight: 3, arbitrary: fc.array(fc.constantFrom(...LINES), { maxLength: 3 }) },
)
const content = fc.constantFrom(
  '',
  'abc',
  'hello world',
  'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged',
  'x'.repeat(3000),
  'x'.repeat(70_000),
)
const framing = fc.oneof(
  { weight: 4, arbitrary: fc.constant('length' as const) },
  { weight: 4, arbitrary: fc.constant('chunks' as const) },
  { weight: 2, arbitrary: fc.constant('end' as const) },
  { weight: 1, arbitrary: fc.record({ off: fc.constantFrom(-2, -1, 1, 50) }) },
)
const lastChunk = often(
  '0\r\n\r\n',
  '0\r\nX-Trailer: 1\r\n\r\n',
  '0\r\nContent-Length: 1\r\n\r\n',
  '',
  '0\r\n',
  '00;x=y\r\n\r\n',
  '0\r\nbroken\r\n\r\n',
)
const behind = often('', 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged', 'x', '\r\n')

const text = fc
  .record({
    interim,
    statusLine,
    lines,
    content,
    framing,
    lastChunk,
    behind,
    size: fc.integer({ min: 1, max: 5000 }),
    changes,
  })
  .map(
    ({
      interim: first,
      statusLine: status,
      lines: all,
      content: body,
      framing: framed,
      lastChunk: last,
      behind: rest,
      size,
      changes: made,
    }) => {
      const head = [status, ...all]
      let sent = body
      if (framed === 'length') head.push(`Content-Length: ${body.length}`)
      else if (framed === 'chunks') {
        head.push('Transfer-Encoding: chunked')
        sent = ''
        // The reader reads an answer anew with every packet: of 70,000 pieces its own time would be found too long.
        const step = Math.max(size, Math.ceil(body.length / 5_000))
        for (let from = 0; from < body.length; from += step) {
          const piece = body.slice(from, from + step)
          sent += `${piece.length.toString(16)}\r\n${piece}\r\n`
        }
        sent += last
      } else if (framed !== 'end') head.push(`Content-Length: ${Math.max(0, body.length + framed.off)}`)
      return changed(`${first}${head.join('\r\n')}\r\n\r\n${sent}${rest}`, made)
    },
  )

const one: fc.Arbitrary<Played> = fc.record({
  method: fc.constantFrom('GET', 'GET', 'POST', 'HEAD'),
  text,
  cuts,
  ending: fc.oneof(
    { weight: 4, arbitrary: fc.constant('ends' as const) },
    { weight: 3, arbitrary: fc.constant('resets' as const) },
    { weight: 3, arbitrary: fc.constant('stays' as const) },
  ),
})

/** Several at the same time: some wait for a deadline. */
export const several = fc.array(one, { minLength: 1, maxLength: 30, size: 'max' })
