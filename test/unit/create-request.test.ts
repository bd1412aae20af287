import { createRequest, type HeadersInput } from '@postern/core'
import { describe, expect, it } from 'vitest'

const LINES: [string, string][] = [
  ['x-a', '1'],
  ['set-cookie', 'b=2'],
  ['set-cookie', 'c=3'],
]

describe('createRequest()', () => {
  it.each<[string, readonly unknown[], string, string]>([
    ['no path', [], 'PSTN_VALUE_INVALID', 'undefined is no path; expected one such as "/stock/7?full=1".'],
    ['a URL', [new URL('http://a/7')], 'PSTN_VALUE_INVALID', 'an instance of URL is no path; expected one such as'],
    ['a method first', ['GET', '/7'], 'PSTN_VALUE_INVALID', '"GET" is no path; expected one such as'],
    ['a method behind', ['/7', 'GET'], 'PSTN_VALUE_INVALID', 'of "GET"; expected { method, headers, body }.'],
    ['null behind', ['/7', null], 'PSTN_VALUE_INVALID', 'of null; expected { method, headers, body }.'],
    ['a header that is null', ['/7', { headers: { a: null } }], 'PSTN_HEADER_INVALID', '"a" cannot carry null'],
    [
      'one that is an object',
      ['/7', { headers: { a: {} } }],
      'PSTN_HEADER_INVALID',
      '"a" cannot carry an empty object',
    ],
    ['headers that are text', ['/7', { headers: 'a: b' }], 'PSTN_HEADER_INVALID', 'Headers cannot be "a: b"'],
    ['a list of lines', ['/7', { headers: ['a: b'] }], 'PSTN_HEADER_INVALID', 'Found "a: b" among headers'],
    ['half a pair', ['/7', { headers: [['a']] }], 'PSTN_HEADER_INVALID', 'expected [name, value]'],
  ])('says what it was given: %s', (_, given, code, message) => {
    expect(() => createRequest(...(given as [string]))).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) as string }),
    )
  })

  it.each<[string, HeadersInput]>([
    ['an object', { 'x-a': '1', 'set-cookie': ['b=2', 'c=3'] }],
    ['Headers', new Headers(LINES)],
    ['a Map', new Map([LINES[0]!]).set('set-cookie', 'b=2; c=3')],
    ['pairs', LINES],
    ['the headers of another request', createRequest('/', { headers: LINES }).headers],
  ])('takes headers as %s', (_, headers) => {
    const request = createRequest('/7', { headers })
    expect(request.headers.get('x-a')).toBe('1')
    expect(request.headers.getSetCookie().join('; ')).toBe('b=2; c=3')
  })
})
