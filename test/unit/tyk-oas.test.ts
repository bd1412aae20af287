import { describe, expect, it } from 'vitest'
import { merged, native, oas, oasDocument, translated } from '../support/tyk.ts'

const plugin = (functionName: string): object => ({ functionName })
const on = (functionName: string): object => ({ enabled: true, functionName })
const operations = (part: object): object => ({ middleware: { operations: part } })
const X = '["x-tyk-api-gateway"]'

describe('plugins of OAS in the older form', () => {
  const protectedApi = { server: { authentication: { enabled: true, custom: { enabled: true, config: on('check') } } } }

  it.each([
    ['prePlugin', 'pre'],
    ['postAuthenticationPlugin', 'postAuth'],
    ['postPlugin', 'post'],
    ['responsePlugin', 'response'],
  ])('%s.plugins are those of %s', (older, hook) => {
    const { input, origins, problems, warnings } = translated(
      oas(protectedApi, { middleware: { global: { [older]: { plugins: [on('a'), { enabled: false }, on('b')] } } } }),
    )
    expect([problems, warnings]).toEqual([[], []])
    expect(input).toEqual(merged(native, { hooks: { auth: plugin('check'), [hook]: [plugin('a'), plugin('b')] } }))
    expect(origins[`hooks.${hook}[1]`]).toBe(`${X}.middleware.global.${older}.plugins[2]`)
  })

  it('give way to the newer one beside it, with a warning', () => {
    const global = (prePlugins: unknown): object =>
      oas({ middleware: { global: { prePlugin: { plugins: [on('old')] }, prePlugins } } })
    expect(translated(global([on('new')])).input).toMatchObject({ hooks: { pre: [plugin('new')] } })
    expect(translated(global([])).input).toEqual(native)
    expect(translated(global([])).warnings).toEqual([
      `${X}.middleware.global.prePlugin.plugins[0]: without effect: ${X}.middleware.global.prePlugins stands beside it`,
    ])
    expect(translated(global(null)).input).toMatchObject({ hooks: { pre: [plugin('old')] } })
  })

  it('name functions of endpoints "name"', () => {
    const { input, problems } = translated(
      oas(
        operations({
          stock: {
            virtualEndpoint: { enabled: true, name: 'v' },
            postPlugins: [
              { enabled: true, name: 'a', path: 'a.so' },
              { enabled: true, name: 'old', functionName: 'new' },
            ],
          },
        }),
      ),
    )
    expect(problems).toEqual([])
    expect(input).toMatchObject({
      endpoints: { 'GET /stock/:sku': [plugin('v'), { functionName: 'a', path: 'a.so' }, plugin('new')] },
    })
  })
})

describe('plugins of OAS', () => {
  it.each([
    ['functionName', { enabled: true }, '.functionName: missing'],
    ['a file below the directory', { ...on('a'), path: '../a.js' }, '.path: found "../a.js", which leads out'],
    ['their source elsewhere', { ...on('a'), code: 'e30=' }, '.code: source in a document is not run'],
  ])('need %s', (_, entry, why) => {
    const { problems } = translated(oas({ middleware: { global: { prePlugins: [entry] } } }))
    expect(problems).toEqual([expect.stringContaining(`${X}.middleware.global.prePlugins[0].`)])
    expect(problems[0]).toContain(why)
  })

  it('have a driver that is known', () => {
    const { problems } = translated(oas({ middleware: { global: { pluginConfig: { driver: 'ruby' } } } }))
    expect(problems).toEqual([expect.stringMatching('pluginConfig.driver: found "ruby", expected one of "otto"')])
  })

  it('in the body of a virtual endpoint are only run by name', () => {
    const document = oas(operations({ stock: { virtualEndpoint: { ...on('v'), body: 'e30=', path: 'v.js' } } }))
    expect(translated(document).problems).toEqual([expect.stringContaining('.body: source in a document is not run')])
    expect(translated(document, { named: () => true }).problems).toEqual([])
  })

  it('for records are without effect where none are kept', () => {
    const global = { trafficLogs: { enabled: false, plugins: [on('mask')] } }
    const { input, warnings } = translated(oas({ middleware: { global } }))
    expect(input).toEqual({ ...native, records: false })
    expect(warnings).toEqual([expect.stringMatching(/plugins\[0\]: without effect, no records are kept/)])
  })

  it('for records run all, in order', () => {
    const { input } = translated(oas({ middleware: { global: { trafficLogs: { plugins: [on('a'), on('b')] } } } }))
    expect(input).toMatchObject({ hooks: { analytics: [plugin('a'), plugin('b')] } })
  })

  it('of a virtual endpoint that goes to the upstream when it fails are told not to', () => {
    const document = oas(operations({ stock: { virtualEndpoint: { ...on('v'), proxyOnError: true } } }))
    expect(translated(document).warnings).toEqual([expect.stringContaining('proxyOnError: a plugin that fails')])
  })
})

describe('operations of OAS', () => {
  const run = { postPlugins: [on('a')] }

  it('are found by their id, with the method in capitals', () => {
    const { input, origins } = translated(oas(operations({ stock: run, add: run })))
    expect(input).toMatchObject({
      endpoints: { 'GET /stock/:sku': [plugin('a')], 'POST /stock': [plugin('a')] },
    })
    expect(origins['endpoints["GET /stock/:sku"]']).toBe('paths["/stock/{sku}"]')
    expect(origins['endpoints["POST /stock"][0]']).toBe(`${X}.middleware.operations.add.postPlugins[0]`)
  })

  it.each(['nothing', '__proto__', 'constructor'])('that no path has are a problem: %s', (id) => {
    // Parsed, so that `__proto__` is a field as it is in a file.
    const text = JSON.stringify(oas(operations({ ID: run }))).replace('"ID"', JSON.stringify(id))
    expect(translated(JSON.parse(text)).problems).toEqual([
      `${X}.middleware.operations.${id}: names an operation that no path of the document has; its operationIds are "stock", "add"`,
    ])
  })

  it('that several have are a problem', () => {
    const document = oasDocument({ paths: { '/other': { put: { operationId: 'stock' } } } }, operations({ stock: run }))
    expect(translated(document).problems).toEqual([
      `${X}.middleware.operations.stock: names an operation that several have: GET /stock/{sku} and PUT /other; an operationId is unique`,
    ])
  })

  it('need not be there where nothing is switched on', () => {
    const off = { postPlugins: [{ enabled: false, functionName: 'a' }], rateLimit: { enabled: false } }
    expect(translated(oas(operations({ nobody: off }))).problems).toEqual([])
  })

  it('report a path that means nothing where it stands', () => {
    const document = oasDocument({ paths: { '/a/{b': { get: { operationId: 'odd' } } } }, operations({ odd: run }))
    expect(translated(document).problems).toEqual([expect.stringMatching(/^paths\["\/a\/\{b"\]: .*not balanced/)])
  })

  it('are in the order the real gateway tries them, where paths are expressions', () => {
    const names = ['/a', '/a/{id}', '/a/b', '/a/{id}/c', '/longer', '/b/{x}', '/b/']
    const paths = Object.fromEntries(names.map((path) => [path, { get: { operationId: path } }]))
    const document = oasDocument({ paths }, operations(Object.fromEntries(names.map((id) => [id, run]))))
    const { input } = translated(document, { pathMatching: 'contains' })
    expect(Object.keys((input as { endpoints: object }).endpoints)).toEqual([
      'GET ~/a/(?P<id>[^/]+)/c',
      'GET ~/a/b',
      'GET ~/a/(?P<id>[^/]+)',
      'GET ~/b/',
      'GET ~/b/(?P<x>[^/]+)',
      'GET ~/longer',
      'GET ~/a',
    ])
  })
})

describe('security schemes of OAS', () => {
  const document = (type: object, security: unknown, tyk: object): object =>
    oasDocument(
      { security, components: { securitySchemes: { key: type } } },
      {
        server: { authentication: { enabled: true, ...tyk } },
      },
    )
  const apiKey = { type: 'apiKey', in: 'header', name: 'X-Key' }
  const enabled = { securitySchemes: { key: { enabled: true } } }

  it.each([
    [{ type: 'http', scheme: 'Bearer', bearerFormat: 'JWT' }, 'authentication by JWT (type "http", scheme "bearer")'],
    [{ type: 'http', scheme: 'basic' }, 'basic authentication (type "http", scheme "basic")'],
    [{ type: 'http', scheme: 'digest' }, 'authentication of the type "http"'],
    [{ type: 'oauth2' }, 'OAuth 2 (type "oauth2")'],
    [{ type: 'openIdConnect' }, 'OpenID Connect (type "openIdConnect")'],
    [{ type: 'constructor' }, 'authentication of the type "constructor"'],
    [{ $ref: '#/elsewhere' }, 'a security scheme that is a "$ref"'],
  ])('other than apiKey are refused: %j', (type, found) => {
    expect(translated(document(type, [{ key: [] }], enabled)).problems).toEqual([
      expect.stringContaining(`securitySchemes.key: ${found} is not supported`),
    ])
  })

  it('have to be asked for by the document, in its first entry', () => {
    const { problems } = translated(document(apiKey, [{ other: [] }, { key: [] }], enabled))
    expect(problems).toEqual([
      expect.stringContaining('key: is switched on, but "security" of the document asks for "other"'),
    ])
    expect(translated(document(apiKey, undefined, enabled)).problems).toEqual([
      expect.stringContaining('asks for nothing'),
    ])
  })

  it('name a place', () => {
    const { problems } = translated(document({ ...apiKey, in: 'body' }, [{ key: [] }], enabled))
    expect(problems).toEqual([
      'components.securitySchemes.key.in: found "body", expected "header", "query" or "cookie"',
    ])
  })

  it.each([
    ['compliant', 2, true],
    ['compliant', 1, false],
    ['legacy', 2, false],
    ['', 2, false],
  ])('are no choice: %s with %i of them is refused: %s', (securityProcessingMode, count, refused) => {
    const security = Array.from({ length: count }, () => ({ key: [] }))
    const { problems } = translated(document(apiKey, security, { ...enabled, securityProcessingMode }))
    expect(problems.length > 0).toBe(refused)
  })

  it('are not looked at on a keyless API', () => {
    const { input, problems, warnings } = translated(
      document({ type: 'oauth2' }, [{ key: [] }], { ...enabled, enabled: false, custom: { enabled: true } }),
    )
    expect(problems).toEqual([])
    expect(input).toEqual(native)
    expect(warnings).toEqual([`${X}.server.authentication.custom.enabled: without effect, the API is keyless`])
  })
})

describe('an OAS document', () => {
  it('keeps no records unless it says so', () => {
    expect(translated(oas({ middleware: { global: { trafficLogs: null } } })).input).toEqual({
      ...native,
      records: false,
    })
  })

  it('has an auth plugin where it asks for one', () => {
    const { problems } = translated(oas({ server: { authentication: { enabled: true, custom: { enabled: true } } } }))
    expect(problems).toEqual([
      expect.stringMatching(/custom\.config: missing, expected the plugin that .*custom.enabled asks for/),
    ])
  })

  it('has targets with weights; those of 0 take nothing', () => {
    const targets = [
      { url: 'http://a:1', weight: 3 },
      { url: 'http://b:1', weight: 0 },
      { url: 'http://c:1', weight: 1 },
    ]
    const { input } = translated(
      oas({ upstream: { loadBalancing: { enabled: true, skipUnavailableHosts: true, targets } } }),
    )
    expect(input).toMatchObject({
      upstream: {
        targets: [
          { url: 'http://a:1', weight: 3 },
          { url: 'http://c:1', weight: 1 },
        ],
      },
    })
  })

  it.each([
    [{}, true],
    [{ info: { state: null } }, true],
    [{ info: { state: { active: false } } }, false],
  ])('%j is served: %s', (part, active) => {
    expect(translated(oas(part)).active).toBe(active)
  })

  it('is keyless without server.authentication, with a warning where OpenAPI asks for a key', () => {
    const warnings = (security: unknown): readonly string[] =>
      translated(oasDocument({ security }, { server: { authentication: undefined } })).warnings
    expect(warnings([{ apiKey: [] }])).toEqual([
      'security: ignored: without server.authentication the API is keyless, whatever "security" asks for',
    ])
    expect([warnings([]), warnings([{}]), warnings(undefined)]).toEqual([[], [], []])
  })

  it('needs the part that a gateway reads', () => {
    expect(translated({ openapi: '3.0.3', paths: {} }).problems).toContain(
      `${X}: missing, expected the part of an OpenAPI document that a gateway reads`,
    )
  })

  it('has no streams', () => {
    expect(translated(oasDocument({ 'x-tyk-streaming': { streams: { a: {}, b: { input: 'x' } } } })).problems).toEqual([
      '["x-tyk-streaming"]: streams are not supported',
    ])
  })
})
