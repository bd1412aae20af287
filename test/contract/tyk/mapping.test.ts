import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type ApiDefinition, checkDefinitions, type GatewayOptions, type Problem } from '@postern/core'
import { createGateway } from '@postern/http'
import { describe, expect, it } from 'vitest'

/* One API, written in both dialects, is the same API. */

const plugins = {
  one: () => undefined,
  two: () => undefined,
  three: () => undefined,
  admit: () => ({ metadata: { token: 'ann' } }),
  keep: () => undefined,
}

type Fields = Readonly<Record<string, unknown>>

interface OasParts {
  readonly server?: Fields
  readonly upstream?: Fields
  readonly global?: Fields
  readonly operation?: Fields
  readonly openapi?: Fields
}

const oas = ({ server, upstream, global, operation, openapi }: OasParts): object => ({
  openapi: '3.0.3',
  info: { title: 'orders', version: '1' },
  paths: { '/stock/{sku}': { get: { operationId: 'stock', responses: {} } } },
  ...openapi,
  'x-tyk-api-gateway': {
    info: { name: 'orders', id: 'orders-1', orgId: 'org-1', state: { active: true } },
    upstream: { url: 'http://127.0.0.1:9', ...upstream },
    server: { listenPath: { value: '/orders/', strip: true }, ...server },
    middleware: { global: { ...global }, operations: { stock: { ...operation } } },
  },
})

/** Documents of the one dialect keep records unless they say so, of the other if they do. */
const classic = (fields: Fields, paths: Fields = {}): object => ({
  name: 'orders',
  api_id: 'orders-1',
  org_id: 'org-1',
  use_keyless: true,
  do_not_track: true,
  proxy: { listen_path: '/orders/', strip_listen_path: true, target_url: 'http://127.0.0.1:9' },
  version_data: {
    not_versioned: true,
    versions: { '': { name: '', use_extended_paths: true, extended_paths: paths, ...(fields['version'] as object) } },
  },
  ...Object.fromEntries(Object.entries(fields).filter(([key]) => key !== 'version')),
})

interface Read {
  readonly definition: ApiDefinition
  readonly warnings: readonly Problem[]
}

async function read(document: object, options: GatewayOptions = {}): Promise<Read> {
  const { apis, problems, warnings } = await checkDefinitions(document as never, { plugins, ...options })
  expect(problems).toEqual([])
  return { definition: apis[0]!.definition, warnings }
}

const on = (functionName: string): Fields => ({ enabled: true, functionName, path: 'plugins/a.so' })
const off = (functionName: string): Fields => ({ ...on(functionName), enabled: false })
const entry = (name: string): Fields => ({ name, path: 'plugins/a.so' })
const disabled = (name: string): Fields => ({ ...entry(name), disabled: true })
const pluginsOf = (...names: readonly (keyof typeof plugins)[]): readonly object[] =>
  names.map((name) => expect.objectContaining({ plugin: plugins[name], name }) as object)

/** What only a protected API has. */
const PROTECTED = { use_keyless: false, custom_plugin_auth_enabled: true }
const customAuth = (more: Fields = {}, config: Fields = {}): Fields => ({
  authentication: { enabled: true, custom: { enabled: true, config: { ...on('admit'), ...config }, ...more } },
})
const authCheck = (more: Fields = {}): Fields => ({ custom_middleware: { auth_check: entry('admit'), ...more } })

type Row = readonly [what: string, oas: OasParts, classic: object, expected: Fields]

const ROWS: readonly Row[] = [
  ['nothing more', {}, classic({}), { keyless: true, records: undefined, id: 'orders-1', orgId: 'org-1' }],
  ...(
    [
      ['prePlugin', 'pre', 'pre'],
      ['postPlugin', 'post', 'post'],
      ['responsePlugin', 'response', 'response'],
    ] as const
  ).flatMap(([key, field, hook]): Row[] => {
    const expected = { hooks: expect.objectContaining({ [hook]: pluginsOf('one', 'two') }) }
    const custom = classic({ custom_middleware: { [field]: [entry('one'), disabled('three'), entry('two')] } })
    const list = [on('one'), off('three'), on('two')]
    return [
      [`${key}s`, { global: { [`${key}s`]: list } }, custom, expected],
      [`${key}.plugins, its older form`, { global: { [key]: { plugins: list } } }, custom, expected],
    ]
  }),
  [
    'postAuthenticationPlugins',
    { server: customAuth(), global: { postAuthenticationPlugins: [on('one'), off('two')] } },
    classic({ ...PROTECTED, ...authCheck({ post_key_auth: [entry('one'), disabled('two')] }) }),
    { keyless: false, hooks: expect.objectContaining({ postAuth: pluginsOf('one') }) },
  ],
  [
    'an auth plugin with the place of its credential',
    {
      server: customAuth({
        header: { enabled: true, name: 'X-Key' },
        query: { enabled: true, name: 'key' },
        cookie: { enabled: false, name: 'key' },
      }),
    },
    classic({
      ...PROTECTED,
      ...authCheck(),
      auth_configs: { coprocess: { auth_header_name: 'X-Key', use_param: true, param_name: 'key' } },
    }),
    {
      authentication: expect.objectContaining({
        credential: { header: 'x-key', query: 'key', cookie: undefined, strip: 'none' },
      }),
    },
  ],
  [
    'an id extractor',
    {
      server: customAuth(
        {},
        {
          idExtractor: {
            enabled: true,
            source: 'header',
            with: 'regex',
            config: { headerName: 'X-Key', regexp: '[^-]+$', regexpMatchIndex: 0 },
          },
        },
      ),
    },
    classic({
      ...PROTECTED,
      ...authCheck({
        id_extractor: {
          extract_from: 'header',
          extract_with: 'regex',
          extractor_config: { header_name: 'X-Key', regex_expression: '[^-]+$', regex_match_index: 0 },
        },
      }),
    }),
    { authentication: expect.objectContaining({ idExtractor: expect.objectContaining({ mode: 'regex' }) }) },
  ],
  [
    'an auth plugin whose id extractor is switched off',
    { server: customAuth({}, { idExtractor: { enabled: false, source: 'header', with: 'value' } }) },
    classic({
      ...PROTECTED,
      ...authCheck({ id_extractor: { disabled: true, extract_from: 'header', extract_with: 'value' } }),
    }),
    { authentication: expect.objectContaining({ idExtractor: undefined }) },
  ],
  [
    'how long sessions are kept, and that credentials go no further',
    {
      server: {
        authentication: {
          ...(customAuth()['authentication'] as Fields),
          stripAuthorizationData: true,
          customKeyLifetime: { enabled: true, value: '1h30m', respectValidity: true },
        },
      },
    },
    classic({
      ...PROTECTED,
      ...authCheck(),
      strip_auth_data: true,
      session_lifetime: 5400,
      session_lifetime_respects_key_expiration: true,
    }),
    {
      sessionLifetime: 5400,
      keepUntilExpiry: true,
      authentication: expect.objectContaining({ credential: expect.objectContaining({ strip: 'all' }) }),
    },
  ],
  [
    'standard keys in a header',
    {
      server: { authentication: { enabled: true, securitySchemes: { keys: { enabled: true } } } },
      openapi: {
        security: [{ keys: [] }],
        components: { securitySchemes: { keys: { type: 'apiKey', in: 'header', name: 'X-Key' } } },
      },
    },
    classic({
      use_keyless: false,
      use_standard_auth: true,
      auth_configs: { authToken: { auth_header_name: 'X-Key' } },
    }),
    {
      keyless: false,
      authentication: expect.objectContaining({ token: expect.objectContaining({ header: 'x-key', strip: 'none' }) }),
    },
  ],
  [
    'a plugin of an endpoint',
    { operation: { postPlugins: [on('one')] } },
    classic(
      {},
      { go_plugin: [{ path: '/stock/{sku}', method: 'GET', plugin_path: 'plugins/a.so', func_name: 'one' }] },
    ),
    { endpoints: { 'GET /stock/:sku': pluginsOf('one') } },
  ],
  [
    'a plugin of an endpoint by its older name',
    { operation: { postPlugins: [{ enabled: true, name: 'one', path: 'plugins/a.so' }] } },
    classic(
      {},
      { go_plugin: [{ path: '/stock/{sku}', method: 'GET', plugin_path: 'plugins/a.so', func_name: 'one' }] },
    ),
    { endpoints: { 'GET /stock/:sku': pluginsOf('one') } },
  ],
  [
    'a plugin of an endpoint that is switched off',
    { operation: { postPlugins: [off('one')] } },
    classic(
      {},
      {
        go_plugin: [
          { path: '/stock/{sku}', method: 'GET', plugin_path: 'plugins/a.so', func_name: 'one', disabled: true },
        ],
      },
    ),
    { endpoints: {} },
  ],
  [
    'a virtual endpoint',
    { operation: { virtualEndpoint: { enabled: true, functionName: 'one', path: 'a.js', requireSession: true } } },
    classic(
      {},
      {
        virtual: [
          {
            path: '/stock/{sku}',
            method: 'GET',
            response_function_name: 'one',
            function_source_type: 'file',
            function_source_uri: 'a.js',
            use_session: true,
          },
        ],
      },
    ),
    { endpoints: { 'GET /stock/:sku': pluginsOf('one') } },
  ],
  [
    'records, with their tags and their plugin',
    {
      server: { detailedActivityLogs: { enabled: true }, gatewayTags: { enabled: true, tags: ['edge', 'eu'] } },
      global: {
        trafficLogs: {
          enabled: true,
          tagHeaders: ['X-Team-Name'],
          customRetentionPeriod: '1h',
          plugins: [on('keep')],
        },
      },
    },
    classic({
      do_not_track: false,
      enable_detailed_recording: true,
      tags: ['edge', 'eu'],
      tag_headers: ['X-Team-Name'],
      expire_analytics_after: 3600,
      analytics_plugin: { enable: true, plugin_path: 'plugins/a.so', func_name: 'keep' },
    }),
    {
      records: {
        tags: ['edge', 'eu'],
        tagHeaders: ['x-team-name'],
        track: [],
        skip: [],
        detailed: true,
        maxDetailedBytes: 65_536,
        retention: 3600,
      },
      hooks: expect.objectContaining({ analytics: pluginsOf('keep') }),
    },
  ],
  [
    'records, and nothing of them',
    { server: { gatewayTags: { enabled: false, tags: ['edge'] } }, global: { trafficLogs: { enabled: true } } },
    classic({ do_not_track: false, tags_disabled: true, tags: ['edge'] }),
    {
      records: {
        tags: [],
        tagHeaders: [],
        track: [],
        skip: [],
        detailed: false,
        maxDetailedBytes: 65_536,
        retention: undefined,
      },
    },
  ],
  [
    'data for plugins, and a driver',
    { global: { pluginConfig: { driver: 'goplugin', data: { enabled: true, value: { region: 'north' } } } } },
    classic({ custom_middleware: { driver: 'goplugin' }, config_data: { region: 'north' } }),
    { config: { region: 'north' } },
  ],
  [
    'data for plugins that is switched off',
    { global: { pluginConfig: { data: { enabled: false, value: { region: 'north' } } } } },
    classic({ config_data_disabled: true, config_data: { region: 'north' } }),
    { config: {} },
  ],
  [
    'a rate for all callers together, and one for an endpoint',
    {
      upstream: { rateLimit: { enabled: true, rate: 90, per: '1m30s' } },
      operation: { rateLimit: { enabled: true, rate: 5, per: '10s' } },
    },
    classic(
      { global_rate_limit: { rate: 90, per: 90 } },
      { rate_limit: [{ path: '/stock/{sku}', method: 'GET', rate: 5, per: 10 }] },
    ),
    {
      limits: expect.objectContaining({
        api: { rate: 90, per: 90 },
        endpoints: { 'GET /stock/:sku': { rate: 5, per: 10 } },
      }),
    },
  ],
  [
    'an endpoint that is tracked',
    { global: { trafficLogs: { enabled: true } }, operation: { trackEndpoint: { enabled: true } } },
    classic({ do_not_track: false }, { track_endpoints: [{ path: '/stock/{sku}', method: 'GET' }] }),
    { records: expect.objectContaining({ track: ['GET /stock/:sku'], skip: [] }) },
  ],
  [
    'an endpoint that is not to be tracked',
    { global: { trafficLogs: { enabled: true } }, operation: { doNotTrackEndpoint: { enabled: true } } },
    classic({ do_not_track: false }, { do_not_track_endpoints: [{ path: '/stock/{sku}', method: 'GET' }] }),
    { records: expect.objectContaining({ track: [], skip: ['GET /stock/:sku'] }) },
  ],
  [
    'no rates and no quotas of keys',
    { server: customAuth(), global: { skipRateLimit: true, skipQuota: true } },
    classic({ ...PROTECTED, ...authCheck(), disable_rate_limit: true, disable_quota: true }),
    { limits: expect.objectContaining({ keyRate: false, keyQuota: false }) },
  ],
  [
    'paths without regard to case',
    { global: { ignoreCase: { enabled: true } } },
    classic({ version: { ignore_endpoint_case: true } }),
    { ignoreCase: true },
  ],
  [
    'a largest body',
    { global: { requestSizeLimit: { enabled: true, value: 1000 } } },
    classic({ version: { global_size_limit: 1000 } }),
    { maxBodyBytes: 1000 },
  ],
  [
    'several targets, some of them more often',
    {
      upstream: {
        loadBalancing: {
          enabled: true,
          targets: [
            { url: 'http://127.0.0.1:8', weight: 2 },
            { url: 'http://127.0.0.1:9', weight: 1 },
            { url: 'http://127.0.0.1:7', weight: 0 },
          ],
        },
      },
    },
    classic({
      proxy: {
        listen_path: '/orders/',
        strip_listen_path: true,
        target_url: 'http://127.0.0.1:9',
        enable_load_balancing: true,
        target_list: ['http://127.0.0.1:8', 'http://127.0.0.1:9', 'http://127.0.0.1:8'],
      },
    }),
    {
      upstream: expect.objectContaining({
        targets: [
          { url: 'http://127.0.0.1:8', weight: 2 },
          { url: 'http://127.0.0.1:9', weight: 1 },
        ],
      }),
    },
  ],
]

describe('an API with', () => {
  it.each(ROWS)('%s is the same in both dialects', async (_, parts, classicDocument, expected) => {
    const [fromOas, fromClassic] = [await read(oas(parts)), await read(classicDocument)]
    const { definition } = fromOas
    const named = Object.keys(expected).map((key) => [key, definition[key as keyof ApiDefinition]])
    expect(Object.fromEntries(named)).toEqual(expected)
    expect(fromClassic.definition).toEqual(definition)
  })
})

describe('the newer form of a list of plugins', () => {
  it('wins where the older one stands beside it, which a warning says', async () => {
    const { definition, warnings } = await read(
      oas({ global: { prePlugins: [on('one')], prePlugin: { plugins: [on('two')] } } }),
    )
    expect(definition.hooks.pre).toEqual(pluginsOf('one'))
    expect(warnings.map(({ path }) => path)).toEqual(['["x-tyk-api-gateway"].middleware.global.prePlugin.plugins[0]'])
  })
})

describe('several plugins of one operation', () => {
  it('are all there; the real gateway takes the first of them', async () => {
    const { definition } = await read(oas({ operation: { postPlugins: [on('one'), off('three'), on('two')] } }))
    expect(definition.endpoints).toEqual({ 'GET /stock/:sku': pluginsOf('one', 'two') })
  })
})

describe('a bundle', () => {
  const manifest = {
    file_list: ['a.js'],
    checksum: '',
    custom_middleware: { driver: 'otto', pre: [{ name: 'one', path: 'a.js' }], traffic_logs: { name: 'keep' } },
  }
  const BUNDLED: readonly (readonly [dialect: string, write: (enabled: boolean, path?: string) => object])[] = [
    [
      'Tyk OAS',
      (enabled, path = 'first.zip') =>
        oas({
          global: {
            pluginConfig: { bundle: { enabled, path } },
            prePlugins: [on('two')],
            trafficLogs: { enabled: true, plugins: [on('three')] },
          },
        }),
    ],
    [
      'Tyk Classic',
      (enabled, path = 'first.zip') =>
        classic({
          custom_middleware_bundle: path,
          custom_middleware_bundle_disabled: !enabled,
          custom_middleware: { pre: [entry('two')] },
          do_not_track: false,
          analytics_plugin: { enable: true, plugin_path: 'plugins/a.so', func_name: 'three' },
        }),
    ],
  ]

  describe.each(BUNDLED)('in %s', (_, write) => {
    const bundles = {
      'first.zip': manifest,
      'second.zip': { custom_middleware: { driver: 'otto', pre: [{ name: 'three' }], post: [{ name: 'two' }] } },
    }

    it('stands in place of what the document says', async () => {
      const { definition } = await read(write(true), { bundles })
      expect([definition.hooks.pre, definition.hooks.analytics]).toEqual([pluginsOf('one'), pluginsOf('keep')])
    })

    it('that is switched off changes nothing, and need not be there', async () => {
      const { definition } = await read(write(false))
      expect([definition.hooks.pre, definition.hooks.analytics]).toEqual([pluginsOf('two'), pluginsOf('three')])
    })

    it('comes before the next one of the list', async () => {
      const { definition } = await read(write(true, 'first.zip,second.zip'), { bundles })
      expect([definition.hooks.pre, definition.hooks.post]).toEqual([pluginsOf('one', 'three'), pluginsOf('two')])
    })

    it('that nobody handed in is refused; the real gateway leaves the API out', async () => {
      const { problems } = await checkDefinitions(write(true) as never, { plugins })
      expect(problems).toMatchObject([{ message: expect.stringContaining('options.bundles["first.zip"]') }])
    })
  })
})

describe('a document that says nothing of records', () => {
  it('keeps them in Classic and does not in Tyk OAS, as in the real gateway', async () => {
    const { definition } = await read({ name: 'orders', use_keyless: true, proxy: { listen_path: '/' } })
    expect([definition.records !== undefined, (await read(oas({}))).definition.records]).toEqual([true, undefined])
  })
})

describe('a document that is not to be served', () => {
  const inactive = {
    info: { name: 'orders', state: { active: false } },
    server: { listenPath: { value: '/orders/' } },
  }

  it.each([
    ['Tyk OAS', { openapi: '3.0.3', 'x-tyk-api-gateway': { ...inactive, upstream: { url: 'http://127.0.0.1:9000' } } }],
    ['Tyk Classic', classic({ active: false })],
  ])('in %s is left out', async (_, document) => {
    const { apis, problems } = await checkDefinitions([document as never, { name: 'other', listenPath: '/other/' }])
    expect([apis.map(({ name }) => name), problems]).toEqual([['other'], []])
  })

  const withoutUpstream = [
    ['Tyk OAS', { openapi: '3.0.3', 'x-tyk-api-gateway': inactive }],
    ['Tyk Classic', { name: 'orders', active: false, use_keyless: true, proxy: { listen_path: '/orders/' } }],
  ] as const

  it.each(withoutUpstream)('in %s does not open the routes of the host application', async (_, document) => {
    const gateway = createGateway(document)
    const server = createServer((req, res) => gateway(req, res, () => res.end('host')))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const statuses: number[] = []
    for (const path of ['/orders/x', '/ORDERS', '/other'])
      statuses.push((await fetch(`http://127.0.0.1:${port}${path}`)).status)
    await gateway.close()
    server.close()
    expect(statuses).toEqual([404, 404, 200])
    expect((await checkDefinitions(document)).warnings.map(({ message }) => message).join()).toContain('answers 404')
  })

  it.each(withoutUpstream)('in %s gives way to one that has its listen path', async (_, document) => {
    const { apis, problems } = await checkDefinitions([document, { name: 'orders', listenPath: '/orders' }])
    expect([apis.length, problems]).toEqual([1, []])
  })
})
