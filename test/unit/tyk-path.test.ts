import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseEndpointKey } from '../../packages/core/src/definition/endpoint-key.ts'
import { translatePath, type TykPath, type TykPathOptions } from '../../packages/core/src/definition/tyk/path.ts'
import { compileExpression } from '../../packages/core/src/session/expression.ts'

const OAS: TykPathOptions = { matching: 'whole', ignoreCase: false, expressions: false }
const CLASSIC: TykPathOptions = { ...OAS, expressions: true }

function good(path: string, options: TykPathOptions): TykPath {
  const translated = translatePath(path, options)
  if (typeof translated === 'string') throw new Error(`${path}: ${translated}`)
  return translated
}

describe.each([
  ['OAS', OAS],
  ['Classic', CLASSIC],
])('a whole path of %s', (_, options) => {
  it.each([
    ['/', '/'],
    ['/stock', '/stock'],
    ['/stock/', '/stock/'],
    ['/stock/{sku}', '/stock/:sku'],
    ['/stock/{sku}/parts/{part}', '/stock/:sku/parts/:part'],
    ['/stock/{sku}.json', '/stock/:sku.json'],
    ['/{a}-{b}', '/:a-:b'],
    ['/stock/{user-id}', '/stock/:"user-id"'],
    ['/stock/{}', '/stock/:segment'],
    ['/a/{id}/b/{id}', '/a/:id/b/:id2'],
    ['/files/*', '/files/{*rest}'],
    ['/a/*/c', '/a/:segment/c'],
    ['/a/*/*/d', '/a/:segment/:segment2/d'],
    ['/a/*/b/*', '/a/:segment/b/{*rest}'],
    ['/*', '/{*rest}'],
    ['/v1.0/x-y_z~', '/v1.0/x-y_z~'],
    ['/a:b', '/a\\:b'],
    ['/café', '/café'],
  ])('%s is %s', (path, key) => {
    expect(good(path, options).text).toBe(key)
    expect(parseEndpointKey(`GET ${key}`)).toBeTypeOf('object')
  })

  it.each([
    ['/stock?in=store', 'without query and fragment'],
    ['/stock#top', 'without query and fragment'],
    ['/stock/{sku', 'not balanced'],
    ['/stock/sku}', 'not balanced'],
    ['/items/{id:[0-9]{2}}', 'not balanced'],
    ['', 'expected a path that starts with "/"'],
    ['stock', 'expected a path that starts with "/"'],
  ])('%j is refused', (path, why) => {
    expect(translatePath(path, options)).toContain(why)
  })

  it('has the signature of every path that meets the same requests', () => {
    const signature = (path: string, ignoreCase = false): string => good(path, { ...options, ignoreCase }).signature
    expect(signature('/a/{x}')).toBe(signature('/a/{y}'))
    expect(signature('/a/*/b')).toBe(signature('/a/{y}/b'))
    expect(signature('/a/{x}')).not.toBe(signature('/a/*'))
    expect(signature('/A')).not.toBe(signature('/a'))
    expect(signature('/A', true)).toBe(signature('/a', true))
  })

  it('says that the expression of a parameter counts for nothing', () => {
    const { text, warnings } = good('/stock/{sku:[0-9]+}', options)
    expect(text).toBe('/stock/:sku')
    expect(warnings).toEqual([expect.stringContaining('nobody looks at its expression')])
  })

  it('is a sentence, an expression that compiles or a key that parses, whatever it is', () => {
    const parts = fc.constantFrom(
      '/',
      'a',
      '{',
      '}',
      '{x}',
      '*',
      '/*',
      '.',
      ':',
      '\\',
      '(',
      '"',
      '?',
      '%2F',
      'é',
      '__proto__',
    )
    const outcome = (path: string): string => {
      const translated = translatePath(path, options)
      if (typeof translated === 'string') return translated
      if (translated.text.startsWith('~'))
        return String(compileExpression(translated.text.slice(1), 'PSTN_DEFINITION_INVALID').steps)
      const endpoint = parseEndpointKey(`GET ${translated.text}`)
      return typeof endpoint === 'string' ? endpoint : endpoint.key
    }
    const expected = /^(?:found |GET \/|\d+$|An? expression|The expression|Missing text|".*" has no canonical spelling)/
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 8 }), (pieces) => {
        expect(outcome(pieces.join(''))).toMatch(expected)
      }),
    )
  })
})

describe('a path that looks like an expression', () => {
  it.each([
    ['/stock/[0-9]+', '~^/stock/[0-9]+$'],
    ['/files/.*', '~^/files/.*$'],
    ['/stock/{sku}/v[12]', '~^/stock/(?P<sku>[^/]+)/v[12]$'],
    ['^/stock$', '~^/stock$'],
    ['/stock$', '~^/stock$'],
    ['/price\\$', '~^/price\\$$'],
    ['/a|/b', '~^(?:/a|/b)$'],
    ['/(a|b)/*', '~^(?:/(a|b)/.*)$'],
    ['/foo*', '~^/foo*$'],
    ['.*stock', '~^.*stock$'],
  ])('of Classic, %s, is %s', (path, key) => {
    expect(good(path, CLASSIC).text).toBe(key)
  })

  it.each([
    ['/stock/(', 'is not RE2'],
    ['/(a+)+', 'repeats what repeats already'],
    ['(?=/a)', 'is not RE2'],
    ['(?:/a)?', 'matches the empty path'],
  ])('of Classic, %s, is refused when it cannot be used', (path, why) => {
    expect(translatePath(path, CLASSIC)).toContain(why)
  })

  it('says where a count is read as a parameter', () => {
    const { text, warnings } = good('/stock/[0-9]{2}', CLASSIC)
    expect(text).toBe('~^/stock/[0-9]([^/]+)$')
    expect(warnings).toEqual([expect.stringContaining('{2} is read as a parameter')])
  })

  it.each([
    ['/users/$count', '/users/$count'],
    ['/products({id})', '/products\\(:id\\)'],
    ['/a+b', '/a\\+b'],
    ['/a|b', '/a|b'],
    ['/v[1]', '/v\\[1\\]'],
  ])('of OAS, %s, is text: %s', (path, key) => {
    expect(good(path, OAS).text).toBe(key)
  })

  it.each(['/files/.*', '/foo*', '/a?'])('of OAS, %s, is refused: as text it would meet nothing', (path) => {
    expect(translatePath(path, OAS)).toContain('found')
  })
})

describe('a path as gateways with other settings match it', () => {
  it.each([
    ['prefix', '/stock/{sku}', '~^/stock/(?P<sku>[^/]+)'],
    ['prefix', 'stock', '~stock'],
    ['suffix', '/stock/{sku}', '~/stock/(?P<sku>[^/]+)$'],
    ['suffix', '/stock$', '~/stock$'],
    ['contains', '/stock', '~/stock'],
    ['contains', '/a/*/b/*', '~/a/[^/]+/b/.*'],
    // The real gateway's own reading: the second of two wildcards in a row is no longer one segment.
    ['contains', '/a/*/*/d', '~/a/[^/]+/.*/d'],
    ['contains', '/list.json', '~/list.json'],
    ['contains', '/', '~/'],
  ] as const)('%s: %s is %s', (matching, path, key) => {
    expect(good(path, { ...CLASSIC, matching }).text).toBe(key)
    expect(good(path, { ...OAS, matching }).text).toBe(key)
  })

  it.each(['', '{', '/('])('refuses %j', (path) => {
    expect(translatePath(path, { ...CLASSIC, matching: 'contains' })).toBeTypeOf('string')
  })
})
