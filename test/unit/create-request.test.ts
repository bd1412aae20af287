import { createRequest } from '@postern/core'
import { describe, expect, it } from 'vitest'

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
  ])('says what it was given: %s', (_, given, code, message) => {
    expect(() => createRequest(...(given as [string]))).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) as string }),
    )
  })
})
