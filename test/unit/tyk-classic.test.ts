import { describe, expect, it } from 'vitest'
import { classic, merged, native, translated } from '../support/tyk.ts'

const plugin = (functionName: string): object => ({ functionName })
const inVersion = (part: object): object => ({ version_data: { versions: { Default: part } } })
const paths = (part: object): object => inVersion({ extended_paths: part })
const check = { custom_middleware: { auth_check: { name: 'check' } }, use_keyless: false }

describe('the auth plugin of Classic', () => {
  it.each(['custom_plugin_auth_enabled', 'use_go_plugin_auth', 'enable_coprocess_auth'])(
    'is asked for by %s',
    (flag) => {
      const { input, problems, warnings } = translated(classic(check, { [flag]: true }))
      expect([problems, warnings]).toEqual([[], []])
      expect(input).toEqual({ ...native, hooks: { auth: plugin('check') } })
    },
  )

  it('finds its credential where the older form says', () => {
    const { input } = translated(classic(check, { enable_coprocess_auth: true, auth: { auth_header_name: 'X-Key' } }))
    expect(input).toMatchObject({ authentication: { credential: { header: 'X-Key' } } })
  })

  it.each([
    ['nothing', {}],
    [
      'an empty entry, as programs write it',
      { custom_middleware: { auth_check: { name: '', path: '', disabled: false } } },
    ],
  ])('has to be there where it is asked for: %s', (_, part) => {
    const { problems } = translated(classic({ use_keyless: false, custom_plugin_auth_enabled: true }, part))
    expect(problems).toEqual([
      'custom_middleware.auth_check: missing, expected the plugin that custom_plugin_auth_enabled asks for',
    ])
  })

  it('and what runs behind it are left out of a keyless API, with warnings', () => {
    const { input, problems, warnings } = translated(
      classic({
        custom_plugin_auth_enabled: true,
        custom_middleware: {
          auth_check: { name: 'check' },
          post_key_auth: [{ name: 'a' }, { name: 'b', disabled: true }],
        },
      }),
    )
    expect(problems).toEqual([])
    expect(input).toEqual(native)
    expect(warnings).toEqual([
      'custom_plugin_auth_enabled: without effect, the API is keyless',
      'custom_middleware.post_key_auth[0]: without effect, the API is keyless',
    ])
  })
})

describe('a plugin of Classic', () => {
  const hook = (entry: object, driver?: string): object => classic({ custom_middleware: { pre: [entry], driver } })
  const first = (document: object, named: readonly string[] = []): unknown => {
    const { input, problems } = translated(document, { named: (name) => named.includes(name) })
    return problems[0] ?? (input as { hooks: { pre: readonly unknown[] } }).hooks.pre[0]
  }

  it.each([
    ['/middleware/a.so', 'middleware/a.so'],
    ['./a.js', 'a.js'],
    ['//a.js', 'a.js'],
    ['a/../b.js', 'b.js'],
    ['a\\b.js', 'a/b.js'],
    ['..a.js', '..a.js'],
  ])('is an export of its file: %s', (path, expected) => {
    expect(first(hook({ name: 'f', path }))).toEqual({ functionName: 'f', path: expected })
  })

  it.each(['../a.js', '/../a.js', 'a/../../b.js', '..', '..\\a.js'])('may not leave the directory: %s', (path) => {
    expect(first(hook({ name: 'f', path }))).toMatch(/pre\[0\]\.path: found .* leads out of the plugins directory/)
  })

  it('is a function that was handed in, where there is one of its name', () => {
    expect(first(hook({ name: 'f', path: '../a.js', code: 'e30=' }, 'grpc'), ['f'])).toEqual({ functionName: 'f' })
  })

  it.each(['', '/', '.'])('without a file is looked for by name: %j', (path) => {
    expect(first(hook({ name: 'f', path }))).toEqual({ functionName: 'f' })
  })

  it.each(['otto', 'javascript', 'python', 'lua', 'goplugin', '', undefined])('may have the driver %s', (driver) => {
    expect(first(hook({ name: 'f', path: 'a.py' }, driver))).toEqual({ functionName: 'f', path: 'a.py' })
  })

  it.each([
    [
      'a driver nobody knows',
      hook({ name: 'f' }, 'ruby'),
      'custom_middleware.driver: found "ruby", expected one of "otto"',
    ],
    ['gRPC', hook({ name: 'f', path: 'a' }, 'grpc'), 'custom_middleware.pre[0].name: found "f" behind gRPC'],
    ['its source', hook({ name: 'f', code: 'e30=' }), 'custom_middleware.pre[0].code: source in a document is not run'],
    ['no name', hook({ path: 'a.js' }), 'custom_middleware.pre[0].name: missing'],
  ])('is refused with %s', (_, document, problem) => {
    expect(first(document)).toContain(problem)
  })

  it('of an endpoint does not ask for the driver', () => {
    const document = classic(
      paths({ go_plugin: [{ path: '/a', method: 'GET', func_name: 'f', plugin_path: 'a.so' }] }),
      {
        custom_middleware: { driver: 'grpc' },
      },
    )
    expect(translated(document).input).toMatchObject({ endpoints: { 'GET /a': [{ functionName: 'f', path: 'a.so' }] } })
  })

  it('of an endpoint may not stand in the document either, but by name', () => {
    const entry = {
      path: '/a',
      method: 'GET',
      response_function_name: 'f',
      function_source_type: 'blob',
      function_source_uri: 'e30=',
    }
    const document = classic(paths({ virtual: [entry] }))
    expect(translated(document).problems).toEqual([
      expect.stringContaining('.function_source_uri: source in a document is not run'),
    ])
    expect(translated(document, { named: () => true }).input).toMatchObject({ endpoints: { 'GET /a': [plugin('f')] } })
  })
})

describe('endpoints of Classic', () => {
  const go = (func_name: string, path: string, method = 'GET'): object => ({ func_name, path, method })
  const keys = (document: object, context = {}): string[] =>
    Object.keys((translated(document, context).input as { endpoints?: object }).endpoints ?? {})

  it('stand at the top level as well, before those of the version', () => {
    const document = classic({ extended_paths: { go_plugin: [go('a', '/x')] } }, paths({ go_plugin: [go('b', '/x')] }))
    expect(translated(document).input).toMatchObject({ endpoints: { 'GET /x': [plugin('a'), plugin('b')] } })
  })

  it('that meet the same requests are one, with a warning where they are spelt differently', () => {
    const { input, warnings } = translated(
      classic(paths({ go_plugin: [go('a', '/x/{id}'), go('b', '/x/{name}'), go('c', '/x/{id}')] })),
    )
    expect(input).toMatchObject({ endpoints: { 'GET /x/:id': [plugin('a'), plugin('b'), plugin('c')] } })
    expect(warnings).toEqual([
      'version_data.versions.Default.extended_paths.go_plugin[1].path: meets the same requests as "GET /x/:id", and is one endpoint with it',
    ])
  })

  it('have one rate limit; a further one is without effect', () => {
    const limit = { path: '/x', method: 'GET', per: 1 }
    const { input, warnings } = translated(
      classic(
        paths({
          rate_limit: [
            { ...limit, rate: 5 },
            { ...limit, rate: 9 },
          ],
        }),
      ),
    )
    expect(input).toMatchObject({ limits: { endpoints: { 'GET /x': { rate: 5, per: 1 } } } })
    expect(warnings).toEqual([expect.stringMatching(/rate_limit\[1\]: without effect/)])
  })

  it.each([
    ['get', 'found "get", which no request has, expected "GET"'],
    ['', 'missing, expected a method such as "GET"'],
    ['GET /y', 'found "GET /y", which no request has, expected a method such as "GET"'],
  ])('have a method in capitals: %j', (method, why) => {
    const { problems } = translated(classic(paths({ go_plugin: [go('a', '/x', method)] })))
    expect(problems).toEqual([`version_data.versions.Default.extended_paths.go_plugin[0].method: ${why}`])
  })

  it('may be switched off, whatever else they say', () => {
    const off = { disabled: true, method: 'get', path: '{' }
    const { input, problems } = translated(classic(paths({ go_plugin: [off], virtual: [off], rate_limit: [off] })))
    expect(problems).toEqual([])
    expect(input).toEqual(native)
  })

  it('keep their order where paths are expressions', () => {
    const document = classic(paths({ go_plugin: [go('a', '/x'), go('b', '/x/{id}/y'), go('c', '/x/y')] }))
    expect(keys(document, { pathMatching: 'contains' })).toEqual(['GET ~/x', 'GET ~/x/(?P<id>[^/]+)/y', 'GET ~/x/y'])
  })

  it('report a path that means nothing where it stands', () => {
    const { problems } = translated(
      classic(paths({ go_plugin: [go('a', '/x/(')], rate_limit: [{ ...go('', '/{'), rate: 1, per: 1 }] })),
    )
    expect(problems).toEqual([
      expect.stringMatching(/go_plugin\[0\]\.path: .*is not RE2/),
      expect.stringMatching(/rate_limit\[0\]\.path: .*not balanced/),
    ])
  })

  it('say that a virtual endpoint which fails does not go to the upstream', () => {
    const entry = { path: '/a', method: 'GET', response_function_name: 'f', proxy_on_error: true }
    expect(translated(classic(paths({ virtual: [entry] }))).warnings).toEqual([
      expect.stringContaining('proxy_on_error: a plugin that fails'),
    ])
  })
})

describe('versions of Classic', () => {
  const versions = (data: object, more: object = {}): object => {
    const { version_data: _, ...rest } = classic(more) as { version_data?: unknown }
    return { ...rest, version_data: data }
  }
  const v1 = {
    name: 'v1',
    use_extended_paths: true,
    extended_paths: { go_plugin: [{ path: '/x', method: 'GET', func_name: 'a' }] },
  }

  it.each([
    ['not versioned', { not_versioned: true, versions: { any: v1 } }, {}],
    [
      'one version, which nobody chooses',
      { not_versioned: false, default_version: 'v1', versions: { any: v1 } },
      { version: 'v1' },
    ],
    ['one version, as nothing else is said', { versions: { any: v1 } }, { version: 'v1' }],
  ])('%s: its paths are those of the API', (_, data, more) => {
    const { input, problems } = translated(versions(data))
    expect(problems).toEqual([])
    expect(input).toEqual({ ...native, ...more, endpointOrder: 'listed', endpoints: { 'GET /x': [plugin('a')] } })
  })

  it.each([
    ['none at all', {}],
    ['an empty list', { not_versioned: true, versions: {} }],
  ])('may be missing: %s', (_, data) => {
    const { input, problems } = translated(versions(data))
    expect([input, problems]).toEqual([native, []])
  })

  it.each([true, false])('are not chosen among: two of them, not_versioned %s', (not_versioned) => {
    const { problems } = translated(versions({ not_versioned, versions: { v1, v2: { name: 'v2' } } }))
    expect(problems).toEqual([
      'version_data.versions: choosing a version is not supported: found "v1", "v2"; make each version an API of its own',
    ])
  })

  it('are not chosen by requests', () => {
    const { problems } = translated(
      versions({ not_versioned: false, versions: { v1 } }, { definition: { location: 'header', key: 'x-v' } }),
    )
    expect(problems).toEqual([
      expect.stringMatching('^version_data.not_versioned: choosing a version is not supported.*"x-v"'),
    ])
  })
})

describe('targets of Classic', () => {
  it('have the weight of how often they are listed', () => {
    const target_list = ['http://a:1', 'b:2', 'http://a:1']
    const { input, origins } = translated(classic({ proxy: { enable_load_balancing: true, target_list } }))
    expect(input).toMatchObject({
      upstream: {
        targets: [
          { url: 'http://a:1', weight: 2 },
          { url: 'http://b:2', weight: 1 },
        ],
      },
    })
    expect(origins['upstream.targets[1].url']).toBe('proxy.target_list[1]')
  })

  it('are not looked at unless they are switched on', () => {
    expect(translated(classic({ proxy: { target_list: ['http://a:1'] } })).input).toEqual(native)
  })

  it('and the upstream may be missing: the host application answers, with a warning', () => {
    const { input, problems, warnings } = translated(classic({ proxy: { target_url: '' } }))
    expect([problems, warnings]).toEqual([
      [],
      ['proxy.target_url: missing: requests go to the routes of the host application'],
    ])
    expect(input).not.toHaveProperty('upstream')
  })
})

describe('a Classic document', () => {
  it.each([
    [{}, true],
    [{ active: true }, true],
    [{ active: null }, true],
    [{ active: false }, false],
  ])('%j is served: %s', (part, active) => {
    expect(translated(classic(part)).active).toBe(active)
  })

  it('keeps no listen path by default', () => {
    const document = classic()
    delete (document['proxy'] as Record<string, unknown>)['strip_listen_path']
    expect(translated(document).input).toMatchObject({ stripListenPath: false })
  })

  it('needs a listen path', () => {
    expect(translated(classic({ proxy: { listen_path: '' } })).problems).toEqual([
      'proxy.listen_path: missing, expected a path such as "/orders/"',
    ])
  })

  it('has plugins for records, unless none are kept', () => {
    const plugins = { analytics_plugin: { enable: true, func_name: 'mask' } }
    const { input, warnings } = translated(classic(plugins, { do_not_track: true }))
    expect(input).toEqual({ ...native, records: false })
    expect(warnings).toEqual(['analytics_plugin: without effect, no records are kept'])
  })

  it('keeps records for ever where they do not expire', () => {
    expect(translated(classic({ expire_analytics_after: 60, disable_expire_analytics: true })).input).toEqual(native)
  })
})

describe('a resource of Tyk Operator', () => {
  const resource = (spec: object, more: object = {}): object => ({
    apiVersion: 'tyk.tyk.io/v1alpha1',
    kind: 'ApiDefinition',
    metadata: { name: 'orders' },
    spec,
    ...more,
  })

  it('is a Classic document in spec', () => {
    const { input, origins, problems } = translated(resource(classic({ custom_middleware: { pre: [{ name: 'a' }] } })))
    expect(problems).toEqual([])
    expect(input).toEqual(merged(native, { hooks: { pre: [plugin('a')] } }))
    expect(origins['hooks.pre[0]']).toBe('spec.custom_middleware.pre[0]')
  })

  it('has its problems there', () => {
    const { problems } = translated(resource(classic({ graphql: { enabled: true }, nam: 'x' })))
    expect(problems.map((line) => line.split(':')[0])).toEqual(['spec.graphql', 'spec.nam'])
  })

  it.each([
    [
      'another kind',
      resource(classic(), { kind: 'SecurityPolicy' }),
      'kind: found "SecurityPolicy", expected "ApiDefinition"',
    ],
    ['no spec', { apiVersion: 'x', kind: 'ApiDefinition' }, 'spec: missing, expected a Tyk Classic definition'],
    [
      'another spec',
      { apiVersion: 'x', kind: 'ApiDefinition', spec: [] },
      'spec: found an array of 0, expected a Tyk Classic definition',
    ],
  ])('is refused with %s', (_, document, problem) => {
    expect(translated(document).problems).toContain(problem)
  })
})

describe('the analytics plugin of Classic', () => {
  const analytics = { analytics_plugin: { enable: true, func_name: 'mask', plugin_path: 'mask.so' } }

  it('is the one of the document', () => {
    const { input, warnings } = translated(classic(analytics))
    expect(input).toMatchObject({ hooks: { analytics: [{ functionName: 'mask' }] } })
    expect(warnings).toEqual([])
  })

  it('gives way to those under traffic_logs, and a warning says so', () => {
    const { input, warnings } = translated(
      classic(analytics, { custom_middleware: { traffic_logs: { name: 'keep', path: 'keep.so' } } }),
    )
    expect(input).toMatchObject({ hooks: { analytics: [{ functionName: 'keep' }] } })
    expect(warnings).toContain('analytics_plugin: without effect: the plugins under traffic_logs take its place')
  })
})
