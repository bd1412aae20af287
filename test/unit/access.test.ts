import { describe, expect, it } from 'vitest'
import { mayUseApi, mayUseUrl } from '../../packages/core/src/session/access.ts'
import { type KeyInput, parseSession, type Session } from '../../packages/core/src/session/session.ts'
import { checkUrl, compileUrl } from '../../packages/core/src/session/url-pattern.ts'

const key = (input: KeyInput): Session => parseSession(input, 'PSTN_SESSION_INVALID')

describe('a URL pattern', () => {
  it.each<[pattern: string, matching: readonly string[], other: readonly string[]]>([
    ['/users', ['/users'], ['/users/1', '/v1/users', '/user', '/users/', '/Users', '']],
    ['^/users$', ['/users'], ['/users/1']],
    ['/users/', ['/users/'], ['/users']],
    ['/users/{id}', ['/users/1', '/users/{id}'], ['/users/', '/users/1/orders', '/users']],
    ['/{a}/x/{b}', ['/1/x/2'], ['/1/2/x/3', '/1/x/2/3']],
    ['/users/*', ['/users/', '/users/1', '/users/1/orders'], ['/users', '/v1/users/1']],
    ['/users/*/orders', ['/users/1/orders'], ['/users/1/2/orders', '/users//orders']],
    ['/*/*/c', ['/a/b/c'], ['/a/c', '/a/b/b/c']],
    ['/users/*/*', ['/users/1/', '/users/1/2/3'], ['/users/1']],
    ['/a|/b', ['/a', '/b'], ['/a/b', '/ab', '/b/a']],
    ['/v[12]/(users|orders)', ['/v1/users', '/v2/orders'], ['/v3/users', '/v1/users/1']],
    [String.raw`/orders/\d{3}`, ['/orders/123'], ['/orders/12', '/orders/12a', '/orders/1234']],
    [String.raw`/orders/\d{2,}`, ['/orders/12', '/orders/123'], ['/orders/1']],
    [String.raw`/\p{Lu}`, ['/A'], ['/a', '/AB']],
    [String.raw`/\{id\}`, ['/{id}'], ['/1']],
    ['(?i)/users', ['/USERS', '/users'], ['/user']],
    ['/a+b', ['/a+b', '/aab'], ['/a b']],
    ['/a.json', ['/a.json', '/a_json'], ['/a.json.bak']],
    ['/a{b', ['/a{b'], ['/a', '/ab']],
    ['.*', ['/', '/anything/at/all', ''], []],
    ['/(a+b)+', ['/aab'], [`/${'a'.repeat(5000)}`]],
  ])('%s', (pattern, matching, other) => {
    const url = compileUrl(pattern)
    expect(url.problem).toBeUndefined()
    expect(matching.filter((path) => !url.matches(path))).toEqual([])
    expect(other.filter((path) => url.matches(path))).toEqual([])
  })

  it.each([
    ['/a(b', 'is not RE2'],
    ['/(a+)+b', 'repeats what repeats already'],
    ['/a[', 'is not RE2'],
    ['/a(?=b)', 'is not RE2'],
    ['(/a)\\1', 'is not RE2'],
    ['', 'is empty'],
    ['^', 'is empty'],
    ['$', 'is empty'],
    ['^$', 'is empty'],
  ])('that is none (%s) matches nothing and says why', (pattern, reason) => {
    const url = compileUrl(pattern)
    expect(url.problem).toMatchObject({
      code: 'PSTN_SESSION_INVALID',
      message: expect.stringContaining(reason) as string,
    })
    expect([pattern, '', '/', '/a', '/ab'].filter((path) => url.matches(path))).toEqual([])
    expect(compileUrl(pattern).problem).toBe(url.problem)
  })

  it('is compiled once', () => {
    expect(compileUrl('/once/{id}')).toBe(compileUrl('/once/{id}'))
  })

  it('is forgotten after a thousand others, and compiled again when needed', () => {
    const first = compileUrl('/first/{id}')
    for (let i = 0; i < 1000; i += 1) compileUrl(`/others/${i}`)
    const again = compileUrl('/first/{id}')
    expect([again === first, again.matches('/first/1')]).toEqual([false, true])
  })

  it('can be checked before it is used', () => {
    expect(() => checkUrl('/a(')).toThrow(expect.objectContaining({ code: 'PSTN_SESSION_INVALID' }))
    expect(() => checkUrl('/a(', 'PSTN_OPTIONS_INVALID')).toThrow(
      expect.objectContaining({ code: 'PSTN_OPTIONS_INVALID', message: expect.stringContaining('"/a("') as string }),
    )
    expect(() => checkUrl('/a/{id}')).not.toThrow()
  })
})

describe('access to an API', () => {
  it.each<[string, KeyInput['accessRights'], apiId: string, version: string, allowed: boolean]>([
    ['no rights at all, which is everything', {}, 'orders', 'v1', true],
    ['rights for another API', { stock: {} }, 'orders', '', false],
    ['rights for it', { orders: {} }, 'orders', '', true],
    ['its name inherited only', { stock: {} }, 'constructor', '', false],
    ['no versions, which is every version', { orders: {} }, 'orders', 'v9', true],
    ['the version asked for', { orders: { versions: ['v1', 'v2'] } }, 'orders', 'v2', true],
    ['other versions', { orders: { versions: ['v1'] } }, 'orders', 'v2', false],
    ['versions of an API that has none', { orders: { versions: ['Default'] } }, 'orders', '', true],
  ])('with %s', (_, accessRights, apiId, version, allowed) => {
    expect(mayUseApi(key({ accessRights }), apiId, version)).toBe(allowed)
  })
})

describe('access to a path', () => {
  const orders = {
    orders: {
      allowedUrls: [
        { url: '', methods: [] },
        { url: '/orders/{id}', methods: ['GET', 'POST'] },
        { url: '/api/full', methods: ['PUT'] },
        { url: '/broken(', methods: ['PATCH'] },
        { url: '/orders/special', methods: ['DELETE'] },
        { url: '/head', methods: ['HEAD'] },
      ],
    },
  }

  it.each<[string, method: string, path: string, allowed: boolean]>([
    ['a listed path and method', 'GET', '/orders/1', true],
    ['the second listed method', 'POST', '/orders/1', true],
    ['a method no entry lists', 'OPTIONS', '/orders/1', false],
    ['a method another entry lists', 'DELETE', '/orders/1', false],
    ['a later entry', 'DELETE', '/orders/special', true],
    ['a method spelt differently', 'get', '/orders/1', false],
    ['HEAD where GET is allowed', 'HEAD', '/orders/1', true],
    ['GET where HEAD is allowed', 'GET', '/head', false],
    ['HEAD where only POST is allowed', 'HEAD', '/api/full', false],
    ['a longer path', 'GET', '/orders/1/items', false],
    ['the full path', 'PUT', '/full', true],
    ['a pattern that is none', 'PATCH', '/broken(', false],
  ])('with %s', (_, method, path, allowed) => {
    expect(mayUseUrl(key({ accessRights: orders }), 'orders', method, path, `/api${path}`)).toBe(allowed)
  })

  it.each<[string, KeyInput['accessRights'], boolean]>([
    ['no rights at all', {}, true],
    ['an API without allowed URLs', { orders: {} }, true],
    ['rights for another API only', { stock: {} }, false],
    ['entries that list no method', { orders: { allowedUrls: [{ url: '/a', methods: [] }] } }, false],
  ])('with %s', (_, accessRights, allowed) => {
    expect(mayUseUrl(key({ accessRights }), 'orders', 'GET', '/a', '/a')).toBe(allowed)
  })
})
