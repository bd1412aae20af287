import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EndpointTree } from '../../packages/core/src/chain/endpoint-tree.ts'

function listed(keys: readonly string[], ignoreCase = false): EndpointTree<number> {
  const endpoints = new EndpointTree<number>(ignoreCase, 'listed')
  for (const [i, key] of keys.entries()) endpoints.add(key, i)
  return endpoints
}

const ROWS: readonly (readonly [name: string, keys: readonly string[], request: string, found: string])[] = [
  ['a wildcard before text', ['GET /admin/*rest', 'GET /admin/x'], 'GET /admin/x', 'GET /admin/*rest'],
  ['text before a wildcard', ['GET /admin/x', 'GET /admin/*rest'], 'GET /admin/x', 'GET /admin/x'],
  ['a slash at the end', ['GET /admin/*rest', 'GET /admin/x'], 'GET /admin/x/', 'GET /admin/*rest'],
  ['a path that ends in a slash', ['GET /a/', 'GET /a'], 'GET /a/', 'GET /a/'],
  ['a path behind one that ends in a slash', ['GET /a', 'GET /a/'], 'GET /a/', 'GET /a'],
  ['a parameter before text', ['GET /:id/x', 'GET /a/x'], 'GET /a/x', 'GET /:id/x'],
  ['a parameter before one with text', ['GET /:id', 'GET /:id.json'], 'GET /a.json', 'GET /:id'],
  ['mixed segments', ['GET /:id.json', 'GET /list-:id.json'], 'GET /list-7.json', 'GET /:id.json'],
  ['mixed before text', ['GET /:id.json', 'GET /a.json'], 'GET /a.json', 'GET /:id.json'],
  ['text in front of a wildcard', ['GET /ad*rest', 'GET /admin/:x'], 'GET /admin/1', 'GET /ad*rest'],
  ['text behind a wildcard', ['GET /*any/x', 'GET /a/b/x'], 'GET /a/b/x', 'GET /*any/x'],
  ['optional groups', ['GET /a{/:id}', 'GET /a/b', 'GET /:x'], 'GET /a/b', 'GET /a{/:id}'],
  ['any method', ['* /a', 'GET /a'], 'GET /a', '* /a'],
  ['any method behind', ['GET /a', '* /a'], 'GET /a', 'GET /a'],
  ['another method', ['POST /*all', 'GET /a'], 'GET /a', 'GET /a'],
  ['GET for HEAD', ['GET /a/*rest', 'HEAD /a/x'], 'HEAD /a/x', 'GET /a/*rest'],
  ['HEAD of the same path', ['GET /a', 'HEAD /a'], 'HEAD /a', 'HEAD /a'],
  ['HEAD before GET', ['HEAD /a/*rest', 'GET /a/x'], 'HEAD /a/x', 'HEAD /a/*rest'],
  ['GET beside that', ['HEAD /a/*rest', 'GET /a/x'], 'GET /a/x', 'GET /a/x'],
  ['an expression before a path', ['GET ~^/admin/', 'GET /:any/x'], 'GET /admin/x', 'GET ~^/admin/'],
  ['an expression behind a path', ['GET /:any/x', 'GET ~^/admin/'], 'GET /admin/x', 'GET /:any/x'],
  ['an expression of another method', ['POST ~^/admin/', 'GET /:any/x'], 'GET /admin/x', 'GET /:any/x'],
  ['an expression, then a wildcard', ['GET ~x', 'GET /*rest', 'GET /a/x'], 'GET /a/x', 'GET ~x'],
  ['a wildcard, then an expression', ['GET /*rest', 'GET ~x', 'GET /a/x'], 'GET /a/x', 'GET /*rest'],
  ['escapes', ['GET /a\\:*rest', 'GET /a%3Ab'], 'GET /a%3Ab', 'GET /a\\:*rest'],
]

describe('endpoints of which the first that is listed counts', () => {
  it.each(ROWS)('%s', (_, keys, request, found) => {
    const [method = '', path = ''] = request.split(' ')
    expect(listed(keys).find(method, path)?.key).toBe(found)
  })

  it('have the params of the one that was found', () => {
    const keys = ['GET /files/:name', 'GET ~^/f/(?<x>.*)', 'GET /files/a', 'GET /f/a']
    expect(listed(keys).find('GET', '/files/a')?.params).toEqual({ name: 'a' })
    expect(listed(keys).find('GET', '/f/a')?.params).toEqual({ x: 'a' })
  })

  it('overlap in any case where case is ignored', () => {
    expect(listed(['GET /ADMIN/*rest', 'GET /admin/x'], true).find('GET', '/Admin/X')?.value).toBe(0)
  })

  it('are the first of those that would meet the request alone', () => {
    const segment = fc.constantFrom('a', 'b', ':p', 'a:p', ':p.a', 'a:p.b', '*r', 'a*r', '')
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`)
    const optional = fc.tuple(path, fc.boolean()).map(([text, more]) => (more ? `${text}{/z}` : text))
    const expression = fc.constantFrom('~^/a', '~b$', '~/a/', '~^/[^/]+$')
    const method = fc.constantFrom('GET', 'HEAD', '*', 'POST')
    // Names have to differ.
    const key = fc.tuple(method, fc.oneof({ weight: 5, arbitrary: optional }, expression)).map((parts) => {
      let n = 0
      return parts.join(' ').replace(/([:*])[pr]/g, (_, sigil: string) => `${sigil}n${(n += 1)}`)
    })
    const asked = fc
      .array(fc.constantFrom('a', 'b', 'aa', 'aa.b', 'z', 'x.a', ''), { minLength: 1, maxLength: 4 })
      .map((parts) => `/${parts.join('/')}`.replace(/^\/+/, '/'))
    fc.assert(
      fc.property(
        fc.uniqueArray(key, { minLength: 1, maxLength: 8 }),
        fc.constantFrom('GET', 'POST'),
        asked,
        (all, requestMethod, requestPath) => {
          const keys = all.filter((one) => {
            try {
              return listed([one]).size === 1
            } catch {
              return false
            }
          })
          const first = keys.find((one) => listed([one]).find(requestMethod, requestPath) !== undefined)
          expect(listed(keys).find(requestMethod, requestPath)?.key).toBe(first)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('are built fast, however many', () => {
    const keys = Array.from({ length: 10_000 }, (_, i) => `GET /p${i % 5_000}/${i < 5_000 ? '*rest' : ':id/parts'}`)
    const endpoints = listed(keys)
    expect(endpoints.find('GET', '/p7/1/parts')?.key).toBe('GET /p7/*rest')
    expect(endpoints.size).toBe(10_000)
  }, 10_000)
})
