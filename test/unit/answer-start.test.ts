import { describe, expect, it } from 'vitest'
import { AnswerStart } from '../../packages/core/src/forward/answer-start.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** What the parser sees of the pieces. */
function parserSees(pieces: readonly string[], start = new AnswerStart()): string {
  start.expect()
  let seen = ''
  for (const piece of pieces) {
    const chunk = Buffer.from(piece, 'latin1')
    seen += (start.expected ? start.take(chunk, false) : chunk)?.toString('latin1') ?? ''
  }
  return seen
}

const everySplit = (text: string): [string, string][] =>
  Array.from({ length: text.length - 1 }, (_, i) => [text.slice(0, i + 1), text.slice(i + 1)])

describe('the beginning of an answer', () => {
  it.each(['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.0 100\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'])(
    'has no interim answer any more, wherever it was split: %j',
    (interim) => {
      for (const pieces of everySplit(interim + interim + OK)) expect(parserSees(pieces)).toBe(OK)
      expect(parserSees([...interim, ...OK])).toBe(OK)
    },
  )

  it.each([OK, 'HTTP/1.0 200 OK\r\n\r\n', 'HTTP/1.1 \r\n\r\n'])(
    'is left to the parser where it is no interim answer: %j',
    (bytes) => {
      for (const pieces of everySplit(bytes)) expect(parserSees(pieces)).toBe(bytes)
    },
  )

  it('ends with its first line: what looks like an interim answer behind it is a body', () => {
    const start = new AnswerStart()
    const bytes = `HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n`
    expect(parserSees([bytes.slice(0, 20), bytes.slice(20)], start)).toBe(bytes)
    expect(start.expected).toBe(false)
  })

  it('says that the connection ends with it where the request is not through', () => {
    const start = new AnswerStart()
    start.expect()
    const seen = ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2', '00 OK\r\nA: 1\r\n\r\n'].map((piece) =>
      start.take(Buffer.from(piece), true)?.toString(),
    )
    expect(seen).toEqual(['HTTP/1.1 2', '00 OK\r\nConnection: close\r\nA: 1\r\n\r\n'])
  })

  it('is interrupted where something has come that the parser does not see', () => {
    const start = new AnswerStart()
    const after = (piece: string): boolean => {
      start.take(Buffer.from(piece), false)
      return start.interrupted
    }
    start.expect()
    expect(start.interrupted).toBe(false)
    expect(['HTTP/1.1 1', '03 X\r\n\r\n', 'HTTP/1.1 200 OK\r\n'].map(after)).toEqual([true, true, false])
  })

  it('may be interim a hundred times for each request, not more', () => {
    const interim = 'HTTP/1.1 102 Processing\r\n\r\n'
    const start = new AnswerStart()
    expect(parserSees([interim.repeat(100), OK], start)).toBe(OK)
    expect(parserSees([interim.repeat(100), OK], start)).toBe(OK)
    expect(() => parserSees([interim.repeat(101)])).toThrow('more than 100 interim answers')
  })

  it.each([
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n', 'begins neither with HTTP/1.1'],
    ['empty lines before an answer', '\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 'begins neither with HTTP/1.1'],
    ['empty lines behind an interim answer', 'HTTP/1.1 100 X\r\n\r\n\r\nHTTP/1.1 200 OK\r\n', 'begins neither'],
    ['a return before an answer', '\rHTTP/1.1 200 OK\r\n\r\n', 'begins neither with HTTP/1.1'],
    ['another protocol', 'SSH-2.0\r\n', 'begins neither with HTTP/1.1'],
    ['noise', '\0'.repeat(30), 'begins neither with HTTP/1.1'],
    ['a 101 nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', '101'],
    ['a status of four digits', 'HTTP/1.1 1000 Odd\r\n\r\n', 'a status that is none'],
    ['a status line without end', `HTTP/1.1 200 ${'x'.repeat(9_000)}`, 'status line of more than 8192 bytes'],
    ['an interim status line without end', `HTTP/1.1 103 ${'x'.repeat(9_000)}`, 'a status that is none'],
    ['an interim head without end', `HTTP/1.1 103 X\r\n${'a: b\r\n'.repeat(12_000)}`, 'interim answer of more than'],
  ])('is refused: %s', (_, bytes, message) => {
    expect(() => parserSees(bytes.match(/[^]{1,1000}/g) ?? [])).toThrow(message)
    expect(() => parserSees([bytes])).toThrow(message)
  })
})
