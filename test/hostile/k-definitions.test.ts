import { type ApiDefinitionInput, checkDefinitions, type DefinitionInput } from '@postern/core'
import { createGateway } from '@postern/http'
import { expect, it } from 'vitest'
import { pluginFolder } from '../support/plugin-folder.ts'
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
      'hooks.pre[0]',
      'found an object with name, expected a function',
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

attack(configuration, 'K02', () => {
  const FILES = {
    'auth/check-key.mjs': 'export const checkKey = () => ({})\nexport class Checker {}\nexport const limit = 5',
    'throws.mjs': 'throw new Error("as asked")',
    'syntax.mjs': 'export const f = () => {',
    'outside.mjs': 'export const f = () => undefined',
  }
  const plugins = { stamp: plugin, Stamp, limit: 5 }

  it.each<[string, object, path: string, found: string]>([
    ['a name nobody handed in', { functionName: 'stmap' }, 'functionName', 'did you mean stamp?'],
    ['a name every object has', { functionName: 'toString' }, 'functionName', 'is no function of options.plugins'],
    ['the name of a class', { functionName: 'Stamp' }, 'functionName', 'options.plugins.Stamp is the class Stamp'],
    ['the name of a number', { functionName: 'limit' }, 'functionName', 'options.plugins.limit is 5'],
    ['no name', { functionName: '' }, 'functionName', 'expected the name of a function'],
    ['a name and a function', { functionName: 'stamp', plugin }, '', 'unknown key'],
    ['a driver', { functionName: 'stamp', driver: 'python' }, 'driver', 'unknown key'],
    ['a path and no name', { path: 'auth/check-key.mjs' }, '', 'expected'],
    ['a file that is missing', { path: 'auth/chek-key.mjs', functionName: 'f' }, 'path', 'mean "auth/check-key.mjs"?'],
    [
      'a path that leads out',
      { path: '../outside.mjs', functionName: 'f' },
      'path',
      'leads out of the plugins directory',
    ],
    ['a path that is a URL', { path: 'file:///outside.mjs', functionName: 'f' }, 'path', 'is refused'],
    [
      'a function that is not exported',
      { path: 'auth/check-key.mjs', functionName: 'checkKye' },
      'functionName',
      'mean "checkKey"? The functions it exports: checkKey.',
    ],
    [
      'an export that is none',
      { path: 'auth/check-key.mjs', functionName: 'limit' },
      'functionName',
      'is no function but 5',
    ],
    [
      'an export that is a class',
      { path: 'auth/check-key.mjs', functionName: 'Checker' },
      'functionName',
      'is no function but the class Checker',
    ],
    ['a file that throws', { path: 'throws.mjs', functionName: 'f' }, 'path', 'Error: as asked (throws.mjs:1)'],
    ['a file that is no program', { path: 'syntax.mjs', functionName: 'f' }, 'path', 'SyntaxError'],
  ])('%s, in every list', async (_, entry, key, found) => {
    const pluginsDirectory = pluginFolder(FILES)
    const places: readonly (readonly [place: string, fields: object])[] = [
      ['hooks.pre[1]', { hooks: { pre: [plugin, entry] } }],
      ['hooks.auth', { hooks: { auth: entry } }],
      ['hooks.analytics[0]', { hooks: { analytics: [entry] } }],
      ['endpoints["GET /x"][0]', { endpoints: { 'GET /x': [entry] } }],
    ]
    for (const [place, fields] of places) {
      const input = { name: 'orders', ...fields } as ApiDefinitionInput
      const { problems, apis } = await checkDefinitions(input, { pluginsDirectory, plugins })
      expect(apis).toEqual([])
      const problem = problems.find(({ path }) => path.startsWith(key === '' ? place : `${place}.${key}`))
      expect([place, problem?.message]).toEqual([place, expect.stringContaining(found)])
      expect(problem!.message).not.toMatch(/\n\s+at /)
    }
  })

  it('all that is missing is told at once, and a path needs a directory', async () => {
    const input: ApiDefinitionInput[] = [
      {
        name: 'a',
        listenPath: '/a',
        hooks: { pre: [{ path: 'none.mjs', functionName: 'f' }], post: [{ path: 'throws.mjs', functionName: 'f' }] },
      },
      { name: 'b', listenPath: '/b', endpoints: { 'GET /x': [{ path: 'auth/check-key.mjs', functionName: 'g' }] } },
    ]
    const { problems } = await checkDefinitions(input, { pluginsDirectory: pluginFolder(FILES) })
    expect(problems.map(({ path }) => path)).toEqual([
      '[0].hooks.pre[0].path',
      '[0].hooks.post[0].path',
      '[1].endpoints["GET /x"][0].functionName',
    ])
    expect(problemsOf(input).map(({ message }) => message)).toEqual(
      Array.from({ length: 3 }, () => expect.stringContaining('set options.pluginsDirectory')),
    )
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
    [{ listenPath: '/x', use_keyless: true }, 'use_keyless', 'known keys are'],
    [{ upstream: 'http://h', proxy: {} }, 'proxy', 'known keys are'],
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

attack(configuration, 'K05', () => {
  const proxy = { listen_path: '/c/', target_url: 'http://h' }
  const classic = { name: 'c', api_id: 'c', use_keyless: true, proxy }
  const oas = (extension: object): object => ({
    openapi: '3.0.3',
    info: { title: 'o', version: '1' },
    paths: {},
    'x-tyk-api-gateway': {
      info: { name: 'o', state: { active: true } },
      upstream: { url: 'http://h' },
      server: { listenPath: { value: '/o/' } },
      ...extension,
    },
  })

  it.each<[object, refused: string[], ignored: string[]]>([
    [{ ...classic, whatever: 1 }, [], ['whatever']],
    [{ ...classic, proxi: {} }, ['proxi'], []],
    [{ ...classic, whatever: 1, graphql: { enabled: true } }, ['graphql'], ['whatever']],
    [oas({ whatever: 1 }), [], ['["x-tyk-api-gateway"].whatever']],
    [oas({ middlewear: {} }), ['["x-tyk-api-gateway"].middlewear'], []],
  ])('in a document of Tyk: %o', async (document, refused, ignored) => {
    const { problems, warnings } = await checkDefinitions(document as DefinitionInput)
    expect([problems.map(({ path }) => path), warnings.map(({ path }) => path)]).toEqual([refused, ignored])
  })

  it('what is ignored is warned of once, however often it is loaded', async () => {
    const told: string[] = []
    const listener = ({ message }: Error): void => void told.push(message)
    process.on('warning', listener)
    const document = { ...classic, whatever: 1 } as DefinitionInput
    const gateway = createGateway(document)
    for (let i = 0; i < 3; i += 1) await gateway.reload(document)
    await new Promise(setImmediate)
    process.off('warning', listener)
    expect(told).toEqual([expect.stringContaining('whatever')])
    await gateway.close()
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
