import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EndpointTree } from '../../packages/core/src/chain/endpoint-tree.ts'

type PathToRegexp = (path: string, options: { sensitive: boolean }) => { readonly regexp: RegExp }
const { pathToRegexp } = createRequire(new URL('../../packages/core/package.json', import.meta.url))(
  'path-to-regexp',
) as {
  pathToRegexp: PathToRegexp
}

function tree(keys: readonly string[], ignoreCase = false): EndpointTree<number> {
  const endpoints = new EndpointTree<number>(ignoreCase)
  for (const [i, key] of keys.entries()) endpoints.add(key, i)
  return endpoints
}

const MATCHES: readonly (readonly [key: string, path: string, params: Record<string, string> | undefined])[] = [
  ['GET /', '/', {}],
  ['GET /', '/a', undefined],
  ['GET /a', '/a', {}],
  ['GET /a', '/a/', {}],
  ['GET /a', '/a//', undefined],
  ['GET /a', '/A', undefined],
  ['GET /a', '/ab', undefined],
  ['GET /a', '/a/b', undefined],
  ['GET /a/', '/a/', {}],
  ['GET /a/', '/a', undefined],
  ['GET /:id', '/7', { id: '7' }],
  ['GET /:id', '/', undefined],
  ['GET /:id', '/7/', { id: '7' }],
  ['GET /:id', '/a%20b', { id: 'a b' }],
  ['GET /:id', '/a%2Fb', { id: 'a/b' }],
  ['GET /:id', '/caf%C3%A9', { id: 'café' }],
  ['GET /orders/:id\\:cancel', '/orders/7:cancel', { id: '7' }],
  ['GET /orders/:id\\:cancel', '/orders/7%3Acancel', { id: '7' }],
  ['GET /orders/:id%3acancel', '/orders/7:cancel', { id: '7' }],
  ['GET /a@b', '/a%40b', {}],
  ['GET /l;7', '/l%3B7', {}],
  ['GET /l%3B7', '/l;7', {}],
  ["GET /\\!$&'\\(\\)\\*\\+,;=\\:@", '/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40', {}],
  ['GET /l;7', '/l%253B7', undefined],
  ['GET /:id', '/a%253B%3B', { id: 'a%3B;' }],
  ['GET /files/*path', '/files/a%3B%2Fb/c', { path: 'a;%2Fb/c' }],
  ['GET /:id', '/a/b', undefined],
  ['GET /:id', '//a', undefined],
  ['GET /a/:b/c/:d', '/a/1/c/2', { b: '1', d: '2' }],
  ['GET /files/:name.:ext', '/files/a.txt', { name: 'a', ext: 'txt' }],
  ['GET /:a.', '/x.', { a: 'x' }],
  ['GET /:a.', '/x', undefined],
  ['GET /:a..:b', '/x..y', { a: 'x', b: 'y' }],
  ['GET /x/:a//b', '/x/1//b', { a: '1' }],
  ['GET /x/:a//b', '/x/1/b', undefined],
  ['GET /:a/.well-known', '/x/.well-known', { a: 'x' }],
  ['GET /files/:name.json', '/files/a.json', { name: 'a' }],
  ['GET /files/:name.json', '/files/a.txt', undefined],
  ['GET /files/:name.json', '/files/.json', undefined],
  ['GET /files/v:major-:minor', '/files/v1-2', { major: '1', minor: '2' }],
  ['GET /files/*path', '/files/a/b/c', { path: 'a/b/c' }],
  ['GET /files/*path', '/files/a%2Fb/c', { path: 'a%2Fb/c' }],
  ['GET /files/*path', '/files/a%20b/c', { path: 'a b/c' }],
  ['GET /files/*path', '/files/', undefined],
  ['GET /files/*path', '/files', undefined],
  ['GET /files/*path/raw', '/files/a/b/raw', { path: 'a/b' }],
  ['GET /files/*path/raw', '/files/a/b', undefined],
  ['GET /*all', '/', undefined],
  ['GET /*all', '/a', { all: 'a' }],
  ['GET /a{/:b}', '/a', {}],
  ['GET /a{/:b}', '/a/1', { b: '1' }],
  ['GET /a{/:b}/c', '/a/c', {}],
  ['GET /a{/:b}/c', '/a/1/c', { b: '1' }],
  ['GET /a{b}{c}', '/ac', {}],
  ['GET /a{b}{c}', '/abc', {}],
  ['GET /a{b}{c}', '/acb', undefined],
  ['GET /:a{-:b}', '/1-2', { a: '1', b: '2' }],
  ['GET /:a{-:b}', '/1', { a: '1' }],
  ['GET /a{/b{/c}}', '/a/b/c', {}],
  ['GET /a{/b{/c}}', '/a/c', undefined],
  ['GET /café', '/caf%C3%A9', {}],
  ['GET /caf%c3%a9', '/caf%C3%A9', {}],
  ['GET /a b', '/a%20b', {}],
  ['GET /a.b', '/axb', undefined],
  [String.raw`GET /a\(b\)`, '/a(b)', {}],
  ['GET /:__proto__', '/x', JSON.parse('{"__proto__":"x"}') as Record<string, string>],
  ['GET /:constructor', '/x', Object.fromEntries([['constructor', 'x']])],
]

describe('an endpoint', () => {
  it.each(MATCHES)('%j asked for %j gives %j', (key, path, params) => {
    const match = tree([key]).find('GET', path)
    expect(match === undefined ? undefined : Object.entries(match.params)).toEqual(
      params === undefined ? undefined : Object.entries(params),
    )
  })

  it('is compared without regard to case where that is asked for', () => {
    const endpoints = tree(['GET /Stock/:Sku/x-:y', 'GET /Files/*path'], true)
    expect([
      endpoints.find('GET', '/sTOCK/Ab/X-Y')?.params,
      endpoints.find('GET', '/fILES/A/b')?.params,
      endpoints.find('get', '/files/a'),
    ]).toEqual([{ Sku: 'Ab', y: 'Y' }, { path: 'A/b' }, undefined])
  })

  it('that does not parse is refused', () => {
    expect(() => tree(['nonsense'])).toThrow(expect.objectContaining({ code: 'PSTN_DEFINITION_INVALID' }))
  })
})

describe('the most specific endpoint wins, whatever the order', () => {
  const keys = [
    'GET /*rest',
    'GET /:a/:b',
    'GET /s/:b',
    'GET /s/v-:b',
    'GET /s/v-:b.json',
    'GET /s/v-1',
    '* /s/v-1',
    'GET /s/*rest',
    'POST /:a/x',
  ]
  const expected: readonly (readonly [method: string, path: string, key: string | undefined])[] = [
    ['GET', '/s/v-1', 'GET /s/v-1'],
    ['PUT', '/s/v-1', '* /s/v-1'],
    ['HEAD', '/s/v-1', 'GET /s/v-1'],
    ['GET', '/s/v-2', 'GET /s/v-:b'],
    ['GET', '/s/v-2.json', 'GET /s/v-:b.json'],
    ['GET', '/s/2', 'GET /s/:b'],
    ['GET', '/s/2/3', 'GET /s/*rest'],
    ['GET', '/t/2', 'GET /:a/:b'],
    ['GET', '/t/2/3', 'GET /*rest'],
    ['POST', '/s/x', 'POST /:a/x'],
    ['POST', '/s/y', undefined],
    ['get', '/s/v-2', undefined],
  ]

  it.each(expected)('%s %s meets %j', (method, path, key) => {
    expect(tree(keys).find(method, path)?.key).toBe(key)
    expect(tree(keys.toReversed()).find(method, path)?.key).toBe(key)
  })

  it('shuffled any way', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(keys, { minLength: keys.length }), (shuffled) => {
        const endpoints = tree(shuffled)
        expect(expected.map(([method, path]) => endpoints.find(method, path)?.key)).toEqual(
          expected.map(([, , key]) => key),
        )
      }),
    )
    expect.hasAssertions()
  })
})

const text = fc.constantFrom('a', 'b', 'ab', 'a-', '.a', '.')
const part = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('text'), text) },
  { weight: 3, arbitrary: fc.constant(['param', ''] as [string, string]) },
  { weight: 1, arbitrary: fc.constant(['wildcard', ''] as [string, string]) },
)

/** Writes parts as a pattern in which no two parameters stand side by side, with names used once. */
function pattern(segments: readonly (readonly [string, string][])[], groups: readonly boolean[]): string {
  let names = 0
  let result = ''
  for (const [i, segment] of segments.entries()) {
    let written = '/'
    let previous = 'text'
    for (const [type, literal] of segment) {
      if (type !== 'text' && previous !== 'text') written += '-'
      written += type === 'text' ? literal : type === 'param' ? `:p${(names += 1)}` : `*w${(names += 1)}`
      // A name ends where a letter begins it anew: text behind a parameter starts with something else.
      previous = type
    }
    result += groups[i] === true ? `{${written}}` : written
  }
  return result
}

/** A dot segment is resolved when the definition is read; path-to-regexp would take it for text. */
function settledText(type: string, literal: string, first: boolean): [string, string] {
  if (type !== 'text') return [type, literal]
  // Behind a parameter letters would be read as part of its name.
  return [type, first ? literal.replace(/^\.$/, 'a') : `.${literal}`]
}

const patterns = fc
  .tuple(
    fc.array(fc.array(part, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
    fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  )
  .map(([segments, groups]) =>
    pattern(
      segments.map((segment) => segment.map(([type, literal], i) => settledText(type, literal, i === 0))),
      groups,
    ),
  )
  .filter((path) => path.startsWith('/'))

const paths = fc
  .array(
    fc.constantFrom('a', 'b', 'ab', 'a-', '.a', 'a.a', 'a..', 'b..a', 'b.ab', 'a-.a', '', 'a.a.b', 'b-a', 'a-b.a', 'x'),
    {
      minLength: 1,
      maxLength: 5,
    },
  )
  .map((segments) => `/${segments.join('/')}`)

describe('the tree', () => {
  it('finds something exactly when a scan over path-to-regexp does', () => {
    let found = 0
    fc.assert(
      fc.property(
        fc.uniqueArray(patterns, { minLength: 1, maxLength: 6 }),
        fc.array(paths, { minLength: 1, maxLength: 10 }),
        (list, asked) => {
          const endpoints = tree(list.map((path) => `GET ${path}`))
          const expressions = list.map((path) => pathToRegexp(path, { sensitive: true }).regexp)
          for (const path of asked) {
            const scan = expressions.some((regexp) => regexp.test(path))
            if (scan) found += 1
            expect([list, path, endpoints.find('GET', path) !== undefined]).toEqual([list, path, scan])
          }
        },
      ),
      { numRuns: 2_000 },
    )
    expect(found).toBeGreaterThan(500)
  })

  it('finds an endpoint that really matches, with the parameters path-to-regexp captures', () => {
    let found = 0
    fc.assert(
      fc.property(patterns, fc.array(paths, { minLength: 1, maxLength: 10 }), (path, asked) => {
        const endpoints = tree([`GET ${path}`])
        for (const one of asked) {
          const match = endpoints.find('GET', one)
          if (match === undefined) continue
          found += 1
          expect(pathToRegexp(match.key.slice(4), { sensitive: true }).regexp.test(one)).toBe(true)
        }
      }),
      { numRuns: 1_000 },
    )
    expect(found).toBeGreaterThan(100)
  })
})
