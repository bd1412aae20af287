import { describe, expect, it } from 'vitest'
import { type ParseContext, readDefinitions } from '../../packages/core/src/definition/parse.ts'
import { classic, oas, oasDocument } from '../support/tyk.ts'

const CONTEXT: ParseContext = {
  plugins: { f: () => undefined },
  hasDirectory: false,
  bundles: {},
  pathMatching: 'whole',
}
const X = '["x-tyk-api-gateway"]'
const PATHS = 'version_data.versions.Default.extended_paths'

const places = (document: object, context: Partial<ParseContext> = {}): string[] =>
  readDefinitions(document, { ...CONTEXT, ...context }).problems.map(({ path }) => path)

const inVersion = (part: object): object => ({ version_data: { versions: { Default: { extended_paths: part } } } })
const go = (path: string, method = 'GET'): object => ({ func_name: 'f', path, method })
const asked = { use_keyless: false, custom_plugin_auth_enabled: true }
const extractor = (from: string, using: string, config: object): object => ({
  custom_middleware: {
    auth_check: { name: 'f' },
    id_extractor: { extract_from: from, extract_with: using, extractor_config: config },
  },
})

describe('what the gateway finds wrong stands where the document says it', () => {
  it.each([
    ['a name', classic({ name: '' }), 'name'],
    ['an id', classic({ api_id: 'a b' }), 'api_id'],
    ['a listen path', classic({ proxy: { listen_path: '/a/{b}' } }), 'proxy.listen_path'],
    ['an upstream', classic({ proxy: { target_url: 'tyk://self' } }), 'proxy.target_url'],
    [
      'a target',
      classic({ proxy: { enable_load_balancing: true, target_list: ['http://a', 'ftp://b'] } }),
      'proxy.target_list[1]',
    ],
    ['a period', classic({ global_rate_limit: { rate: 5, per: 0 } }), 'global_rate_limit.per'],
    ['a period that is missing', classic({ global_rate_limit: { rate: 5 } }), 'global_rate_limit.per'],
    [
      'a period of an endpoint',
      classic(inVersion({ rate_limit: [{ path: '/a', method: 'GET', rate: 1, per: -1 }] })),
      `${PATHS}.rate_limit[0].per`,
    ],
    ['a path', classic(inVersion({ go_plugin: [go('/a'), go('/{a}{b}')] })), `${PATHS}.go_plugin[1].path`],
    ['a method', classic(inVersion({ go_plugin: [go('/a', 'ANY')] })), `${PATHS}.go_plugin[0].method`],
    [
      'a source of ids',
      classic(asked, extractor('querystring', 'value', {})),
      'custom_middleware.id_extractor.extract_from',
    ],
    ['a mode of ids', classic(asked, extractor('body', 'value', {})), 'custom_middleware.id_extractor.extract_with'],
    [
      'a header of ids',
      classic(asked, extractor('header', 'value', {})),
      'custom_middleware.id_extractor.extractor_config.header_name',
    ],
    [
      'an expression',
      classic(asked, extractor('header', 'regex', { header_name: 'a', regex_expression: '.*' })),
      'custom_middleware.id_extractor.extractor_config.regex_expression',
    ],
    ['a header of records', classic({ tag_headers: ['a b'] }), 'tag_headers[0]'],
    ['a header of records behind an empty one', classic({ tag_headers: ['', 'a b'] }), 'tag_headers[1]'],
    ['a lifetime', classic(asked, extractor('', '', {}), { session_lifetime: -1 }), 'session_lifetime'],
    [
      'a plugin nobody has handed in',
      classic({ custom_middleware: { post: [{ name: 'g' }] } }),
      'custom_middleware.post[0].name',
    ],
    ['an upstream of OAS', oas({ upstream: { url: 'h2c://a' } }), `${X}.upstream.url`],
    ['a name of OAS', oas({ info: { name: null } }), `${X}.info.name`],
    [
      'a path of OAS',
      oasDocument(
        { paths: { '/a/{b}{c}': { get: { operationId: 'odd' } } } },
        { middleware: { operations: { odd: { postPlugins: [{ enabled: true, functionName: 'f' }] } } } },
      ),
      'paths["/a/{b}{c}"]',
    ],
    [
      'a weight of OAS',
      oas({ upstream: { loadBalancing: { enabled: true, targets: [{ url: 'http://a', weight: 0.5 }] } } }),
      `${X}.upstream.loadBalancing.targets[0].weight`,
    ],
  ])('%s', (_, document, place) => {
    expect(places(document)).toEqual([place])
  })

  it.each([
    [
      'an auth plugin that is refused',
      classic(asked, {
        custom_middleware: { auth_check: { path: 'a.js' }, post_key_auth: [{ name: 'f' }] },
        strip_auth_data: true,
      }),
      'custom_middleware.auth_check.name',
    ],
    [
      'an auth plugin that is missing',
      classic(asked, { custom_middleware: { post_key_auth: [{ name: 'f' }] } }),
      'custom_middleware.auth_check',
    ],
    [
      'a way to authenticate that is refused',
      classic({ use_keyless: false, enable_jwt: true, custom_middleware: { post_key_auth: [{ name: 'f' }] } }),
      'enable_jwt',
    ],
    ['a bundle that is missing', classic(asked, { custom_middleware_bundle: 'a.zip' }), 'custom_middleware_bundle'],
  ])('and not what only follows from it: %s', (_, document, place) => {
    expect(places(document)).toEqual([place])
  })

  it('is not that paths of expressions overlap', () => {
    const document = classic(
      inVersion({
        go_plugin: [go('/a'), go('/a/b'), go('/')],
        rate_limit: [{ path: '/a', method: 'GET', rate: 1, per: 1 }],
      }),
    )
    for (const pathMatching of ['prefix', 'suffix', 'contains'] as const)
      expect(places(document, { pathMatching })).toEqual([])
  })
})
