import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerReader } from '../../../packages/core/src/forward/http1/answer-reader.ts'
import { HeadReader } from '../../../packages/core/src/forward/http1/head-reader.ts'

/** What is told of the pieces, in one line; pieces of a body are put together, wherever they were cut. */
function told(pieces: readonly string[], { method = 'GET', ends = false, heads = new HeadReader() } = {}): string {
  let said = ''
  let body = ''
  let over = ''
  const reader = new AnswerReader(
    {
      onHead({ status, lines, keepAlive, keepAliveMs }, whole) {
        said = `${status} ${lines.join('|')} ${keepAlive ? 'keep' : 'close'}${keepAliveMs ?? ''}`
        body = whole?.toString('latin1') ?? ''
      },
      onData: (piece) => void (body += piece.toString('latin1')),
      onEnd: (surplus) => void (over = surplus ? ' and more' : ' whole'),
    },
    heads,
  )
  reader.expect(method === 'HEAD')
  try {
    for (const piece of pieces) if (over === '') reader.take(Buffer.from(piece, 'latin1'))
    if (ends && over === '' && !reader.finish()) over = ' cut'
  } catch (error) {
    return `${said} [${body}] ${(error as Error).message}`.trim()
  }
  return said === '' ? `nothing${over}` : `${said} [${body}]${over}`
}

const everySplit = (text: string): [string, string][] =>
  Array.from({ length: text.length - 1 }, (_, i) => [text.slice(0, i + 1), text.slice(i + 1)])

/** Whether something came behind an answer can be seen only where it came along. */
const withoutSurplus = (what: string): string => what.replace(' and more', ' whole')

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\n'

const READ: readonly (readonly [
  what: string,
  bytes: string,
  result: string,
  options?: { method?: string; ends?: boolean },
])[] = [
  ['a length', `${OK}Content-Length: 5\r\n\r\nhello`, '200 Content-Length|5 keep [hello] whole'],
  ['a length of nothing', `${OK}Content-Length: 0\r\n\r\n`, '200 Content-Length|0 keep [] whole'],
  [
    'less than its length',
    `${OK}Content-Length: 5\r\n\r\nhell`,
    '200 Content-Length|5 keep [hell] cut',
    { ends: true },
  ],
  [
    'chunks',
    `${CHUNKED}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`,
    '200 Transfer-Encoding|chunked keep [hello world] whole',
  ],
  ['no chunks', `${CHUNKED}0\r\n\r\n`, '200 Transfer-Encoding|chunked keep [] whole'],
  [
    'chunks in any case',
    `${OK}TRANSFER-ENCODING:CHUNKED \r\n\r\nA\r\n0123456789\r\n00\r\n\r\n`,
    '200 TRANSFER-ENCODING|CHUNKED keep [0123456789] whole',
  ],
  [
    'an extension and a trailer',
    `${CHUNKED}1;a=b;c="d"\r\nx\r\n0;e\r\nX: 1\r\nY: 2\r\n\r\n`,
    '200 Transfer-Encoding|chunked keep [x] whole',
  ],
  [
    'chunks without an end',
    `${CHUNKED}5\r\nhello\r\n0\r\n`,
    '200 Transfer-Encoding|chunked keep [hello] cut',
    { ends: true },
  ],
  ['a body up to the end', `${OK}A: 1\r\n\r\nhello`, '200 A|1 keep [hello] whole', { ends: true }],
  ['no body up to the end', `${OK}\r\n`, '200  keep [] whole', { ends: true }],
  ['an answer to HEAD', `${OK}Content-Length: 5\r\n\r\n`, '200 Content-Length|5 keep [] whole', { method: 'HEAD' }],
  ['a 204', 'HTTP/1.1 204 No Content\r\n\r\n', '204  keep [] whole'],
  [
    'a 304 with a length',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
    '304 Content-Length|5 close [] whole',
  ],
  [
    'a 204 with chunks',
    'HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    '204 Transfer-Encoding|chunked close [] and more',
  ],
  ['no reason', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', '200 Content-Length|0 keep [] whole'],
  ['an empty reason', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', '200 Content-Length|0 keep [] whole'],
  [
    'blanks around values',
    `${OK}A: \t b c  \r\nB:\r\nContent-Length:0\r\n\r\n`,
    '200 A|b c|B||Content-Length|0 keep [] whole',
  ],
  [
    'several fields of a name',
    `${OK}Set-Cookie: a\r\nset-cookie: b\r\nContent-Length: 0\r\n\r\n`,
    '200 Set-Cookie|a|set-cookie|b|Content-Length|0 keep [] whole',
  ],
  [
    'bytes above ASCII',
    `${OK}A: \u00e9\u00ff\r\nContent-Length: 1\r\n\r\n\u00ff`,
    '200 A|\u00e9\u00ff|Content-Length|1 keep [\u00ff] whole',
  ],
  [
    'HTTP/1.0',
    'HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx',
    '200 Content-Length|1|Connection|keep-alive close [x] whole',
  ],
  [
    'Connection: close',
    `${OK}Connection: x, Close\r\nContent-Length: 1\r\n\r\nx`,
    '200 Connection|x, Close|Content-Length|1 close [x] whole',
  ],
  [
    'Connection: closed',
    `${OK}Connection: closed\r\nContent-Length: 1\r\n\r\nx`,
    '200 Connection|closed|Content-Length|1 keep [x] whole',
  ],
  [
    'Keep-Alive',
    `${OK}Keep-Alive: timeout=5, max=10\r\nContent-Length: 1\r\n\r\nx`,
    '200 Keep-Alive|timeout=5, max=10|Content-Length|1 keep5000 [x] whole',
  ],
  [
    'interim answers',
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nA: 1\r\nB : 2\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`,
    '200 Content-Length|1 keep [x] whole',
  ],
  ['another answer behind it', `${OK}Content-Length: 1\r\n\r\nx${OK}`, '200 Content-Length|1 keep [x] and more'],
  ['a line behind chunks', `${CHUNKED}1\r\nx\r\n0\r\n\r\n\r\n`, '200 Transfer-Encoding|chunked keep [x] and more'],
  ['the end in a head', `${OK}Content-Le`, 'nothing cut', { ends: true }],
  ['the end behind an interim answer', 'HTTP/1.1 100 x\r\n\r\n', 'nothing cut', { ends: true }],
]

const REFUSED: readonly (readonly [what: string, bytes: string, message: string])[] = [
  ['another version', 'HTTP/2.0 200 OK\r\n\r\n', 'begins neither'],
  ['a version that is spelt otherwise', 'http/1.1 200 OK\r\n\r\n', 'begins neither'],
  ['another protocol', 'SSH-2.0-x\r\n', 'begins neither'],
  ['an empty line before it', `\r\n${OK}\r\n`, 'begins neither'],
  ['an empty line behind an interim answer', `HTTP/1.1 100 x\r\n\r\n\r\n${OK}\r\n`, 'begins neither'],
  ['two blanks', 'HTTP/1.1  200 OK\r\n\r\n', 'a status that is none'],
  ['a tab for a blank', 'HTTP/1.1\t200 OK\r\n\r\n', 'begins neither'],
  ['two digits', 'HTTP/1.1 20 OK\r\n\r\n', 'a status that is none'],
  ['four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 'a status that is none'],
  ['four digits that begin with 1', 'HTTP/1.1 1000 OK\r\n\r\n', 'a status that is none'],
  ['letters', 'HTTP/1.1 2xx OK\r\n\r\n', 'a status that is none'],
  ['NUL in its reason', 'HTTP/1.1 200 a\0b\r\n\r\n', ''],
  ['CR in its reason', 'HTTP/1.1 200 a\rb\r\n\r\n', ''],
  ['101', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', '101, and nobody had asked'],
  ['lines without CR', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n', 'without CR'],
  ['a field without CR', `${OK}A: 1\nContent-Length: 0\r\n\r\n`, ''],
  ['CR in a value', `${OK}A: 1\r2\r\n\r\n`, ''],
  ['CR before CR LF', `${OK}A: 1\r\r\n\r\n`, ''],
  ['NUL in a value', `${OK}A: 1\0\r\n\r\n`, ''],
  ['DEL in a value', `${OK}A: 1\u007f\r\n\r\n`, 'no message can carry'],
  ['a folded line', `${OK}A: 1\r\n 2\r\n\r\n`, 'without a name'],
  ['a blank before a colon', `${OK}A : 1\r\n\r\n`, 'without a name'],
  ['a field without a name', `${OK}: 1\r\n\r\n`, 'without a name'],
  ['a field without a colon', `${OK}A\r\n\r\n`, 'without a name'],
  ['a name that is no token', `${OK}A(b): 1\r\n\r\n`, 'without a name'],
  ['a name above ASCII', `${OK}\u00c4: 1\r\n\r\n`, 'without a name'],
  ['two lengths', `${OK}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`, 'two framings'],
  ['a length and chunks', `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx`, 'two framings'],
  ['chunks and a length', `${OK}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nx`, 'two framings'],
  ['chunks twice', `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'two framings'],
  ['a list of lengths', `${OK}Content-Length: 1, 1\r\n\r\nx`, 'Content-Length that is none'],
  ['a signed length', `${OK}Content-Length: +1\r\n\r\nx`, 'Content-Length that is none'],
  ['a length in hex', `${OK}Content-Length: 0x1\r\n\r\nx`, 'Content-Length that is none'],
  ['a length no number holds', `${OK}Content-Length: 9999999999999999\r\n\r\nx`, 'Content-Length that is none'],
  ['an empty length', `${OK}Content-Length:\r\n\r\nx`, 'Content-Length that is none'],
  ['another coding', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\nx`, 'coding other than chunked'],
  ['a coding with a tab behind it', `${OK}Transfer-Encoding: chunked\t\r\n\r\nx`, 'coding other than chunked'],
  ['a chunk without a size', `${CHUNKED}\r\n`, 'chunk size that is none'],
  ['a signed chunk size', `${CHUNKED}-1\r\n`, 'chunk size that is none'],
  ['a chunk size in hex with its sign', `${CHUNKED}0x1\r\nx\r\n`, 'chunk size that is none'],
  ['a blank behind a chunk size', `${CHUNKED}1 \r\nx\r\n`, 'chunk size that is none'],
  ['a chunk size no body has', `${CHUNKED}fffffffff\r\n`, 'no body has'],
  ['a chunk size that ends without CR', `${CHUNKED}1\nx\n`, 'chunk size that is none'],
  ['a chunk size that ends without LF', `${CHUNKED}1\rx\r\n`, 'chunk size that is none'],
  ['an empty extension', `${CHUNKED}1;\r\nx\r\n`, 'extension that is none'],
  ['LF in an extension', `${CHUNKED}1;a\nx\r\n`, 'extension that is none'],
  ['too long an extension', `${CHUNKED}1;${'a'.repeat(17_000)}\r\nx\r\n`, 'extension that is none'],
  ['too many extensions', `${CHUNKED}${`1;${'a'.repeat(1_000)}\r\nx\r\n`.repeat(17)}`, 'extension that is none'],
  ['a chunk that is too long', `${CHUNKED}1\r\nxy\r\n`, 'longer than its size'],
  ['a chunk that ends without LF', `${CHUNKED}1\r\nx\ry`, 'longer than its size'],
  ['a trailer that is no field', `${CHUNKED}0\r\nbroken\r\n\r\n`, 'without a name'],
  ['a trailer without CR', `${CHUNKED}0\r\nA: 1\n\r\n`, 'without CR'],
  ['NUL in a trailer', `${CHUNKED}0\r\nA: \0`, ''],
  ['a length in a trailer', `${CHUNKED}0\r\nContent-Length: 1\r\n\r\n`, 'a framing in a trailer'],
  ['too long a trailer', `${CHUNKED}0\r\n${'A: 1\r\n'.repeat(3_000)}\r\n`, 'too long a trailer'],
  ['too long a status line', `HTTP/1.1 200 ${'x'.repeat(9_000)}\r\n\r\n`, 'status line of more than 8192'],
  ['a status line without end', `HTTP/1.1 200 ${'x'.repeat(9_000)}`, 'status line of more than 8192'],
  ['too long a field', `${OK}A: ${'x'.repeat(17_000)}\r\n\r\n`, 'a head that is too long'],
  ['a head without end', `${OK}${'A: 1\r\n'.repeat(10_000)}`, 'a head that is too long'],
  ['an interim answer without end', `HTTP/1.1 103 x\r\n${'A: 1\r\n'.repeat(20_000)}`, 'interim answer of more than'],
  ['an interim answer whose lines end otherwise', `HTTP/1.1 103 x\r\nA: 1\n\r\n\r\n${OK}\r\n`, 'without CR'],
  ['101 interim answers', 'HTTP/1.1 102 x\r\n\r\n'.repeat(101), 'more than 100 interim answers'],
]

describe('an answer', () => {
  it.each(READ.map(([what, bytes, result, options = {}]) => [what, bytes, result, options] as const))(
    'is read, however it is cut: %s',
    (_, bytes, result, options) => {
      expect(told([bytes], options)).toBe(result)
      for (const pieces of everySplit(bytes)) expect(withoutSurplus(told(pieces, options))).toBe(withoutSurplus(result))
      expect(withoutSurplus(told([...bytes], options))).toBe(withoutSurplus(result))
    },
  )

  it.each(REFUSED)('is refused, however it is cut: %s', (_, bytes, message) => {
    const refused = expect.stringMatching(new RegExp(`The upstream sent .*${message}`, 's'))
    expect(told([bytes])).toEqual(refused)
    const splits = bytes.length > 500 ? [[bytes.slice(0, 300), bytes.slice(300)]] : everySplit(bytes)
    for (const pieces of splits) expect(told(pieces)).toEqual(refused)
    expect(told(bytes.length > 500 ? (bytes.match(/[^]{1,97}/g) ?? []) : [...bytes])).toEqual(refused)
  })

  it('is the same, and so is what is wrong with it, wherever it is cut', () => {
    const part = fc.constantFrom(
      'HTTP/1.1 100 x\r\n\r\n',
      OK,
      'HTTP/1.0 200 OK\r\n',
      CHUNKED,
      'Content-Length: 3\r\n',
      'A: b\r\n',
      '\r\n',
      '3\r\nabc\r\n',
      '0\r\n\r\n',
      '1;x\r\n',
      'abc',
      'Transfer-Encoding: chunked\r\n',
      'Connection: close\r\n',
      '\r',
      '\n',
      '\0',
      ' ',
      ':',
      'x',
    )
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 12 }).map((parts) => `HTTP/1.1 200 OK\r\n${parts.join('')}`),
        fc.array(fc.nat(200), { maxLength: 8 }),
        fc.boolean(),
        (bytes, cuts, ends) => {
          const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length]
          const pieces = at
            .slice(1)
            .map((end, i) => bytes.slice(at[i], end))
            .filter((piece) => piece !== '')
          // Of what is wrong in several ways the first to be seen is told.
          const seen = (all: readonly string[]): string =>
            withoutSurplus(told(all, { ends }))
              .replace(/The upstream sent .*/s, 'refused')
              .replace(/^.*\[\] refused$/, 'refused')
          expect(seen(pieces)).toBe(seen([bytes]))
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('is one of several on a connection, each with a hundred interim answers', () => {
    const answers: string[] = []
    const reader = new AnswerReader(
      {
        onHead: ({ status }) => void answers.push(String(status)),
        onData: () => undefined,
        onEnd: () => undefined,
      },
      new HeadReader(),
    )
    for (const status of [201, 202]) {
      reader.expect(false)
      reader.take(
        Buffer.from(`${'HTTP/1.1 102 x\r\n\r\n'.repeat(100)}HTTP/1.1 ${status} x\r\nContent-Length: 0\r\n\r\n`),
      )
    }
    expect(answers).toEqual(['201', '202'])
    expect(() => reader.take(Buffer.from('x'))).toThrow('nobody had asked')
  })
})

it('holds the beginning of a head although its memory is read into again', () => {
  const memory = Buffer.alloc(64)
  const seen: string[] = []
  const reader = new AnswerReader(
    {
      onHead: ({ lines }) => void seen.push(lines.join('|')),
      onData: () => undefined,
      onEnd: () => void seen.push('end'),
    },
    new HeadReader(),
  )
  reader.expect(false)
  for (const text of [`${OK}X-A: b`, 'c\r\nContent-Le', 'ngth: 0\r\n\r\n'])
    reader.take(memory.subarray(0, memory.write(text, 'latin1')))
  expect(seen).toEqual(['X-A|bc|Content-Length|0', 'end'])
})

describe('heads of one upstream', () => {
  const line = fc.constantFrom(
    'A: b',
    'A: c',
    'a: b',
    'AA: b',
    'Connection: close',
    'Content-Length: 1',
    'Content-Length: 2',
    'broken',
  )
  const status = fc.constantFrom('1.1 200 OK', '1.0 200 OK', '1.1 404 OK', '1.1 204 OK', '1.1 304 OK')
  const answer = fc.record({
    bytes: fc
      .tuple(fc.constantFrom('', 'HTTP/1.1 103 x\r\n\r\n'), status, fc.array(line, { maxLength: 3 }))
      .map(([before, first, lines]) => `${before}${[`HTTP/${first}`, ...lines].join('\r\n')}\r\n\r\nxyz`),
    method: fc.constantFrom('GET', 'HEAD'),
    cut: fc.nat(60),
  })

  it('are read as by a reader that has seen none of the others', () => {
    fc.assert(
      fc.property(fc.array(answer, { minLength: 20, maxLength: 60 }), (answers) => {
        const heads = new HeadReader()
        for (const { bytes, method, cut } of answers) {
          const pieces = [bytes.slice(0, cut), bytes.slice(cut)].filter((piece) => piece !== '')
          expect(told(pieces, { method, heads })).toBe(told(pieces, { method }))
        }
      }),
      { numRuns: 300 },
    )
  })

  const readTwice = (text: string): boolean => {
    const heads = new HeadReader()
    const first = heads.read(`${text}abc`, text.length - 4)
    return heads.read(`${text}xyz`, text.length - 4) === first
  }

  it('are read once where they are the same, if they are short', () => {
    const beside = `${OK}A: \r\n\r\n`.length
    expect([100, 1_024, 1_025].map((bytes) => readTwice(`${OK}A: ${'x'.repeat(bytes - beside)}\r\n\r\n`))).toEqual([
      true,
      true,
      false,
    ])
  })

  it('are read each by itself where no two are the same, until some are', () => {
    const heads = new HeadReader()
    const read = (id: number): unknown => {
      const text = `${OK}X-Id: ${id}\r\n\r\n`
      return heads.read(text, text.length - 4)
    }
    for (let id = 1_000; id < 2_000; id++) read(id)
    expect(read(3_000)).not.toBe(read(3_000))
    const seen = Array.from({ length: 200 }, () => read(3_000))
    expect(new Set(seen.slice(-50)).size).toBe(1)
  })
})
