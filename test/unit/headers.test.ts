import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../packages/core/src/errors.ts'
import { GatewayHeaders, readonlyHeaders } from '../../packages/core/src/http/headers.ts'

const SENT = [
  'Host',
  'a.test',
  'X-A',
  '1',
  'Cookie',
  'c=1',
  'x-a',
  '2',
  'Set-Cookie',
  's=1',
  'cookie',
  'd=2',
  'Set-Cookie',
  't=2',
]

describe('headers', () => {
  it('are read without regard to case, repeated ones joined as the platform does', () => {
    const headers = new GatewayHeaders(SENT)
    expect([
      headers.get('x-A'),
      headers.get('COOKIE'),
      headers.get('nope'),
      headers.getAll('X-a'),
      headers.getAll('nope'),
    ]).toEqual(['1, 2', 'c=1; d=2', null, ['1', '2'], []])
    expect([headers.has('HOST'), headers.has('nope'), headers.getSetCookie()]).toEqual([true, false, ['s=1', 't=2']])
  })

  it('are walked line by line, in order, with lower-case names', () => {
    expect([...new GatewayHeaders(['B', '1', 'A', '2', 'b', '3'])]).toEqual([
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
    ])
  })

  it('are one another’s lines until somebody writes, and then their own', () => {
    const lines = ['A', '1']
    const headers = new GatewayHeaders(lines)
    expect(GatewayHeaders.lines(headers)).toBe(lines)
    headers.set('a', '2')
    headers.append('b', '3')
    expect([lines, GatewayHeaders.lines(headers)]).toEqual([
      ['A', '1'],
      ['A', '2', 'b', '3'],
    ])
    expect(GatewayHeaders.touched(headers)).toEqual(new Set(['a', 'b']))
  })

  it('keep place and spelling of the first line when set, and lose the others', () => {
    const headers = new GatewayHeaders(['X-A', '1', 'B', '2', 'x-a', '3'])
    headers.set('x-a', 'new')
    expect(GatewayHeaders.lines(headers)).toEqual(['X-A', 'new', 'B', '2'])
  })

  it('get a line for each value of a list, at the place of the first', () => {
    const headers = new GatewayHeaders(['X-A', '1', 'B', '2', 'x-a', '3'])
    headers.set('x-a', ['4', '5', '6'])
    headers.set('c', ['7', '8'])
    expect(GatewayHeaders.lines(headers)).toEqual(['X-A', '4', 'X-A', '5', 'X-A', '6', 'B', '2', 'c', '7', 'c', '8'])
    headers.set('X-A', [])
    expect(GatewayHeaders.lines(headers)).toEqual(['B', '2', 'c', '7', 'c', '8'])
  })

  it('lose every line of a name when deleted, and are untouched when there is none', () => {
    const headers = new GatewayHeaders(['X-A', '1', 'B', '2', 'x-a', '3'])
    headers.delete('nope')
    expect(GatewayHeaders.touched(headers)).toBeUndefined()
    headers.delete('X-a')
    expect(GatewayHeaders.lines(headers)).toEqual(['B', '2'])
  })

  it('take a number for its text', () => {
    const headers = new GatewayHeaders()
    headers.set('content-length', 5 as never)
    expect(headers.get('content-length')).toBe('5')
  })

  it('are data, whatever their names', () => {
    const headers = new GatewayHeaders(['__proto__', '1', 'constructor', '2'])
    headers.set('toString', '3')
    expect([
      headers.get('__proto__'),
      headers.get('constructor'),
      headers.get('tostring'),
      headers.has('hasownproperty'),
    ]).toEqual(['1', '2', '3', false])
  })

  it.each([
    ['a line break in the value', 'x-a', 'a\r\nb: c'],
    ['a bare LF', 'x-a', 'a\nb'],
    ['a bare CR', 'x-a', 'a\rb'],
    ['NUL', 'x-a', 'a\u0000b'],
    ['DEL', 'x-a', 'a\u007Fb'],
    ['a letter above U+00FF', 'x-a', 'a☕'],
    ['a lone surrogate', 'x-a', '\uD800'],
    ['a list within a list', 'x-a', [['1', '2']]],
    ['a list with a line break', 'x-a', ['1', 'a\r\nb: c']],
    ['an object', 'x-a', {}],
    ['undefined', 'x-a', undefined],
    ['null', 'x-a', null],
    ['an empty name', '', 'a'],
    ['a name with a space', 'x a', 'a'],
    ['a name with a colon', 'x:a', 'a'],
    ['a name with a line break', 'x\r\na', 'a'],
    ['a name beyond ASCII', 'é', 'a'],
    ['a name that is no text', 5, 'a'],
  ])('refuse %s and stay as they were', (_, name, value) => {
    const headers = new GatewayHeaders(['A', '1'])
    for (const write of [
      () => headers.set(name as string, value as string),
      () => headers.append(name as string, value as string),
    ]) {
      expect(write).toThrow(expect.objectContaining({ code: 'PSTN_HEADER_INVALID' }))
    }
    expect([GatewayHeaders.lines(headers), GatewayHeaders.touched(headers)]).toEqual([['A', '1'], undefined])
  })

  it.each(['', ' ', 'a\tb', 'caf\u00E9', '\u00FF', '~!@#$%^&*()'])('carry %j', (value) => {
    const headers = new GatewayHeaders()
    headers.set('x-a', value)
    expect(headers.get('x-a')).toBe(value)
  })

  it('no longer change once sealed, and say so', () => {
    const headers = new GatewayHeaders(['A', '1'])
    let late = 0
    GatewayHeaders.seal(headers, { lateChange: () => (late += 1) })
    headers.set('a', '2')
    headers.append('b', '2')
    headers.delete('a')
    expect([GatewayHeaders.lines(headers), late]).toEqual([['A', '1'], 3])
  })

  it('never carry a byte that could split a message, whatever they are given', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 8 }),
        fc.string({ unit: 'binary', maxLength: 8 }),
        (name, value) => {
          const headers = new GatewayHeaders()
          try {
            headers.append(name, value)
          } catch (error) {
            if (!(error instanceof GatewayError)) throw error
          }
          const codes = [...GatewayHeaders.lines(headers).join('')].map((character) => character.charCodeAt(0))
          expect(codes.filter((code) => (code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff)).toEqual([])
        },
      ),
      { numRuns: 500 },
    )
    expect.hasAssertions()
  })

  it('read as the platform reads them', () => {
    const name = fc.constantFrom('a', 'A', 'b', 'set-cookie', 'x-long-name')
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.constantFrom('1', '2', 'a b', '')), { maxLength: 8 }), (pairs) => {
        const theirs = new Headers(pairs)
        const ours = new GatewayHeaders(pairs.flat())
        for (const key of ['a', 'b', 'X-Long-Name', 'nope']) {
          expect([ours.get(key), ours.has(key)]).toEqual([theirs.get(key), theirs.has(key)])
        }
        expect(ours.getSetCookie()).toEqual(theirs.getSetCookie())
      }),
    )
    expect.hasAssertions()
  })
})

describe('a read-only view of headers', () => {
  it('reads through and refuses to be changed', () => {
    const headers = new GatewayHeaders(['A', '1', 'a', '2', 'Set-Cookie', 's'])
    const refused: string[] = []
    const view = readonlyHeaders(headers, (what) => {
      refused.push(what)
      throw new Error('refused')
    }) as GatewayHeaders
    headers.append('b', '3')
    expect([view.get('A'), view.getAll('a'), view.has('b'), view.getSetCookie(), [...view].length]).toEqual([
      '1, 2',
      ['1', '2'],
      true,
      ['s'],
      4,
    ])
    for (const write of [() => view.set('a', '1'), () => view.append('a', '1'), () => view.delete('a')])
      expect(write).toThrow('refused')
    expect(refused).toEqual(['headers.set', 'headers.append', 'headers.delete'])
  })
})
