import { expect, it } from 'vitest'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { configuration } from './catalogue/k.ts'
import { problemsOf, refusalOf, validated } from './definition-problems.ts'

cleanUpAfterAttacks()

const plugin = (): undefined => undefined

class Stamp {
  run(): void {}
}

attack(configuration, 'K02', () => {
  it.each<[string, unknown, path: string, found: string]>([
    ['an unknown hook', { hooks: { preAuth: [] } }, 'hooks.preAuth', 'known keys are'],
    ['undefined in a list', { hooks: { pre: [plugin, undefined] } }, 'hooks.pre[1]', 'expected a function'],
    ['undefined as auth', { hooks: { auth: undefined } }, 'hooks.auth', 'found undefined'],
    ['a name', { hooks: { pre: ['stamp'] } }, 'hooks.pre[0]', 'found "stamp"'],
    ['a class', { hooks: { response: [Stamp] } }, 'hooks.response[0]', 'found the class Stamp'],
    ['a list in a list', { hooks: { post: [[plugin]] } }, 'hooks.post[0]', 'found an array of 1'],
    ['a list as auth', { hooks: { auth: [plugin] } }, 'hooks.auth', 'found an array of 1'],
    ['a function for a list', { hooks: { analytics: plugin } }, 'hooks.analytics', 'write [plugin]'],
    [
      'no function in it',
      { hooks: { pre: [{ name: 'stamp' }] } },
      'hooks.pre[0].plugin',
      'expected the plugin function',
    ],
    ['a promise of one', { hooks: { pre: [{ plugin: Promise.resolve(plugin) }] } }, 'hooks.pre[0].plugin', 'Promise'],
    ['an unknown driver', { hooks: { pre: [{ plugin, driver: 'python' }] } }, 'hooks.pre[0].driver', 'unknown key'],
    ['at an endpoint', { endpoints: { 'GET /x': [undefined] } }, 'endpoints["GET /x"][0]', 'expected a function'],
  ])('%s', (_, fields, path, found) => {
    const problems = problemsOf({ name: 'orders', ...(fields as object) })
    expect(problems.map((problem) => problem.path)).toContain(path)
    expect(problems.find((problem) => problem.path === path)!.message).toContain(found)
  })
})

attack(configuration, 'K03', () => {
  it.each<[string, object, object, path: string]>([
    ['an id', { name: 'a', id: 'x' }, { name: 'b', id: 'x', listenPath: '/b' }, '[1].id'],
    ['an id that is a name', { name: 'a' }, { name: 'b', id: 'a', listenPath: '/b' }, '[1].id'],
    ['a name', { name: 'a' }, { name: 'a', id: 'b', listenPath: '/b' }, '[1].name'],
    ['a listen path', { name: 'a', listenPath: '/x' }, { name: 'b', listenPath: '/x' }, '[1].listenPath'],
    ['one with a slash', { name: 'a', listenPath: '/x' }, { name: 'b', listenPath: '/x/' }, '[1].listenPath'],
    ['one encoded', { name: 'a', listenPath: '/x' }, { name: 'b', listenPath: '/%78' }, '[1].listenPath'],
    ['the root', { name: 'a' }, { name: 'b', listenPath: '/' }, '[1].listenPath'],
    ['one in other letters', { name: 'a', listenPath: '/x' }, { name: 'b', listenPath: '/X' }, '[1].listenPath'],
  ])('two APIs share %s', (_, one, other, path) => {
    const problems = problemsOf([one, other])
    expect(problems.map((problem) => problem.path)).toContain(path)
    expect(problems[0]!.message).toContain('[0]')
  })

  it('two endpoint keys meet the same requests', () => {
    const endpoints = { 'GET /:a/x': [plugin], 'GET /:b/x': [plugin] }
    const [problem] = problemsOf({ name: 'a', endpoints })
    expect(problem).toMatchObject({ path: 'endpoints["GET /:b/x"]', message: expect.stringContaining('"GET /:a/x"') })
  })
})

attack(configuration, 'K04', () => {
  const nested = (levels: number): object => {
    let inner: object = {}
    for (let i = 1; i < levels; i += 1) inner = { inner }
    return inner
  }

  it('__proto__ is refused where names are known', () => {
    const own = '{"__proto__":{"polluted":true}}'
    const read = (): object => JSON.parse(own) as object
    const definitions: readonly (readonly [path: string, definition: object])[] = [
      ['__proto__', { ...read(), name: 'a', ['__proto__']: 1 }],
      ['upstream.__proto__', { name: 'a', upstream: JSON.parse('{"url":"http://h","__proto__":{}}') as object }],
      ['hooks.__proto__', { name: 'a', hooks: read() }],
      ['limits.__proto__', { name: 'a', limits: read() }],
      ['authentication.__proto__', { name: 'a', authentication: read() }],
      ['endpoints["__proto__"]', { name: 'a', endpoints: JSON.parse('{"__proto__":[]}') as object }],
    ]
    for (const [path, definition] of definitions)
      expect([path, problemsOf(definition).length > 0]).toEqual([path, true])
    expect(problemsOf({ name: 'a', config: read(), policies: {} })).toEqual([])
    expect('polluted' in {}).toBe(false)
  })

  it('data of any size is data, up to 100 levels', () => {
    expect(problemsOf({ name: 'a', config: { text: 'x'.repeat(10_000_000) } })).toEqual([])
    expect(problemsOf({ name: 'a', config: { list: Array.from({ length: 300_000 }, (_, i) => ({ i })) } })).toEqual([])
    expect(problemsOf({ name: 'a', config: nested(100) })).toEqual([])
    for (const levels of [101, 1_000, 100_000])
      expect(problemsOf({ name: 'a', config: nested(levels) })).toMatchObject([{ path: 'config' }])
    for (const field of ['hooks', 'limits', 'upstream', 'authentication', 'policies', 'endpoints'])
      expect([field, problemsOf({ name: 'a', [field]: nested(100_000) }).length > 0]).toEqual([field, true])
  })

  it('what contains itself is refused, and nothing is fetched', () => {
    const loop: Record<string, unknown> = {}
    loop['$ref'] = loop
    expect(problemsOf({ name: 'a', config: loop })).toMatchObject([{ path: 'config' }])
    const references = ['#/config', 'file:///etc/passwd', 'http://127.0.0.1:1/definition.json']
    for (const $ref of references) {
      expect(problemsOf({ name: 'a', $ref })).toMatchObject([{ path: '$ref' }])
      // Data stays data.
      expect(validated({ name: 'a', config: { $ref } }).config).toEqual({ $ref })
    }
  })
})

attack(configuration, 'K05', () => {
  it.each<[object, path: string, meant: string]>([
    [{ listenpath: '/x' }, 'listenpath', 'listenPath'],
    [{ listen_path: '/x' }, 'listen_path', 'listenPath'],
    [{ use_keyless: true }, 'use_keyless', 'known keys are'],
    [{ 'x-tyk-api-gateway': {} }, '["x-tyk-api-gateway"]', 'known keys are'],
    [{ upstream: { url: 'http://h', timeout: 5 } }, 'upstream.timeout', 'known keys are'],
    [{ upstream: { url: 'http://h', verifyTLS: false } }, 'upstream.verifyTLS', 'verifyTls'],
    [{ hooks: { post_auth: [] } }, 'hooks.post_auth', 'postAuth'],
    [{ hooks: { pre: [{ plugin, timeout: 5 }] } }, 'hooks.pre[0].timeout', 'timeoutMs'],
    [{ limits: { rate: 1, per: 1, algorithn: 'gcra' } }, 'limits.algorithn', 'algorithm'],
    [
      { limits: { endpoints: { 'GET /x': { rate: 1, per: 1, burst: 2 } } } },
      'limits.endpoints["GET /x"].burst',
      'rate',
    ],
    [{ authentication: { tokens: true } }, 'authentication.tokens', 'token'],
    [{ authentication: { token: { headers: 'x' } } }, 'authentication.token.headers', 'header'],
  ])('%o', (fields, path, meant) => {
    const problem = problemsOf({ name: 'a', ...fields }).find((one) => one.path === path)
    expect(problem?.message).toContain(meant)
  })
})

attack(configuration, 'K10', () => {
  const TIMEOUTS = ['pluginTimeoutMs', 'bodyTimeoutMs', 'requestTimeoutMs', 'sendTimeoutMs', 'upgradeIdleTimeoutMs']

  it('no timeout can be switched off', () => {
    for (const field of TIMEOUTS)
      for (const value of [0, -1, Infinity, 2 ** 31, null, false])
        expect([field, problemsOf({ name: 'a', [field]: value })]).toMatchObject([field, [{ path: field }]])
    for (const field of ['connectTimeoutMs', 'headersTimeoutMs', 'bodyTimeoutMs'])
      expect(problemsOf({ name: 'a', upstream: { url: 'http://h', [field]: 0 } })).toMatchObject([
        { path: `upstream.${field}` },
      ])
  })

  it('every default is the safe value', () => {
    const definition = validated({ name: 'a', upstream: 'https://h' })
    for (const field of TIMEOUTS) expect(definition[field as keyof typeof definition]).toBeGreaterThan(0)
    expect(definition).toMatchObject({
      trustedProxies: [],
      underscoreHeaders: 'drop',
      ignoreCase: false,
      upstream: { verifyTls: true, forwarded: 'append', preserveHost: false },
    })
  })

  it('what would leave an API open by mistake is refused', () => {
    const open: readonly object[] = [
      { hooks: { auth: undefined } },
      { hooks: { postAuth: [plugin] } },
      { authentication: {} },
      { authentication: { token: false } },
      { authentication: { token: { header: false } } },
      { authentication: { token: true, idExtractor: { source: 'header', header: 'x', mode: 'value' } } },
    ]
    for (const fields of open) expect([fields, problemsOf({ name: 'a', ...fields }).length > 0]).toEqual([fields, true])
    for (const onStoreError of [{ session: 'pass' }, { sessions: 'open' }, 'pass'])
      expect(refusalOf({ name: 'a' }, { onStoreError } as never)?.code).toBe('PSTN_OPTIONS_INVALID')
  })
})
