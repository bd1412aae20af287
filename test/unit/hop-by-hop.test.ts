import { describe, expect, it } from 'vitest'
import { isHopByHop, nominatedFields } from '../../packages/core/src/http/hop-by-hop.ts'

describe('a field of one connection', () => {
  it.each([
    'connection',
    'keep-alive',
    'proxy-connection',
    'proxy-authenticate',
    'proxy-authorization',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'http2-settings',
    'expect',
  ])('stays there: %s', (name) => {
    expect(isHopByHop(name, undefined)).toBe(true)
  })

  it.each([
    'host',
    'content-length',
    'content-type',
    'authorization',
    'cookie',
    'x-forwarded-for',
    'keep-alive-x',
    'constructor',
  ])('is not %s', (name) => {
    expect(isHopByHop(name, undefined)).toBe(false)
  })
})

describe('what Connection nominates', () => {
  it.each<[string, string[], string[] | undefined]>([
    ['nothing', ['Host', 'a'], undefined],
    ['nothing but itself', ['Connection', 'keep-alive'], undefined],
    ['nothing but the end', ['Connection', 'Close'], undefined],
    ['one field', ['Connection', 'X-A'], ['x-a']],
    ['several, in any spelling', ['CONNECTION', ' X-A,x-b ,, close'], ['x-a', 'x-b']],
    ['several lines', ['Connection', 'x-a', 'Host', 'a', 'connection', 'x-b'], ['x-a', 'x-b']],
    ['never Host and the length', ['Connection', 'host, Content-Length, x-a'], ['x-a']],
    ['never what says who is calling', ['Connection', 'Authorization, cookie, x-a'], ['x-a']],
    ['quoted', ['Connection', '"X-A", "x-b, x-c"'], ['x-a', 'x-b', 'x-c']],
    ['only names, not the values of other fields', ['X-Connection', 'x-a'], undefined],
  ])('can be %s', (_, lines, names) => {
    const nominated = nominatedFields(lines)
    expect(nominated === undefined ? undefined : [...nominated]).toEqual(names)
    for (const name of names ?? []) expect(isHopByHop(name, nominated)).toBe(true)
  })
})
