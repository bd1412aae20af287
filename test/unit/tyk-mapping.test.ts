import { describe, expect, it } from 'vitest'
import { type ParseContext, readDefinitions } from '../../packages/core/src/definition/parse.ts'
import { classic, merged, native, oas, oasDocument, translated } from '../support/tyk.ts'

const plugin = (functionName: string, path?: string): object =>
  path === undefined ? { functionName } : { functionName, path }

const global = (part: object): object => ({ middleware: { global: part } })
const custom = (part: object): object => ({ custom_middleware: part })
const authentication = (part: object): object => ({ server: { authentication: { enabled: true, ...part } } })

/** An auth plugin, where neither dialect says more about it. */
const byPlugin = {
  classic: { use_keyless: false, custom_plugin_auth_enabled: true, ...custom({ auth_check: { name: 'check' } }) },
  oas: authentication({ custom: { enabled: true, config: { enabled: true, functionName: 'check' } } }),
  native: { hooks: { auth: plugin('check') } },
}

const entry = { name: 'stamp', path: 'a.js' }
const oasEntry = { enabled: true, functionName: 'stamp', path: 'a.js' }
const stamp = plugin('stamp', 'a.js')

/** What both dialects can say: [what, Classic, OAS, native]. */
const ROWS: readonly (readonly [string, object, object, object])[] = [
  ['nothing', {}, {}, {}],
  ['a name', { name: 'shop' }, { info: { name: 'shop' } }, { name: 'shop' }],
  ['an id', { api_id: 'b7' }, { info: { id: 'b7' } }, { id: 'b7' }],
  ['an organisation', { org_id: 'o' }, { info: { orgId: 'o' } }, { orgId: 'o' }],
  [
    'a listen path',
    { proxy: { listen_path: '/x/' } },
    { server: { listenPath: { value: '/x/' } } },
    { listenPath: '/x/' },
  ],
  [
    'a listen path that is kept',
    { proxy: { strip_listen_path: false } },
    { server: { listenPath: { strip: false } } },
    { stripListenPath: false },
  ],
  [
    'an upstream',
    { proxy: { target_url: 'https://a.example/v2' } },
    { upstream: { url: 'https://a.example/v2' } },
    { upstream: { url: 'https://a.example/v2' } },
  ],
  [
    'a Host that is kept',
    { proxy: { preserve_host_header: true } },
    { upstream: { preserveHostHeader: { enabled: true } } },
    { upstream: { preserveHost: true } },
  ],
  [
    'certificates that are not verified',
    { proxy: { transport: { ssl_insecure_skip_verify: true } } },
    { upstream: { tlsTransport: { insecureSkipVerify: true } } },
    { upstream: { verifyTls: false } },
  ],
  ['pre plugins', custom({ pre: [entry] }), global({ prePlugins: [oasEntry] }), { hooks: { pre: [stamp] } }],
  ['post plugins', custom({ post: [entry] }), global({ postPlugins: [oasEntry] }), { hooks: { post: [stamp] } }],
  [
    'response plugins',
    custom({ response: [entry] }),
    global({ responsePlugins: [oasEntry] }),
    { hooks: { response: [stamp] } },
  ],
  [
    'several plugins, in order, without those that are switched off',
    custom({ pre: [{ name: 'a' }, { name: 'b', disabled: true }, { name: 'c', raw_body_only: true }] }),
    global({
      prePlugins: [
        { enabled: true, functionName: 'a' },
        { enabled: false, functionName: 'b' },
        { enabled: true, functionName: 'c', rawBodyOnly: true },
      ],
    }),
    { hooks: { pre: [plugin('a'), plugin('c')] } },
  ],
  ['an auth plugin', byPlugin.classic, byPlugin.oas, byPlugin.native],
  [
    'plugins behind it',
    merged(byPlugin.classic, custom({ post_key_auth: [entry] })) as object,
    merged(byPlugin.oas, global({ postAuthenticationPlugins: [oasEntry] })) as object,
    { hooks: { auth: plugin('check'), postAuth: [stamp] } },
  ],
  [
    'where the credential is',
    {
      ...byPlugin.classic,
      auth_configs: {
        coprocess: {
          auth_header_name: 'x-key',
          use_param: true,
          param_name: 'key',
          use_cookie: true,
          cookie_name: 'k',
        },
      },
    },
    merged(
      byPlugin.oas,
      authentication({
        custom: {
          header: { enabled: true, name: 'x-key' },
          query: { enabled: true, name: 'key' },
          cookie: { enabled: true, name: 'k' },
        },
      }),
    ) as object,
    { ...byPlugin.native, authentication: { credential: { header: 'x-key', query: 'key', cookie: 'k' } } },
  ],
  [
    'a credential that is in no header',
    {
      ...byPlugin.classic,
      auth_configs: { coprocess: { disable_header: true, use_param: true, param_name: 'key' } },
    },
    merged(byPlugin.oas, authentication({ custom: { query: { enabled: true, name: 'key' } } })) as object,
    { ...byPlugin.native, authentication: { credential: { header: false, query: 'key' } } },
  ],
  [
    'a credential the upstream does not see',
    { ...byPlugin.classic, strip_auth_data: true },
    merged(byPlugin.oas, authentication({ stripAuthorizationData: true })) as object,
    { ...byPlugin.native, authentication: { credential: { strip: 'all' } } },
  ],
  [
    'an id in a header',
    merged(
      byPlugin.classic,
      custom({
        id_extractor: { extract_from: 'header', extract_with: 'value', extractor_config: { header_name: 'X-Id' } },
      }),
    ) as object,
    merged(
      byPlugin.oas,
      authentication({
        custom: {
          config: { idExtractor: { enabled: true, source: 'header', with: 'value', config: { headerName: 'X-Id' } } },
        },
      }),
    ) as object,
    { ...byPlugin.native, authentication: { idExtractor: { source: 'header', mode: 'value', header: 'X-Id' } } },
  ],
  [
    'an id in a form, by an expression',
    merged(
      byPlugin.classic,
      custom({
        id_extractor: {
          extract_from: 'form',
          extract_with: 'regex',
          extractor_config: { param_name: 'id', regex_expression: '[^-]+$', regex_match_index: 1, header_name: 'x' },
        },
      }),
    ) as object,
    merged(
      byPlugin.oas,
      authentication({
        custom: {
          config: {
            idExtractor: {
              enabled: true,
              source: 'form',
              with: 'regex',
              config: { formParamName: 'id', regexp: '[^-]+$', regexpMatchIndex: 1, headerName: 'x' },
            },
          },
        },
      }),
    ) as object,
    {
      ...byPlugin.native,
      authentication: {
        idExtractor: { source: 'form', mode: 'regex', param: 'id', expression: '[^-]+$', matchIndex: 1 },
      },
    },
  ],
  [
    'an id in a body, by XPath',
    merged(
      byPlugin.classic,
      custom({
        id_extractor: {
          extract_from: 'body',
          extract_with: 'xpath',
          extractor_config: { xpath_expression: '//user/@id' },
        },
      }),
    ) as object,
    merged(
      byPlugin.oas,
      authentication({
        custom: {
          config: { idExtractor: { enabled: true, source: 'body', with: 'xpath', config: { xPathExp: '//user/@id' } } },
        },
      }),
    ) as object,
    {
      ...byPlugin.native,
      authentication: { idExtractor: { source: 'body', mode: 'xpath', expression: '//user/@id' } },
    },
  ],
  [
    'an id that is not looked at',
    merged(
      byPlugin.classic,
      custom({ id_extractor: { disabled: true, extract_from: 'header', extract_with: 'value' } }),
    ) as object,
    merged(
      byPlugin.oas,
      authentication({ custom: { config: { idExtractor: { enabled: false, source: 'header', with: 'value' } } } }),
    ) as object,
    byPlugin.native,
  ],
  [
    'a lifetime of sessions',
    { ...byPlugin.classic, session_lifetime: 5_400, session_lifetime_respects_key_expiration: true },
    merged(
      byPlugin.oas,
      authentication({ customKeyLifetime: { enabled: true, value: '1h30m', respectValidity: true } }),
    ) as object,
    { ...byPlugin.native, sessionLifetime: 5_400, keepUntilExpiry: true },
  ],
  [
    'a lifetime of 0, which is none',
    { ...byPlugin.classic, session_lifetime: 0, session_lifetime_respects_key_expiration: true },
    merged(
      byPlugin.oas,
      authentication({ customKeyLifetime: { enabled: true, value: '0s', respectValidity: true } }),
    ) as object,
    byPlugin.native,
  ],
  [
    'a lifetime that is switched off',
    { ...byPlugin.classic, session_lifetime: 60, session_lifetime_disabled: true },
    merged(byPlugin.oas, authentication({ customKeyLifetime: { enabled: false, value: '1m' } })) as object,
    byPlugin.native,
  ],
  [
    'rates of keys that do not hold',
    { ...byPlugin.classic, disable_rate_limit: true, global_rate_limit: { rate: 5, per: 1 } },
    merged(merged(byPlugin.oas, global({ skipRateLimit: true })), {
      upstream: { rateLimit: { enabled: true, rate: 5, per: '1s' } },
    }) as object,
    { ...byPlugin.native, limits: { keyRate: false } },
  ],
  [
    'quotas of keys that do not hold',
    { ...byPlugin.classic, disable_quota: true },
    merged(byPlugin.oas, global({ skipQuota: true })) as object,
    { ...byPlugin.native, limits: { keyQuota: false } },
  ],
  [
    'keys that do not matter',
    { disable_rate_limit: true, disable_quota: true },
    global({ skipRateLimit: true, skipQuota: true }),
    {},
  ],
  [
    'a rate limit',
    { global_rate_limit: { rate: 5, per: 90 } },
    { upstream: { rateLimit: { enabled: true, rate: 5, per: '1m30s' } } },
    { limits: { rate: 5, per: 90 } },
  ],
  [
    'a rate limit that is switched off',
    { global_rate_limit: { disabled: true, rate: 5, per: 90 } },
    { upstream: { rateLimit: { enabled: false, rate: 5, per: '1m30s' } } },
    {},
  ],
  [
    'a rate limit of 0, which is none',
    { global_rate_limit: { rate: 0, per: 90 } },
    { upstream: { rateLimit: { enabled: true, rate: 0, per: '1m30s' } } },
    {},
  ],
  [
    'data for plugins',
    { config_data: { tier: 'gold' } },
    global({ pluginConfig: { data: { enabled: true, value: { tier: 'gold' } } } }),
    { config: { tier: 'gold' } },
  ],
  [
    'data that is switched off',
    { config_data: { tier: 'gold' }, config_data_disabled: true },
    global({ pluginConfig: { data: { enabled: false, value: { tier: 'gold' } } } }),
    {},
  ],
  ['no records', { do_not_track: true }, global({ trafficLogs: { enabled: false } }), { records: false }],
  [
    'what is in records',
    { enable_detailed_recording: true, tags: ['eu'], tag_headers: ['X-Team'], expire_analytics_after: 3_600 },
    merged(global({ trafficLogs: { tagHeaders: ['X-Team'], customRetentionPeriod: '1h' } }), {
      server: { detailedActivityLogs: { enabled: true }, gatewayTags: { enabled: true, tags: ['eu'] } },
    }) as object,
    { records: { detailed: true, tags: ['eu'], tagHeaders: ['X-Team'], retention: 3_600 } },
  ],
  [
    'tags that are switched off',
    { tags: ['eu'], tags_disabled: true },
    { server: { gatewayTags: { enabled: false, tags: ['eu'] } } },
    {},
  ],
  [
    'an analytics plugin',
    { analytics_plugin: { enable: true, func_name: 'mask', plugin_path: '/opt/mask.so' } },
    global({ trafficLogs: { plugins: [{ enabled: true, functionName: 'mask', path: '/opt/mask.so' }] } }),
    { hooks: { analytics: [plugin('mask', 'opt/mask.so')] } },
  ],
  [
    'an analytics plugin that is switched off',
    { analytics_plugin: { enable: false, func_name: 'mask' } },
    global({ trafficLogs: { plugins: [{ enabled: false, functionName: 'mask' }] } }),
    {},
  ],
  [
    'paths whose case is ignored',
    { version_data: { versions: { Default: { ignore_endpoint_case: true } } } },
    global({ ignoreCase: { enabled: true } }),
    { ignoreCase: true },
  ],
  [
    'a largest body',
    { version_data: { versions: { Default: { global_size_limit: 1_024 } } } },
    global({ requestSizeLimit: { enabled: true, value: 1_024 } }),
    { maxBodyBytes: 1_024 },
  ],
  [
    'a largest body that is switched off',
    { version_data: { versions: { Default: { global_size_limit: 1_024, global_size_limit_disabled: true } } } },
    global({ requestSizeLimit: { enabled: false, value: 1_024 } }),
    {},
  ],
]

const paths = (part: object): object => ({ version_data: { versions: { Default: { extended_paths: part } } } })
const operation = (part: object): object => ({ middleware: { operations: { stock: part } } })
const at = { path: '/stock/{sku}', method: 'GET' }
const KEY = 'GET /stock/:sku'

const ENDPOINT_ROWS: typeof ROWS = [
  [
    'plugins of an endpoint, all of them in order',
    paths({
      go_plugin: [
        { ...at, func_name: 'a', plugin_path: '/x/a.so' },
        { ...at, func_name: 'off', disabled: true },
        { ...at, func_name: 'b', plugin_path: './b.so' },
      ],
    }),
    operation({
      postPlugins: [
        { enabled: true, functionName: 'a', path: '/x/a.so' },
        { enabled: false, functionName: 'off', path: '' },
        { enabled: true, functionName: 'b', path: './b.so' },
      ],
    }),
    { endpointOrder: 'listed', endpoints: { [KEY]: [plugin('a', 'x/a.so'), plugin('b', 'b.so')] } },
  ],
  [
    'a virtual endpoint, before them',
    paths({
      go_plugin: [{ ...at, func_name: 'a' }],
      virtual: [
        {
          ...at,
          response_function_name: 'v',
          function_source_type: 'file',
          function_source_uri: 'v.js',
          use_session: true,
        },
      ],
    }),
    operation({
      postPlugins: [{ enabled: true, functionName: 'a', path: '' }],
      virtualEndpoint: { enabled: true, functionName: 'v', path: 'v.js', requireSession: true },
    }),
    { endpointOrder: 'listed', endpoints: { [KEY]: [plugin('v', 'v.js'), plugin('a')] } },
  ],
  [
    'a rate limit of an endpoint',
    paths({ rate_limit: [{ ...at, rate: 5, per: 60 }] }),
    operation({ rateLimit: { enabled: true, rate: 5, per: '1m' } }),
    { endpointOrder: 'listed', limits: { endpoints: { [KEY]: { rate: 5, per: 60 } } } },
  ],
  [
    'a rate limit of an endpoint, switched off',
    paths({ rate_limit: [{ ...at, rate: 5, per: 60, disabled: true }] }),
    operation({ rateLimit: { enabled: false, rate: 5, per: '1m' } }),
    {},
  ],
  [
    'rate limits of endpoints where none hold',
    { ...paths({ rate_limit: [{ ...at, rate: 5, per: 60 }] }), disable_rate_limit: true },
    {
      middleware: {
        global: { skipRateLimit: true },
        operations: { stock: { rateLimit: { enabled: true, rate: 5, per: '1m' } } },
      },
    },
    {},
  ],
]

describe.each([...ROWS, ...ENDPOINT_ROWS])('%s', (_, inClassic, inOas, inNative) => {
  const expected = { input: merged(native, inNative), problems: [], warnings: [], active: true }

  it('is translated from Classic', () => {
    expect(translated(classic(inClassic))).toMatchObject(expected)
    expect(translated(classic(inClassic)).input).toEqual(expected.input)
  })

  it('is translated from OAS', () => {
    expect(translated(oas(inOas))).toMatchObject(expected)
    expect(translated(oas(inOas)).input).toEqual(expected.input)
  })

  it('is all the gateway needs, from both', () => {
    const names = ['a', 'b', 'c', 'check', 'v'].map((name) => [name, () => undefined])
    const context: ParseContext = {
      plugins: Object.fromEntries(names) as Record<string, unknown>,
      hasDirectory: true,
      bundles: {},
      pathMatching: 'whole',
    }
    for (const document of [classic(inClassic), oas(inOas)]) {
      const { definitions, problems } = readDefinitions(document, context)
      expect(problems).toEqual([])
      expect(definitions[0]?.document).toEqual(document)
    }
  })

  it('says of every part where it stands', () => {
    const leaves = leavesOf(merged(native, inNative))
    for (const document of [classic(inClassic), oas(inOas)]) {
      const { origins } = translated(document)
      expect(leaves.filter((leaf) => !covered(leaf, origins))).toEqual([])
      for (const path of Object.values(origins)) expect(path).not.toBe('')
    }
  })
})

/** Paths of everything that is no object or array, with those of plugins cut at the plugin. */
function leavesOf(value: unknown, path: readonly (string | number)[] = []): string[] {
  const isInner = typeof value === 'object' && value !== null && !('functionName' in value)
  if (!isInner) return [textOf(path)]
  const entries = Array.isArray(value) ? value.map((item, i) => [i, item] as const) : Object.entries(value)
  return entries.flatMap(([key, inner]) => leavesOf(inner, [...path, key]))
}

function textOf(path: readonly (string | number)[]): string {
  const part = (key: string | number): string => {
    if (typeof key === 'number') return `[${key}]`
    return /^\w+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
  }
  return path.map(part).join('').replace(/^\./, '')
}

/** Parts follow their whole. */
function covered(leaf: string, origins: Readonly<Record<string, string>>): boolean {
  return Object.keys(origins).some(
    (path) => leaf === path || (leaf.startsWith(path) && '.['.includes(leaf[path.length]!)),
  )
}

describe('standard keys', () => {
  const inClassic = { use_keyless: false, use_standard_auth: true }
  const document = {
    security: [{ key: [] }],
    components: { securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'X-Key' } } },
  }
  const inOas = authentication({ securitySchemes: { key: { enabled: true } } })
  const token = (part: object): object => merged(native, { authentication: { token: part } }) as object

  it('are where both dialects say', () => {
    const expected = token({ header: 'X-Key', strip: 'none' })
    const source = { auth_configs: { authToken: { auth_header_name: 'X-Key' } } }
    expect(translated(classic(inClassic, source)).input).toEqual(expected)
    expect(translated(oasDocument(document, inOas)).input).toEqual(expected)
  })

  it.each([
    ['query', { query: 'k', header: false }],
    ['cookie', { cookie: 'k', header: false }],
    ['header', { header: 'k' }],
  ])('of OAS may be in the %s', (where, expected) => {
    const scheme = { components: { securitySchemes: { key: { in: where, name: 'k' } } } }
    const { input, problems } = translated(oasDocument(merged(document, scheme) as object, inOas))
    expect(problems).toEqual([])
    expect(input).toEqual(token({ ...expected, strip: 'none' }))
  })

  it('of OAS may be in further places, which the scheme of the gateway names', () => {
    const more = { query: { enabled: true, name: 'k' }, cookie: { enabled: false, name: 'c' } }
    const scheme = authentication({ securitySchemes: { key: { enabled: true, ...more } } })
    expect(translated(oasDocument(document, scheme)).input).toEqual(
      token({ header: 'X-Key', query: 'k', strip: 'none' }),
    )
  })

  it.each([
    ['the older form', { auth: { auth_header_name: 'X-Old' } }, { header: 'X-Old' }],
    [
      'the newer form beside it',
      { auth: { auth_header_name: 'X-Old' }, auth_configs: { authToken: { auth_header_name: 'X-New' } } },
      { header: 'X-New' },
    ],
    ['nothing', {}, {}],
    ['a parameter without a name', { auth: { use_param: true } }, { header: 'Authorization', query: 'Authorization' }],
    ['a parameter by its name alone, which is none', { auth: { param_name: 'k' } }, { header: 'Authorization' }],
    [
      'a parameter without a name, and no header',
      { auth: { disable_header: true, auth_header_name: 'x', use_param: true } },
      { header: false, query: 'Authorization' },
    ],
    ['a parameter that is switched off', { auth: { use_param: false, param_name: 'k' } }, { header: 'Authorization' }],
    ['a cookie', { auth: { use_cookie: true, cookie_name: 'c' } }, { header: 'Authorization', cookie: 'c' }],
  ])('of Classic are read from %s', (_, part, expected) => {
    expect(translated(classic(inClassic, part)).input).toEqual(token({ ...expected, strip: 'none' }))
  })

  it('are taken off everywhere where the document says so', () => {
    expect(translated(classic(inClassic, { strip_auth_data: true })).input).toEqual(token({ strip: 'all' }))
  })

  it('keep fields with "_" where the key is in one, and say so', () => {
    const { input, warnings } = translated(classic(inClassic, { auth: { auth_header_name: 'x_key' } }))
    expect(input).toMatchObject({ underscoreHeaders: 'keep' })
    expect(warnings).toEqual([expect.stringMatching(/^auth\.auth_header_name: "x_key" has a "_"/)])
  })

  it.each([
    ['use_certificate', { auth: { use_certificate: true } }],
    ['validate_signature', { auth: { validate_signature: true } }],
  ])('of Classic are refused with %s', (field, part) => {
    expect(translated(classic(inClassic, part)).problems).toEqual([
      expect.stringMatching(`^auth.${field}: .*not supported`),
    ])
  })

  it.each([
    ['enableClientCertificate', { enableClientCertificate: true }],
    ['signatureValidation', { signatureValidation: { enabled: true } }],
  ])('of OAS are refused with %s', (field, part) => {
    const scheme = authentication({ securitySchemes: { key: { enabled: true, ...part } } })
    const { problems } = translated(oasDocument(document, scheme))
    expect(problems).toEqual([expect.stringMatching(`securitySchemes.key.${field}: .*not supported`)])
  })

  it('are asked for where nothing else says how callers are known, with a warning', () => {
    const expected = token({ strip: 'none' })
    const fromClassic = translated(classic({ use_keyless: false }))
    expect(fromClassic.input).toEqual(expected)
    expect(fromClassic.warnings).toEqual([expect.stringMatching('^use_keyless: nothing says')])
    const fromOas = translated(oas(authentication({})))
    expect(fromOas.input).toEqual(expected)
    expect(fromOas.warnings).toEqual([expect.stringMatching('server.authentication.enabled: nothing says')])
  })

  it('are asked for where the auth plugin is switched off, with a warning', () => {
    const off = custom({ auth_check: { name: 'check', disabled: true } })
    const fromClassic = translated(classic({ use_keyless: false, custom_plugin_auth_enabled: true }, off))
    expect(fromClassic.input).toEqual(token({ strip: 'none' }))
    expect(fromClassic.warnings).toEqual([expect.stringMatching('^custom_middleware.auth_check: switched off')])
    const fromOas = translated(oas(authentication({ custom: { enabled: true, config: { functionName: 'check' } } })))
    expect(fromOas.input).toEqual(token({ strip: 'none' }))
    expect(fromOas.warnings).toEqual([expect.stringMatching('custom.config: switched off')])
  })

  it('are asked for where the auth plugin is not asked for, with a warning', () => {
    const { input, warnings } = translated(classic({ use_keyless: false }, custom({ auth_check: { name: 'check' } })))
    expect(input).toEqual(token({ strip: 'none' }))
    expect(warnings).toContainEqual(expect.stringMatching('auth_check: without effect: custom_plugin_auth_enabled'))
  })

  it('and a plugin together have to let in, with the identity that the document names', () => {
    const both = { ...byPlugin.classic, use_standard_auth: true }
    const identity = (part: object): unknown =>
      (translated(classic(both, part)).input as { authentication: { baseIdentity?: string } }).authentication
        .baseIdentity
    expect(identity({ base_identity_provided_by: 'custom_auth' })).toBe('plugin')
    expect(identity({ base_identity_provided_by: 'auth_token' })).toBe('token')
    expect(identity({})).toBe('token')
    expect(translated(classic(both)).warnings).toEqual([expect.stringMatching('^base_identity_provided_by: missing')])
    const { input } = translated(
      oasDocument(
        document,
        merged(byPlugin.oas, merged(inOas, authentication({ baseIdentityProvider: 'custom_auth' }))) as object,
      ),
    )
    expect(input).toMatchObject({ hooks: { auth: plugin('check') }, authentication: { baseIdentity: 'plugin' } })
  })

  it.each(['jwt_claim', 'auth_token', '__proto__'])('cannot be those of a method there is not: %s', (value) => {
    const { problems } = translated(classic(byPlugin.classic, { base_identity_provided_by: value }))
    expect(problems).toEqual([expect.stringMatching('^base_identity_provided_by: found .*nobody would be let in')])
  })
})
