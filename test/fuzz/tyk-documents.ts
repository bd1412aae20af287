import fc from 'fast-check'
import { classic, oas, oasDocument } from '../support/tyk.ts'

/** What Tyk's documents name, of options; the rest is looked for in files, of which there are none. */
export const TYK_OPTIONS = (): object => ({
  plugins: { stamp: () => undefined, checkKey: () => ({}), hello: () => undefined, limit: 5 },
  bundles: {
    'guard.zip': {
      file_list: [],
      custom_middleware: { driver: 'otto', pre: [{ name: 'stamp' }], auth_check: { name: 'checkKey' } },
    },
    'more.zip': { custom_middleware: { driver: 'otto', post: [{ name: 'stamp', path: 'a.js' }] } },
  },
})

const on = (functionName: string): object => ({ enabled: true, functionName, path: './stamp.so' })

/** Made anew each time: what is put into a document is changed with it later. */
export const TYK_DOCUMENTS: readonly (() => object)[] = [
  () => classic(),
  () =>
    classic({
      use_keyless: false,
      custom_plugin_auth_enabled: true,
      use_standard_auth: true,
      base_identity_provided_by: 'custom_auth',
      strip_auth_data: true,
      session_lifetime: 60,
      session_lifetime_respects_key_expiration: true,
      auth_configs: {
        coprocess: { auth_header_name: 'x_key', use_param: true, param_name: 'key' },
        authToken: { auth_header_name: 'Authorization', use_cookie: true, cookie_name: 'key' },
      },
      custom_middleware: {
        driver: 'goplugin',
        pre: [{ name: 'stamp', path: 'a.so', disabled: false }],
        auth_check: { name: 'checkKey', path: 'a.so' },
        post_key_auth: [{ name: 'stamp' }],
        post: [{ name: 'stamp' }, { name: 'other', path: 'b.so', disabled: true }],
        response: [{ name: 'stamp' }],
        id_extractor: {
          extract_from: 'header',
          extract_with: 'regex',
          extractor_config: { header_name: 'x-id', regex_expression: '[0-9]+', regex_match_index: 0 },
        },
      },
      analytics_plugin: { enable: true, plugin_path: 'a.so', func_name: 'stamp' },
      config_data: { any: [1, { deep: null }] },
      tags: ['a'],
      tag_headers: ['x-tag'],
      global_rate_limit: { rate: 5, per: 1 },
      disable_rate_limit: false,
      disable_quota: true,
      enable_detailed_recording: true,
      expire_analytics_after: 60,
      enable_jwt: false,
      CORS: { enable: false },
      extended_paths: {
        go_plugin: [{ method: 'GET', path: '/a/{id}', func_name: 'stamp', plugin_path: 'a.so' }],
      },
      version_data: {
        versions: {
          Default: {
            ignore_endpoint_case: true,
            global_size_limit: 5000,
            extended_paths: {
              go_plugin: [
                { method: 'GET', path: '/stock/[0-9]+', func_name: 'stamp' },
                { method: 'POST', path: '/stock/{sku}/*', func_name: 'hello' },
              ],
              virtual: [{ method: 'GET', path: '/v', response_function_name: 'hello', function_source_type: 'file' }],
              rate_limit: [{ method: 'GET', path: '/stock/*', rate: 5, per: 1 }],
              white_list: [],
            },
          },
        },
      },
      proxy: { enable_load_balancing: true, target_list: ['http://127.0.0.1:9', '127.0.0.1:10'] },
    }),
  () =>
    classic({
      use_keyless: false,
      enable_coprocess_auth: true,
      custom_middleware_bundle: 'guard.zip,more.zip',
      auth: { auth_header_name: 'x-key' },
    }),
  () => ({ apiVersion: 'tyk.tyk.io/v1alpha1', kind: 'ApiDefinition', metadata: { name: 'orders' }, spec: classic() }),
  () => oas(),
  () =>
    oasDocument(
      {
        security: [{ key: [] }],
        components: { securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'x-key' } } },
      },
      {
        upstream: {
          rateLimit: { enabled: true, rate: 5, per: '1m30s' },
          loadBalancing: { enabled: true, targets: [{ url: 'http://127.0.0.1:9', weight: 2 }] },
          preserveHostHeader: { enabled: true },
        },
        server: {
          authentication: {
            enabled: true,
            baseIdentityProvider: 'auth_token',
            stripAuthorizationData: true,
            customKeyLifetime: { enabled: true, value: '1h', respectValidity: true },
            securitySchemes: { key: { enabled: true, query: { enabled: true, name: 'key' } } },
            custom: {
              enabled: true,
              header: { enabled: true, name: 'x_key' },
              config: {
                ...on('checkKey'),
                idExtractor: {
                  enabled: true,
                  source: 'body',
                  with: 'regex',
                  config: { regexp: '[0-9]+' },
                },
              },
            },
          },
          gatewayTags: { enabled: true, tags: ['a'] },
          detailedActivityLogs: { enabled: true },
          ipAccessControl: { enabled: false, allow: ['10.0.0.1'] },
        },
        middleware: {
          global: {
            pluginConfig: { driver: 'goplugin', data: { enabled: true, value: { any: [1] } } },
            prePlugins: [on('stamp'), { ...on('other'), enabled: false }],
            postAuthenticationPlugin: { plugins: [on('stamp')] },
            postPlugins: [on('stamp')],
            responsePlugins: [on('stamp')],
            trafficLogs: {
              tagHeaders: ['x-tag'],
              customRetentionPeriod: '1h',
              plugins: [on('stamp')],
            },
            ignoreCase: { enabled: true },
            requestSizeLimit: { enabled: true, value: 5000 },
            skipQuota: true,
            cors: { enabled: false },
          },
          operations: {
            stock: {
              postPlugins: [on('stamp'), { enabled: true, name: 'hello' }],
              virtualEndpoint: on('hello'),
              rateLimit: { enabled: true, rate: 5, per: '1s' },
              allow: { enabled: false },
            },
          },
        },
      },
    ),
  () =>
    oas({
      middleware: { global: { pluginConfig: { bundle: { enabled: true, path: 'guard.zip' } } } },
      server: { authentication: { enabled: true, custom: { enabled: true } } },
    }),
]

const words = (text: string): fc.Arbitrary<string> => fc.constantFrom(...text.trim().split(/\s+/))

/** Keys that mean something somewhere, for where they mean nothing. */
export const tykKey = words(`
  x-tyk-api-gateway openapi spec kind enabled disabled name nmae path functionName plugins prePlugins prePlugn pre
  auth_check proxy listen_path use_keyless enable_jwt ipAccessControl validateRequest white_list version_data versions
  custom config with`)

/** Texts that are something else in another place. Not `xpath`: a fuzzer in one file has no such module beside it. */
export const tykText = words(String.raw`
  get GET /stock/{sku /( /a?b=1 /*/* (?=x) ../a.so /../a.so ..\a file:///a.mjs stamp stmap limit constructor grpc rust
  guard.zip none.zip guard.zip,guard.zip custom_auth auth_token regex value form body 1m -1s x_key stock`)
