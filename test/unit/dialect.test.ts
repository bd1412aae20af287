import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dialectOf } from '../../packages/core/src/definition/dialect.ts'
import { translateClassic } from '../../packages/core/src/definition/tyk/classic.ts'
import { translateOas } from '../../packages/core/src/definition/tyk/oas.ts'
import type { TranslationContext, TykPathMatching } from '../../packages/core/src/definition/translation.ts'
import { classic, oas, translated } from '../support/tyk.ts'

describe('the dialect of a document', () => {
  it.each([
    [classic(), 'classic'],
    [{ custom_middleware: { pre: [] } }, 'classic'],
    [{ extended_paths: { go_plugin: [] } }, 'classic'],
    [{ name: 'a', proxy: {} }, 'classic'],
    [{ apiVersion: 'tyk.tyk.io/v1alpha1', kind: 'ApiDefinition', spec: { name: 'a' } }, 'classic'],
    [oas(), 'oas'],
    [{ 'x-tyk-api-gateway': null }, 'oas'],
    [{ openapi: '3.1.0', paths: {} }, 'oas'],
    [{ name: 'a' }, 'native'],
    [{ name: 'a', listenPath: '/', hooks: {} }, 'native'],
    [{ listenPath: '/', listen_path: '/' }, 'native'],
    [{}, 'native'],
    [[], 'native'],
    [null, 'native'],
    ['{}', 'native'],
  ])('of %j is %s', (document, dialect) => {
    expect(dialectOf(document)).toBe(dialect)
  })

  it('that is native is left as it is', () => {
    const document = { name: 'a', hooks: { pre: [() => undefined] } }
    const { input, origins, problems, warnings, active } = translated(document)
    expect(input).toBe(document)
    expect([origins, problems, warnings, active]).toEqual([{}, [], [], true])
  })
})

describe('the documents that people copy from', () => {
  const context = { named: () => true }

  it('an endpoint plugin in OAS', () => {
    const document = {
      components: {},
      info: { title: 'example-endpoint-plugin', version: '1.0.0' },
      openapi: '3.0.3',
      paths: { '/anything': { get: { operationId: 'anythingget', responses: { '200': { description: '' } } } } },
      'x-tyk-api-gateway': {
        info: { name: 'example-endpoint-plugin', state: { active: true } },
        upstream: { url: 'http://httpbin.org/' },
        server: { listenPath: { value: '/example-endpoint-plugin/', strip: true } },
        middleware: {
          operations: {
            anythingget: {
              postPlugins: [{ enabled: true, functionName: 'myUniqueFunctionName', path: '/middleware/myPlugin.so' }],
            },
          },
        },
      },
    }
    const expected = {
      name: 'example-endpoint-plugin',
      listenPath: '/example-endpoint-plugin/',
      stripListenPath: true,
      upstream: { url: 'http://httpbin.org/' },
      endpointOrder: 'listed',
      records: false,
    }
    expect(translated(document, context)).toMatchObject({
      input: { ...expected, endpoints: { 'GET /anything': [{ functionName: 'myUniqueFunctionName' }] } },
      problems: [],
      warnings: [],
    })
    const file = { functionName: 'myUniqueFunctionName', path: 'middleware/myPlugin.so' }
    expect(translated(document).input).toEqual({ ...expected, endpoints: { 'GET /anything': [file] } })
  })

  it('an analytics plugin in a resource of Tyk Operator', () => {
    const document = {
      apiVersion: 'tyk.tyk.io/v1alpha1',
      kind: 'ApiDefinition',
      metadata: { name: 'analytics-plugin' },
      spec: {
        name: 'httpbin-analytics-plugin',
        active: true,
        protocol: 'http',
        proxy: { listen_path: '/httpbin', strip_listen_path: true, target_url: 'http://httpbin.org' },
        use_keyless: true,
        enable_detailed_recording: true,
        analytics_plugin: {
          enable: true,
          func_name: 'MaskAnalyticsData',
          plugin_path: '/opt/tyk-gateway/plugins/example-plugin.so',
        },
      },
    }
    const { input, origins, problems, warnings } = translated(document, context)
    expect([problems, warnings]).toEqual([[], []])
    expect(input).toEqual({
      name: 'httpbin-analytics-plugin',
      listenPath: '/httpbin',
      stripListenPath: true,
      upstream: { url: 'http://httpbin.org' },
      hooks: { analytics: [{ functionName: 'MaskAnalyticsData' }] },
      records: { detailed: true },
    })
    expect(origins['hooks.analytics[0]']).toBe('spec.analytics_plugin')
  })

  it('an id extractor in a bundle', () => {
    const document = {
      name: 'Test API',
      api_id: 'my-api',
      org_id: 'my-org',
      use_keyless: false,
      auth: { auth_header_name: 'Authorization' },
      proxy: { listen_path: '/test-api/', target_url: 'http://httpbin.org/', strip_listen_path: true },
      enable_coprocess_auth: true,
      custom_middleware_bundle: 'bundle.zip',
    }
    const manifest = {
      custom_middleware: {
        auth_check: { name: 'MyAuthCheck' },
        id_extractor: {
          extract_from: 'header',
          extract_with: 'regex',
          extractor_config: { header_name: 'Authorization', regex_expression: '[^-]+$', regex_match_index: 0 },
        },
        driver: 'grpc',
      },
    }
    const { input, problems, warnings } = translated(document, { ...context, bundles: { 'bundle.zip': manifest } })
    expect([problems, warnings]).toEqual([[], []])
    expect(input).toEqual({
      name: 'Test API',
      id: 'my-api',
      orgId: 'my-org',
      listenPath: '/test-api/',
      stripListenPath: true,
      upstream: { url: 'http://httpbin.org/' },
      hooks: { auth: { functionName: 'MyAuthCheck' } },
      authentication: {
        credential: { header: 'Authorization' },
        idExtractor: { source: 'header', mode: 'regex', header: 'Authorization', expression: '[^-]+$' },
      },
    })
  })

  it.each([
    [
      'a response plugin',
      { custom_middleware: { response: [{ name: 'f', path: 'middleware/middleware.py' }], driver: 'python' } },
      { hooks: { response: [{ functionName: 'f' }] } },
    ],
    [
      'an analytics plugin',
      { analytics_plugin: { enable: true, func_name: 'f', plugin_path: 'a/analytics_plugin.so' } },
      { hooks: { analytics: [{ functionName: 'f' }] } },
    ],
    [
      'an endpoint plugin',
      {
        extended_paths: {
          go_plugin: [
            {
              disabled: false,
              path: '/anything',
              method: 'GET',
              plugin_path: '/middleware/myPlugin.so',
              func_name: 'f',
            },
          ],
        },
      },
      { endpoints: { 'GET /anything': [{ functionName: 'f' }] } },
    ],
  ])('the part of a Classic document for %s lacks nothing but the rest', (_, part, expected) => {
    const { input, problems } = translated(part, context)
    expect(input).toMatchObject(expected)
    expect(problems).toEqual(['proxy.listen_path: missing, expected a path such as "/orders/"'])
  })
})

describe('whatever stands in a document', () => {
  const matching: readonly TykPathMatching[] = ['whole', 'prefix', 'suffix', 'contains']
  const context = (pathMatching: TykPathMatching): TranslationContext => ({
    named: (name) => name.length % 2 === 0,
    bundles: { a: { custom_middleware: { pre: [{ name: 'a' }] } } },
    pathMatching,
  })

  /** Objects of names that are known, with anything in them. */
  const names = `
    custom_middleware pre auth_check name path method proxy listen_path target_list auth version_data versions Default
    extended_paths go_plugin virtual rate_limit func_name use_extended_paths custom_middleware_bundle config_data
    id_extractor disabled enabled tags x-tyk-api-gateway info server authentication custom config securitySchemes
    security middleware global operations stock postPlugins prePlugins pluginConfig bundle paths get operationId
    functionName upstream loadBalancing targets url weight spec kind __proto__ constructor toString CORS trafficLogs
    rateLimit per rate components`
    .trim()
    .split(/\s+/)
  const texts = fc.constantFrom(
    'a',
    '',
    '/stock/{sku}',
    'GET',
    'stock',
    '1m',
    '/(',
    '../x',
    '__proto__',
    'apiKey',
    'a,a',
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 8 },
      fc.oneof(texts, fc.boolean(), fc.constant(true), fc.double(), fc.integer(), fc.constant(null)),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('tree'), { maxKeys: 6, noNullPrototype: true }),
    ),
  }))

  it.each([
    ['Classic', translateClassic],
    ['OAS', translateOas],
  ])('is translated or reported by %s, never thrown', (_, translate) => {
    const documents = fc.oneof(tree, fc.jsonValue())
    fc.assert(
      fc.property(documents, fc.constantFrom(...matching), (document, pathMatching) => {
        const { problems, warnings, origins } = translate(document as never, context(pathMatching))
        for (const { path, message } of [...problems, ...warnings])
          expect([typeof path, message !== '']).toEqual(['string', true])
        for (const path of origins.keys()) expect(path).not.toBe('')
      }),
      { numRuns: 500 },
    )
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  it('is not mistaken for something of a prototype', () => {
    const document = JSON.parse(
      '{"name":"a","proxy":{"listen_path":"/a","target_url":"http://a"},"use_keyless":true,"__proto__":{"active":false,"custom_middleware":{"pre":[{"name":"f"}]}},"custom_middleware":{"__proto__":{"post":[{"name":"f"}]}}}',
    ) as unknown
    const { input, active } = translated(document)
    expect(active).toBe(true)
    expect(input).not.toHaveProperty('hooks')
    expect(({} as { hooks?: unknown }).hooks).toBeUndefined()
  })

  it('counts only where it is a field of the document itself', () => {
    const inherited = { active: false, name: 'inherited', strip_auth_data: true, zebra: 1 }
    const document = Object.assign(Object.create(inherited) as object, classic())
    delete (document as { active?: boolean }).active
    expect(translated(document)).toEqual(translated(classic({ active: undefined })))
    expect(translated(document).active).toBe(true)
  })

  it('may contain itself', () => {
    const document = classic({ use_keyless: false })
    document['custom_middleware'] = document
    document['graphql'] = document
    document['zebra'] = document
    document['config_data'] = document
    expect(translated(document).problems.length).toBeGreaterThan(0)
  })

  it('may be large, or shared many times, without taking long', () => {
    let shared: unknown[] = []
    for (let i = 0; i < 6; i += 1) shared = Array.from<unknown[]>({ length: 100 }).fill(shared)
    let deep: unknown = false
    for (let i = 0; i < 100_000; i += 1) deep = [deep]
    const { problems } = translated(classic({ graphql: shared, CORS: deep, uptime_tests: { check_list: shared } }))
    expect(problems).toEqual([expect.stringMatching('^CORS: ')])
  })
})
