import { describe, expect, it } from 'vitest'
import { classic, merged, native, oas, translated } from '../support/tyk.ts'

const plugin = (functionName: string, path?: string): object =>
  path === undefined ? { functionName } : { functionName, path }
const bundle = (custom_middleware: unknown): object => ({ file_list: [], checksum: 'd41d', custom_middleware })

const inOas = (path: string, enabled = true): object => ({
  middleware: { global: { pluginConfig: { bundle: { enabled, path } } } },
})

const DIALECTS = [
  [
    'Classic',
    'custom_middleware_bundle',
    (name: string, part: object = {}) => classic({ custom_middleware_bundle: name }, part),
  ],
  [
    'OAS',
    '["x-tyk-api-gateway"].middleware.global.pluginConfig.bundle.path',
    (name: string, part: object = {}) => oas(inOas(name), part),
  ],
] as const

describe.each(DIALECTS)('a bundle of %s', (_, path, document) => {
  it('says what the plugins are', () => {
    const bundles = {
      'a.zip': bundle({ driver: 'python', pre: [{ name: 'f', path: 'middleware.py' }], response: [{ name: 'g' }] }),
    }
    const { input, origins, problems, warnings } = translated(document('a.zip'), { bundles })
    expect([problems, warnings]).toEqual([[], []])
    expect(input).toEqual(merged(native, { hooks: { pre: [plugin('f', 'middleware.py')], response: [plugin('g')] } }))
    expect(origins['hooks.pre[0]']).toBe(path)
  })

  it.each(['a.zip', '__proto__', 'toString'])('has to be handed in: %s', (name) => {
    expect(translated(document(name)).problems).toEqual([
      `${path}: nobody fetches bundles; hand in the manifest of this one as options.bundles[${JSON.stringify(name)}]`,
    ])
  })

  it('is checked as documents are, with the place in it', () => {
    const bundles = {
      'a.zip': bundle({
        driver: 'ruby',
        pre: [{ nme: 'f' }, { name: 7, path: 'x' }],
        post: [{ name: 'g', path: '../g' }],
      }),
    }
    const { problems } = translated(document('a.zip'), { bundles })
    const within = `${path}: in "a.zip", custom_middleware`
    expect(problems).toEqual([
      `${within}.pre[0].nme: unknown key; did you mean "name"?`,
      expect.stringContaining(`${within}.driver: found "ruby", expected one of`),
      `${within}.pre[1].name: found 7, expected text`,
      `${within}.pre[0].name: missing, expected the name of a function`,
      expect.stringContaining(`${within}.post[0].path: found "../g", which leads out of the plugins directory`),
    ])
  })

  it.each([
    ['no manifest', 'x', 'found "x", expected an object'],
    ['an array', [], 'found an array of 0, expected an object'],
    ['nothing for plugins', {}, 'missing, expected the plugins of the bundle'],
    ['another thing for plugins', { custom_middleware: 7 }, 'found 7, expected an object'],
  ])('is refused where it is %s', (__, manifest, problem) => {
    const { problems } = translated(document('a.zip'), { bundles: { 'a.zip': manifest } })
    expect(problems.some((line) => line.startsWith(`${path}: in "a.zip"`) && line.includes(problem))).toBe(true)
  })

  it('brings its plugin for records, in place of the document’s', () => {
    const own = { analytics_plugin: { enable: true, func_name: 'own' } }
    const ownOas = { middleware: { global: { trafficLogs: { plugins: [{ enabled: true, functionName: 'own' }] } } } }
    const analytics = (manifest: object): unknown => {
      const { input } = translated(document('a.zip', path === 'custom_middleware_bundle' ? own : ownOas), {
        bundles: { 'a.zip': manifest },
      })
      return (input as { hooks: { analytics: unknown } }).hooks.analytics
    }
    expect(analytics(bundle({ traffic_logs: { name: 'mask', path: 'mask.so' } }))).toEqual([plugin('mask', 'mask.so')])
    expect(analytics(bundle({}))).toEqual([plugin('own')])
  })

  it('of several is one after the other, each in its directory', () => {
    const bundles = {
      'team/a.zip': bundle({ driver: 'goplugin', pre: [{ name: 'f', path: 'x.so' }], traffic_logs: { name: 'm' } }),
      'b.zip': bundle({ driver: 'goplugin', pre: [{ name: 'g', path: 'x.so' }], traffic_logs: { name: 'n' } }),
    }
    const { input, problems } = translated(document('team/a.zip, b.zip'), { bundles })
    expect(problems).toEqual([])
    expect(input).toEqual(
      merged(native, {
        hooks: { pre: [plugin('f', 'team__a/x.so'), plugin('g', 'b/x.so')], analytics: [plugin('m'), plugin('n')] },
      }),
    )
  })

  it('of several has one auth plugin, and the first extractor', () => {
    const extractor = (header_name: string): object => ({
      id_extractor: { extract_from: 'header', extract_with: 'value', extractor_config: { header_name } },
    })
    const bundles = {
      a: bundle({ driver: 'grpc', auth_check: { name: 'f' }, ...extractor('x-a') }),
      b: bundle({ driver: 'lua', auth_check: { name: 'g' }, ...extractor('x-b') }),
    }
    const { input, problems } = translated(document('a,b', protectedBy(path)), { bundles, named: () => true })
    expect(problems).toEqual([
      `${path}: in "b", custom_middleware.auth_check: a bundle before it has one already; an API has one`,
    ])
    expect(input).toMatchObject({ hooks: { auth: plugin('f') }, authentication: { idExtractor: { header: 'x-a' } } })
  })

  it('of several may have a driver each', () => {
    const bundles = {
      a: bundle({ driver: 'python', pre: [{ name: 'f', path: 'f.py' }] }),
      b: bundle({ driver: 'grpc', pre: [{ name: 'g' }] }),
      c: bundle({ driver: 'ruby', pre: [{ name: 'h', path: 'h.rb' }] }),
    }
    const { input, problems } = translated(document('a,b,c'), { bundles })
    expect(problems).toEqual([
      expect.stringMatching(/: in "c", custom_middleware\.driver: found "ruby", expected one of "otto"/),
      expect.stringMatching(/: in "b", custom_middleware\.pre\[0\]\.name: found "g" behind gRPC/),
    ])
    expect(input).toMatchObject({ hooks: { pre: [plugin('f', 'a/f.py'), plugin('h', 'c/h.rb')] } })
  })

  it('says who is calling, and nothing of the document does', () => {
    const own = { custom_middleware: { auth_check: { name: 'own' }, pre: [{ name: 'own' }] } }
    const part = merged(protectedBy(path), path === 'custom_middleware_bundle' ? own : {}) as object
    const bundles = { 'a.zip': bundle({ auth_check: { name: 'check' } }) }
    expect(translated(document('a.zip', part), { bundles }).input).toEqual(
      merged(native, { hooks: { auth: plugin('check') } }),
    )
    expect(translated(document('a.zip', part), { bundles: { 'a.zip': bundle({}) } }).problems).toEqual([
      expect.stringContaining('custom_middleware.auth_check: missing, expected the plugin that'),
    ])
    expect(translated(document('a.zip', part)).problems).toHaveLength(1)
  })
})

function protectedBy(path: string): object {
  if (path === 'custom_middleware_bundle') return { use_keyless: false, enable_coprocess_auth: true }
  return {
    server: {
      authentication: { enabled: true, custom: { enabled: true, config: { enabled: true, functionName: 'own' } } },
    },
  }
}

it('a bundle that is switched off is not looked at', () => {
  const own = {
    custom_middleware_bundle: 'a.zip',
    custom_middleware_bundle_disabled: true,
    custom_middleware: { pre: [{ name: 'f' }] },
  }
  expect(translated(classic(own)).input).toEqual(merged(native, { hooks: { pre: [plugin('f')] } }))
  const { input, problems } = translated(oas(inOas('a.zip', false)))
  expect([input, problems]).toEqual([native, []])
})
