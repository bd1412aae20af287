import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { below, canonicalPath, encodePath, parseTarget } from '../../packages/core/src/http/path.ts'

const CANONICAL: readonly (readonly [path: string, canonical: string])[] = [
  ['/', '/'],
  ['/a/b', '/a/b'],
  ['/a/b/', '/a/b/'],
  // dot segments
  ['/p/../x', '/x'],
  ['/p/./x', '/p/x'],
  ['/./x', '/x'],
  ['/p/%2e%2e/x', '/x'],
  ['/p/.%2E/x', '/x'],
  ['/p/%2e/x', '/p/x'],
  ['/p/..', '/'],
  ['/p/.', '/p/'],
  ['/.', '/'],
  ['/a/b/../../c', '/c'],
  ['/1/2/3/4/5/6/7/8/9/10/../../../../../../../../../../x', '/x'],
  ['/a//../b', '/a/b'],
  ['/...', '/...'],
  ['/a/..b/c', '/a/..b/c'],
  ['/.well-known/x', '/.well-known/x'],
  ['/.a;b', '/.a;b'],
  // escapes stay what they are
  ['/a%2fb', '/a%2Fb'],
  ['/a%2Fb', '/a%2Fb'],
  ['/a%5cb', '/a%5Cb'],
  ['/a%25b', '/a%25b'],
  ['/a%252eb', '/a%252eb'],
  ['/%252e%252e/x', '/%252e%252e/x'],
  ['/%2561', '/%2561'],
  ['/%41', '/A'],
  ['/%7euser', '/~user'],
  ['/%2D%2e%5F%7E', '/-._~'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/a%20b', '/a%20b'],
  ['/a%3fb', '/a%3Fb'],
  ['/a%23b', '/a%23b'],
  ['/%e2%98%95', '/%E2%98%95'],
  // slashes and data
  ['//', '/'],
  ['///x', '/x'],
  ['//evil.example/x', '/evil.example/x'],
  ['/x//y', '/x//y'],
  ['/x//', '/x//'],
  ['/x;v=1', '/x;v=1'],
  ['/x;v=1/y', '/x;v=1/y'],
  ['/A/a', '/A/a'],
  ["/!$&'()*+,=:@", "/!$&'()*+,=:@"],
  // sent raw by browsers
  ['/a|b', '/a%7Cb'],
  ['/{a}', '/%7Ba%7D'],
  ['/a"b<c>', '/a%22b%3Cc%3E'],
  ['/[1]^`', '/%5B1%5D%5E%60'],
]

const REFUSED = [
  ['', 'a', '*', 'http://a/'],
  ['/..', '/../a', '/a/../..', '/a/../../b', '/%2e%2e', '/%2e%2e/a', '/.%2e/x', '/a/%2E%2E/../b'],
  ['/a/..%2fb', '/a/..%5cb', '/a/%2e%2e%2fb', '/..%2f', '/.%2f..', '/a%2f..', '/a%2f../b', '/a%5c..%5cb', '/.%5c'],
  ['/..;/a', '/..;x=1/a', '/.;/a', '/%2e%2e;/a', '/a/%2e;b'],
  ['/%', '/a%', '/a%2', '/a%zz', '/%g0', '/%2', '/% 20'],
  ['/%00', '/a%00b', '/a\u0000b', '/a\u007F', '/a b', '/a\tb', '/a\nb', '/a\r\nb', '/é', '/\u00FF', '/☕'],
  ['/a\\b', '/\\evil.example', '/a#b', '/#'],
  ['/%c3', '/%c3%28', '/%ff', '/%c0%af', '/%c0%ae%c0%ae/x', '/%e0%80%af', '/%f4%90%80%80', '/%ed%a0%80', '/a%80b'],
].flat()

describe('canonicalPath', () => {
  it.each(CANONICAL)('gives %j the one spelling %j', (path, canonical) => {
    expect(canonicalPath(path)).toBe(canonical)
  })

  it.each(REFUSED.map((path) => [path]))('finds no spelling for %j', (path) => {
    expect(canonicalPath(path)).toBeUndefined()
  })

  it('keeps two spellings of an accented letter apart: bytes are not touched', () => {
    expect(canonicalPath('/%C3%A9')).not.toBe(canonicalPath('/e%CC%81'))
  })
})

const PIECES = [
  ['/', '//', '.', '..', '...', 'a', 'B', '~', ';', ';x', '%', '%2', '%2e', '%2E', '%2f', '%2F', '%5c', '%25', '%41'],
  ['%c3%a9', '%c3', '%00', '%0a', '\\', '#', ' ', '|', '{', '"', 'é', '\u0000', '\n', '%252e', '%7e', ':', '@', '*'],
].flat()
const piece = fc.constantFrom(...PIECES)
const nasty = fc
  .oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`),
    fc.string({ unit: 'binary', maxLength: 30 }).map((text) => `/${text}`),
    fc.string({ maxLength: 20 }),
    fc.webPath(),
  )
  // A question mark ends a path: nobody asks with one in it.
  .filter((path) => !path.includes('?'))

describe('canonicalPath, whatever comes,', () => {
  it('is total and its own canonical form', () => {
    fc.assert(
      fc.property(nasty, (path) => {
        const canonical = canonicalPath(path)
        expect(canonical === undefined ? undefined : canonicalPath(canonical)).toBe(canonical)
      }),
      { numRuns: 3_000 },
    )
    expect.hasAssertions()
  })

  it('never leaves a dot segment, a leading double slash or a raw byte that does not belong there', () => {
    fc.assert(
      fc.property(nasty, (path) => {
        const canonical = canonicalPath(path)
        fc.pre(canonical !== undefined)
        expect(canonical).toMatch(/^\/(?!\/)[\w\-.~!$&'()*+,;=:@/%]*$/)
        for (const segment of canonical.split('/')) {
          expect(decodeURIComponent(segment).split(/[/\\]/)).not.toContain('..')
          expect(segment).not.toMatch(/^\.\.?(?:;|$)/)
        }
      }),
      { numRuns: 3_000 },
    )
    expect.hasAssertions()
  })

  it('equals a slow reference', () => {
    fc.assert(
      fc.property(nasty, (path) => {
        expect(canonicalPath(path)).toBe(slowly(path))
      }),
      { numRuns: 5_000 },
    )
    expect(CANONICAL.map(([path]) => slowly(path))).toEqual(CANONICAL.map(([, canonical]) => canonical))
    expect(REFUSED.filter((path) => slowly(path) !== undefined)).toEqual([])
  })

  it('means the same resource as before: decoding it gives what decoding the input gave, dots aside', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 5 }), { maxLength: 5 }),
        (segments) => {
          const plain = segments.filter((segment) => !/^\.|[/\\.;]/.test(segment))
          const path = `/${plain.map(encodeURIComponent).join('/')}`
          expect(canonicalPath(path)?.split('/').map(decodeURIComponent)).toEqual(
            path.split('/').map(decodeURIComponent),
          )
        },
      ),
    )
    expect.hasAssertions()
  })
})

/** RFC 3986, one rule after the other, byte for byte. */
function slowly(path: string): string | undefined {
  if (path[0] !== '/') return undefined
  let bytes: string[] = []
  for (let i = 0; i < path.length;) {
    const character = path[i]!
    const code = character.charCodeAt(0)
    if (code < 0x21 || code > 0x7e || character === '\\' || character === '#') return undefined
    if (character === '%') {
      const hex = path.slice(i + 1, i + 3)
      if (hex.length !== 2 || [...hex].some((digit) => !'0123456789abcdefABCDEF'.includes(digit))) return undefined
      const value = Number.parseInt(hex, 16)
      if (value === 0) return undefined
      const decoded = String.fromCharCode(value)
      const unreserved =
        (value >= 0x30 && value <= 0x39) ||
        (value >= 0x41 && value <= 0x5a) ||
        (value >= 0x61 && value <= 0x7a) ||
        '-._~'.includes(decoded)
      bytes.push(unreserved ? decoded : `%${hex.toUpperCase()}`)
      i += 3
    } else {
      bytes.push('"<>[]^`{|}'.includes(character) ? `%${code.toString(16).toUpperCase()}` : character)
      i += 1
    }
  }
  const segments: string[][] = [[]]
  for (const byte of bytes.slice(1)) {
    if (byte === '/') segments.push([])
    else segments.at(-1)!.push(byte)
  }
  const result: string[] = []
  for (const [i, parts] of segments.entries()) {
    const segment = parts.join('')
    const last = i === segments.length - 1
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(
        Uint8Array.from(parts, (part) => (part.length === 3 ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0))),
      )
    } catch {
      // Not UTF-8.
      return undefined
    }
    if (segment === '.' || segment === '..') {
      if (segment === '..' && result.pop() === undefined) return undefined
      if (last) result.push('')
      continue
    }
    for (const hidden of segment.split('%2F').flatMap((part) => part.split('%5C'))) {
      const name = hidden.split(';')[0]
      if (name === '.' || name === '..') return undefined
    }
    result.push(segment)
  }
  bytes = [...result.join('/')]
  while (bytes[0] === '/') bytes.shift()
  return `/${bytes.join('')}`
}

describe('parseTarget', () => {
  it.each([
    ['/a?b=1', { path: '/a', search: 'b=1' }],
    ['/a?', { path: '/a', search: '' }],
    ['/a??b', { path: '/a', search: '?b' }],
    ['/a?b=/../c', { path: '/a', search: 'b=/../c' }],
    ['?a=1', { path: '/', search: 'a=1' }],
    ['http://evil.example/a?b', { path: '/a', search: 'b' }],
    ['HTTPS://evil.example', { path: '/', search: '' }],
    ['http://evil.example?a', { path: '/', search: 'a' }],
    ['//evil.example/a', { path: '/evil.example/a', search: '' }],
  ])('takes %j apart', (target, parts) => {
    expect(parseTarget(target)).toEqual(parts)
  })

  it.each(['*', 'example.com:443', '/a#b', '/a?b#c', '/../a?b', '/a b', 'ftp://a/b', '/a?b c', '/a?\u0000', '/a?é'])(
    'refuses %j',
    (target) => {
      expect(parseTarget(target)).toBeUndefined()
    },
  )
})

describe('below', () => {
  it.each([
    ['/', '/a/b', '/a/b'],
    ['', '/a', '/a'],
    ['/a', '/a', '/'],
    ['/a', '/a/', '/'],
    ['/a', '/a/b', '/b'],
    ['/a', '/a//b', '/b'],
    ['/a', '/a///', '/'],
    ['/a', '/ab', undefined],
    ['/a', '/A', undefined],
    ['/a', '/a%2Fb', undefined],
    ['/a', '/x/a', undefined],
    ['/a/b', '/a', undefined],
  ])('of %j for %j is %j: whole segments only', (prefix, path, rest) => {
    expect(below(prefix, path)).toBe(rest)
  })
})

describe('encodePath', () => {
  it.each([
    ['/plain', '/plain'],
    ['/a b', '/a%20b'],
    ['/café', '/caf%C3%A9'],
    ['/☕', '/%E2%98%95'],
    ['/a%20b', '/a%20b'],
    ['/\u0000', '/%00'],
    ['/\uD800', '/%EF%BF%BD'],
  ])('makes of %j what a client would have sent', (plain, encoded) => {
    expect(encodePath(plain)).toBe(encoded)
  })
})
