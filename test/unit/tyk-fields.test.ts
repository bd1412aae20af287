import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { CLASSIC } from '../../packages/core/src/definition/tyk/classic-fields.ts'
import { OAS } from '../../packages/core/src/definition/tyk/oas-fields.ts'
import { expandPaths } from '../../packages/core/src/definition/tyk/vocabulary.ts'
import { classic, oas, translated } from '../support/tyk.ts'

/** An object with one value in it, at a path of the tables. */
function holding(path: string, value: unknown, any: string): object {
  const [key = '', ...rest] = path.split('.')
  const inner = rest.length === 0 ? value : holding(rest.join('.'), value, any)
  return { [key === '*' ? any : key]: inner }
}

const entry = [{ path: '/stock', method: 'GET' }]

/** Switched on and switched off, where that is more than true and false. */
const CLASSIC_VALUES: Readonly<Record<string, readonly [on: unknown, off: unknown, around?: object]>> = {
  external_oauth: [{ enabled: true }, { enabled: false, providers: [{ jwt: { enabled: true } }] }],
  security_requirements: [[['a'], ['b']], [['a']]],
  enable_ip_whitelisting: [true, false, { allowed_ips: ['10.0.0.1'] }],
  enable_ip_blacklisting: [true, false, { blacklisted_ips: ['10.0.0.1'] }],
  domain: ['a.example', ''],
  protocol: ['tcp', 'http'],
  expiration: ['2030-01-01 00:00', ''],
  CORS: [
    { enable: true, allowed_origins: ['*'] },
    { enable: false, allowed_origins: ['*'], max_age: 24 },
  ],
  graphql: [{ enabled: true }, { enabled: false, schema: 'type Query { a: Int }' }],
  application_protocol: ['mcp', ''],
  json_rpc_version: ['2.0', ''],
  response_processors: [
    [{ name: 'header_injector', options: { add_headers: { a: 'b' } } }],
    [{ name: 'header_injector', options: {} }],
  ],
  request_signing: [{ is_enabled: true }, { is_enabled: false, secret: 's', algorithm: 'rsa' }],
  upstream_auth: [
    { enabled: true, basic_auth: { enabled: true, username: 'u' } },
    { enabled: true, basic_auth: { enabled: false, username: 'u' } },
  ],
  upstream_certificates: [{ '*': 'c' }, {}],
  upstream_certificate_refs: [{ '*': 'c' }, {}],
  pinned_public_keys: [{ '*': 'k' }, {}],
  pinned_public_keys_refs: [{ '*': 'k' }, {}],
  error_overrides: [{ '403': [{ response: { status_code: 404 } }] }, {}],
  'proxy.transport.ssl_ciphers': [['TLS_AES_128_GCM_SHA256'], []],
  'proxy.transport.ssl_min_version': [772, 771],
  'proxy.transport.proxy_url': ['http://proxy.example', ''],
  'version_data.versions.*.expires': ['2030-01-01 00:00', '-1'],
  'version_data.versions.*.paths': [
    { white_list: ['/a'] },
    { white_list: [] },
    { version_data: { versions: { Default: { use_extended_paths: false } } } },
  ],
  'version_data.versions.*.global_headers': [{ a: 'b' }, {}],
  'version_data.versions.*.global_headers_remove': [['a'], []],
  'version_data.versions.*.global_response_headers': [{ a: 'b' }, {}],
  'version_data.versions.*.global_response_headers_remove': [['a'], []],
  'version_data.versions.*.override_target': ['http://127.0.0.1:1', ''],
  ...Object.fromEntries(
    ['version_data.versions.*.extended_paths', 'extended_paths'].flatMap((paths) => [
      [`${paths}.transform_headers`, [[{ ...entry[0], add_headers: { a: 'b' } }], entry]],
      [`${paths}.transform_response_headers`, [[{ ...entry[0], delete_headers: ['a'] }], entry]],
    ]),
  ),
}

const OAS_VALUES: typeof CLASSIC_VALUES = {
  'info.expiration': ['2030-01-01 00:00', ''],
  'info.state.internal': [true, false],
  'info.versioning.enabled': [true, false],
  'server.ipAccessControl': [
    { enabled: true, allow: ['10.0.0.1'] },
    { enabled: true, allow: [], block: [] },
  ],
  'server.protocol': ['h2c', 'http'],
  'upstream.authentication': [
    { enabled: true, oauth: { enabled: true } },
    { enabled: true, oauth: { enabled: false } },
  ],
  'upstream.tlsTransport.ciphers': [['TLS_AES_128_GCM_SHA256'], []],
  'upstream.tlsTransport.minVersion': ['1.3', '1.2'],
  'upstream.tlsTransport.forceCommonNameCheck': [true, false],
  errorOverrides: [{ '403': [{ response: { statusCode: 404 } }] }, {}],
  'middleware.mcpTools': [{ tool: { allow: { enabled: true } } }, {}],
  'middleware.mcpResources': [{ tool: { allow: { enabled: true } } }, {}],
  'middleware.mcpPrompts': [{ tool: { allow: { enabled: true } } }, {}],
  ...Object.fromEntries(
    ['middleware.global', 'middleware.operations.*'].flatMap((place) =>
      ['transformRequestHeaders', 'transformResponseHeaders'].map((name) => [
        `${place}.${name}`,
        [
          { enabled: true, add: [{ name: 'a', value: 'b' }] },
          { enabled: true, add: [] },
        ],
      ]),
    ),
  ),
}

const isList = (path: string): boolean => path.includes('extended_paths.')

const classicRows = expandPaths(Object.keys(CLASSIC.refused).join(' ')).map((path) => {
  const [on, off, around = {}] =
    CLASSIC_VALUES[path] ?? (isList(path) ? [entry, [{ ...entry[0], disabled: true }]] : [true, false])
  return [path, on, off, around] as const
})

const oasRows = expandPaths(Object.keys(OAS.refused).join(' ')).map((path) => {
  const [on, off, around = {}] = OAS_VALUES[path] ?? [
    { enabled: true, name: 'x' },
    { enabled: false, name: 'x' },
  ]
  return [path, on, off, around] as const
})

const concerning = (lines: readonly string[], path: string): string[] =>
  lines.filter((line) => line.startsWith(`${path}: `))

describe('what Classic refuses', () => {
  const key = { use_keyless: false, use_standard_auth: true }

  it.each(classicRows)('%s', (path, on, off, around) => {
    const at = path.replace('*', 'Default')
    const problems = (value: unknown): readonly string[] =>
      translated(classic(key, around, holding(path, value, 'Default'))).problems
    expect(concerning(problems(on), at)).toEqual([expect.stringMatching(/: .+ is not supported; .{10}/)])
    expect(problems(off)).toEqual([])
    expect(problems(null)).toEqual([])
  })

  it('is written in the table once, and is all of it', () => {
    expect(Object.keys(CLASSIC_VALUES).filter((path) => !classicRows.some(([row]) => row === path))).toEqual([])
    expect(classicRows.length).toBeGreaterThan(70)
  })

  it.each(['enable_jwt', 'use_basic_auth', 'use_oauth2', 'use_openid', 'enable_signature_checking'])(
    'is without effect on a keyless API: %s',
    (flag) => {
      const { problems, warnings } = translated(classic({ [flag]: true }))
      expect(problems).toEqual([])
      expect(warnings).toEqual([expect.stringMatching(`^${flag}: .*the API is keyless`)])
    },
  )

  it.each(['expiration', 'version_data.versions.Default.expires'])(
    'is let pass with a warning where it is beyond our time: %s',
    (path) => {
      const ending = (date: string): { problems: readonly string[]; warnings: readonly string[] } =>
        translated(classic({ use_keyless: true }, {}, holding(path, date, 'Default')))
      expect(ending('3000-01-02 15:04')).toMatchObject({
        problems: [],
        warnings: [
          expect.stringMatching(`^${path}: a date on which the .* ends: ignored, it is a date nobody waits for`),
        ],
      })
      expect(ending('2099-12-31 23:59').problems).toHaveLength(1)
    },
  )

  it('is without effect in a version that does not use its paths', () => {
    const version = {
      use_extended_paths: false,
      extended_paths: { white_list: entry, go_plugin: [{ ...entry[0], func_name: 'a' }] },
    }
    const { input, problems, warnings } = translated(classic({ version_data: { versions: { Default: version } } }))
    expect(problems).toEqual([])
    expect(input).not.toHaveProperty('endpoints')
    expect(warnings).toEqual([
      expect.stringMatching('extended_paths.white_list: an allow list: without effect'),
      expect.stringMatching('extended_paths.go_plugin: without effect'),
    ])
  })

  it.each([
    [
      'lists of addresses that are switched off',
      { enable_ip_whitelisting: true, allowed_ips: ['::1'], ip_access_control_disabled: true },
    ],
    ['an empty list of addresses', { enable_ip_whitelisting: true, allowed_ips: [] }],
    ['a domain that is switched off', { domain: 'a.example', domain_disabled: true }],
    ['pinning that is switched off', { pinned_public_keys: { '*': 'k' }, certificate_pinning_disabled: true }],
    [
      'certificates that are switched off',
      { upstream_certificates: { '*': 'c' }, upstream_certificates_disabled: true },
    ],
    [
      'paths of the older kind beside those of the newer',
      { version_data: { versions: { Default: { paths: { white_list: ['/a'] } } } } },
    ],
  ])('are not: %s', (_, part) => {
    expect(translated(classic(part)).problems).toEqual([])
  })
})

describe('what OAS refuses', () => {
  it.each(oasRows)('%s', (path, on, off, around) => {
    const at = `["x-tyk-api-gateway"].${path.replace('*', 'stock')}`
    const problems = (value: unknown): readonly string[] =>
      translated(oas({ server: { authentication: { enabled: true } } }, around, holding(path, value, 'stock'))).problems
    expect(concerning(problems(on), at)).toEqual([expect.stringMatching(/: .+ is not supported; .{10}/)])
    expect(problems(off)).toEqual([])
    expect(problems(null)).toEqual([])
  })

  it('is written in the table once, and is all of it', () => {
    expect(Object.keys(OAS_VALUES).filter((path) => !oasRows.some(([row]) => row === path))).toEqual([])
    expect(oasRows.length).toBeGreaterThan(35)
  })

  it.each(['hmac', 'oidc'])('is without effect on a keyless API: %s', (method) => {
    const { problems, warnings } = translated(
      oas({ server: { authentication: { enabled: false, [method]: { enabled: true } } } }),
    )
    expect(problems).toEqual([])
    expect(warnings).toEqual([expect.stringMatching(`${method}: .*the API is keyless`)])
  })
})

describe('what is ignored', () => {
  it.each(expandPaths(Object.keys(CLASSIC.ignored).join(' ')))('of Classic, with one warning: %s', (path) => {
    const value = isList(path) ? entry : true
    const { problems, warnings } = translated(classic(holding(path, value, 'Default')))
    expect(problems).toEqual([])
    expect(warnings).toEqual([expect.stringMatching(/: ignored: /)])
    expect(translated(classic(holding(path, isList(path) ? [] : false, 'Default'))).warnings).toEqual([])
  })

  it.each(expandPaths(Object.keys(OAS.ignored).join(' ')))('of OAS, with one warning: %s', (path) => {
    const { problems, warnings } = translated(oas(holding(path, { enabled: true }, 'stock')))
    expect(problems).toEqual([])
    expect(warnings).toEqual([expect.stringMatching(/: ignored: /)])
    expect(translated(oas(holding(path, { enabled: false }, 'stock'))).warnings).toEqual([])
  })

  it.each(expandPaths(CLASSIC.silent))('of Classic, without a word: %s', (path) => {
    const { problems, warnings } = translated(classic(holding(path, 'x', 'Default')))
    expect([problems, warnings]).toEqual([[], []])
  })
})

it('docs/tyk.md names everything that is refused or ignored', () => {
  const page = readFileSync(fileURLToPath(new URL('../../docs/tyk.md', import.meta.url)), 'utf8')
  const fields = [CLASSIC, OAS].flatMap(({ refused, ignored }) => Object.keys(refused).concat(Object.keys(ignored)))
  const names = expandPaths(fields.join(' ')).map((path) => path.split('.').at(-1)!)
  const known = new Set(['enabled', ...names])
  expect(names.filter((name) => name !== 'enabled' && !page.includes(`\`${name}\``))).toEqual([])
  const [, refusedAndIgnored = ''] = /## What is refused\n([^]*?)A field that nobody knows/.exec(page) ?? []
  const shown = [...refusedAndIgnored.matchAll(/`([\w-]+)`/g)].map(([, name = '']) => name)
  expect(shown.filter((name) => !known.has(name))).toEqual(['compliant', 'x-tyk-streaming'])
})

describe('a field nobody knows', () => {
  it.each([
    [classic({ custom_midleware: {} }), 'custom_midleware: unknown key; did you mean "custom_middleware"?'],
    [classic({ Name: 'x' }), 'Name: unknown key; did you mean "name"?'],
    [
      classic({ custom_middleware: { pre: [{ name: 'a', pth: 'b' }] } }),
      'custom_middleware.pre[0].pth: unknown key; did you mean "path"?',
    ],
    [classic({ analytics_plugin: { enabled: true } }), 'analytics_plugin.enabled: unknown key; did you mean "enable"?'],
    [
      classic({ version_data: { versions: { v: { use_extended_path: true } } } }),
      'version_data.versions.v.use_extended_path: unknown key; did you mean "use_extended_paths"?',
    ],
    [
      oas({ middleware: { global: { prePlugns: [] } } }),
      '["x-tyk-api-gateway"].middleware.global.prePlugns: unknown key; did you mean "prePlugins"?',
    ],
    [
      oas({ middleware: { operations: { stock: { postPlugins: [{ enable: true }] } } } }),
      '["x-tyk-api-gateway"].middleware.operations.stock.postPlugins[0].enable: unknown key; did you mean "enabled"?',
    ],
  ])('is a problem where it is nearly one that is known', (document, problem) => {
    expect(translated(document).problems).toContain(problem)
  })

  it.each([
    [
      oas({ server: { authentication: { enabled: true, jwt: { enabled: true } } } }),
      '["x-tyk-api-gateway"].server.authentication.jwt',
    ],
    [classic({ enable_paseto_auth: true }), 'enable_paseto_auth'],
    [classic({ geo_block: { countries: ['xx'] } }), 'geo_block'],
  ])('is a problem where it is on and reads like a guard', (document, place) => {
    expect(translated(document).problems).toContain(
      `${place}: unknown key, which reads as if it protected something; take it out if it does not`,
    )
  })

  it('is ignored where what reads like a guard is off', () => {
    const { problems, warnings } = translated(classic({ geo_block: { enabled: false, countries: ['xx'] } }))
    expect([problems, warnings]).toEqual([[], ['geo_block: ignored: unknown key']])
  })

  it('is ignored with a warning where it is not', () => {
    const { problems, warnings } = translated(classic({ zebra: { stripes: 7 } }))
    expect([problems, warnings]).toEqual([[], ['zebra: ignored: unknown key']])
  })

  it('says nothing where it is nothing, or somebody else’s', () => {
    const { problems, warnings } = translated(classic({ zebra: null, _id: 'x', $schema: 'y', 'x-team': 'z' }))
    expect([problems, warnings]).toEqual([[], []])
  })
})

describe('a value of another type', () => {
  it.each([
    [classic({ name: 7 }), 'name: found 7, expected text'],
    [classic({ use_keyless: 'true' }), 'use_keyless: found "true", expected true or false'],
    [classic({ proxy: [] }), 'proxy: found an array of 0, expected an object'],
    [classic({ custom_middleware: { pre: {} } }), 'custom_middleware.pre: found an empty object, expected an array'],
    [classic({ custom_middleware: { pre: ['a'] } }), 'custom_middleware.pre[0]: found "a", expected an object'],
    [classic({ global_rate_limit: { rate: '5', per: 1 } }), 'global_rate_limit.rate: found "5", expected a number'],
    [classic({ tags: 'eu' }), 'tags: found "eu", expected an array'],
    [classic({ tags: [7] }), 'tags[0]: found 7, expected text'],
    [
      oas({ upstream: { rateLimit: { enabled: true, rate: 1, per: '90' } } }),
      '["x-tyk-api-gateway"].upstream.rateLimit.per: found "90", expected a duration such as "1m30s"',
    ],
    [oas({ server: 'x' }), '["x-tyk-api-gateway"].server: found "x", expected an object'],
  ])('is a problem that says what was found and what was expected', (document, problem) => {
    expect(translated(document).problems).toContain(problem)
  })

  it('does not hide the others', () => {
    const { problems } = translated(
      classic({ name: 7, enable_jwt: true, use_keyless: false, proxy: { listen_path: false, target_url: 1 } }),
    )
    expect(problems.map((line) => line.split(':')[0])).toEqual([
      'enable_jwt',
      'name',
      'proxy.listen_path',
      'proxy.target_url',
    ])
  })
})
