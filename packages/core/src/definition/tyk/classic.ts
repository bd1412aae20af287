import { isFields } from '../../fields.ts'
import { METHODS } from 'node:http'
import { describe } from '../../errors.ts'
import { listing } from '../../listing.ts'
import type { TykAuthentication, TykEndpoint, TykKeySource, TykPlugins, TykRateLimit } from './api.ts'
import { readBundles, warnOfHidden } from './bundles.ts'
import { CLASSIC } from './classic-fields.ts'
import { type Found, Place, Report, untranslated } from './document.ts'
import { toNative } from './native.ts'
import { checkDriver, isNotDisabled, type PluginFields, readMiddleware, readPlugin } from './plugins.ts'
import { compileVocabulary, isOn } from './vocabulary.ts'
import type { Translate, TranslationContext } from '../translation.ts'

const checkFields = compileVocabulary(CLASSIC)

const GO_PLUGIN: PluginFields = { name: ['func_name'], file: 'plugin_path', isOn: isNotDisabled }

const VIRTUAL: PluginFields = {
  name: ['response_function_name'],
  file: 'function_source_uri',
  isOn: isNotDisabled,
  source: (entry) =>
    entry.at('function_source_type').text().value === 'blob' ? entry.at('function_source_uri') : undefined,
}

const ANALYTICS: PluginFields = {
  name: ['func_name'],
  file: 'plugin_path',
  isOn: (entry) => entry.at('enable').flag().value,
}

/** A Classic document, as it is or as the `spec` of a resource of Tyk Operator. */
export const translateClassic: Translate = (input, context) => {
  const report = new Report()
  const file = new Place(input, report)
  const document = isResource(input) ? file.at('spec') : file
  if (document !== file && !isOurResource(file)) return untranslated(report)
  checkFields(document)
  const version = readVersion(document)
  const proxy = document.at('proxy')
  const strip = proxy.at('strip_listen_path').flag()
  const lasts = !document.at('session_lifetime_disabled').flag().value
  const active = document.at('active')
  return toNative(
    {
      active: !active.present || active.flag().value,
      name: document.at('name').text(),
      id: document.at('api_id').text(),
      orgId: document.at('org_id').text(),
      listenPath: proxy.at('listen_path').text(),
      stripListenPath: strip,
      upstream: {
        protocol: document.at('protocol').text(),
        url: proxy.at('target_url').text(),
        targets: targetsOf(proxy),
        preserveHost: proxy.at('preserve_host_header').flag(),
        skipVerify: proxy.at('transport', 'ssl_insecure_skip_verify').flag(),
      },
      authentication: { ...readAuthentication(document), ...(lasts ? {} : { lifetime: absent(document) }) },
      plugins: readAllPlugins(document, context),
      endpoints: [...endpointsOf(document), ...(version === undefined ? [] : versionEndpoints(version))],
      rateLimit: rateLimitOf(document.at('global_rate_limit')),
      skipRates: document.at('disable_rate_limit').flag(),
      skipQuotas: document.at('disable_quota').flag(),
      ignoreCase: (version ?? document).at('ignore_endpoint_case').flag(),
      sizeLimit:
        version?.at('global_size_limit_disabled').flag().value === false
          ? version.at('global_size_limit').number()
          : absent(document),
      version: versionName(document, version),
      config: configOf(document),
      records: {
        kept: negated(document.at('do_not_track').flag()),
        detailed: document.at('enable_detailed_recording').flag(),
        tags: document.at('tags_disabled').flag().value ? [] : document.at('tags').texts(),
        tagHeaders: document.at('tag_headers').texts(),
        retention: document.at('disable_expire_analytics').flag().value
          ? absent(document)
          : document.at('expire_analytics_after').number(),
      },
    },
    { report, context, expressions: true },
  )
}

/** What Tyk Operator reads: a document within a Kubernetes resource. */
export function isResource(input: unknown): boolean {
  return isFields(input) && typeof input['apiVersion'] === 'string' && typeof input['kind'] === 'string'
}

function isOurResource(file: Place): boolean {
  const kind = file.at('kind')
  const spec = file.at('spec')
  if (kind.value !== 'ApiDefinition') kind.problem(`found ${describe(kind.value)}, expected "ApiDefinition"`)
  else if (!spec.present) spec.missing('a Tyk Classic definition')
  else if (isFields(spec.value)) return true
  else spec.problem(`found ${describe(spec.value)}, expected a Tyk Classic definition`)
  return false
}

const found = <T>(value: T, { path }: Place): Found<T> => ({ value, path })
const absent = ({ path }: Place): Found<undefined> => ({ value: undefined, path })
const negated = ({ value, path }: Found<boolean>): Found<boolean> => ({ value: !value, path })

/** A target written several times takes that much more of the traffic. */
function targetsOf(proxy: Place): { url: Found<string | undefined>; weight: Found<number | undefined> }[] {
  if (!proxy.at('enable_load_balancing').flag().value) return []
  const targets = new Map<string, { url: Found<string>; weight: Found<number> }>()
  for (const place of proxy.at('target_list').list()) {
    const { value, path } = place.text()
    if (value === undefined) continue
    const weight = (targets.get(value)?.weight.value ?? 0) + 1
    targets.set(value, { url: targets.get(value)?.url ?? { value, path }, weight: { value: weight, path } })
  }
  return [...targets.values()]
}

const OTHER_METHODS = ['enable_jwt', 'use_basic_auth', 'use_oauth2', 'use_openid', 'external_oauth'].concat(
  'enable_signature_checking',
  'use_mutual_tls_auth',
)

function readAuthentication(document: Place): TykAuthentication {
  const flags = ['custom_plugin_auth_enabled', 'use_go_plugin_auth', 'enable_coprocess_auth'].map((name) =>
    document.at(name).flag(),
  )
  return {
    keyless: document.at('use_keyless').flag(),
    custom: flags.find(({ value }) => value) ?? flags[0]!,
    token: document.at('use_standard_auth').flag(),
    other: OTHER_METHODS.some((name) => isOn(document.at(name).value, 'disabled')),
    tokenSource: keySourceOf(document, 'authToken'),
    customSource: keySourceOf(document, 'coprocess'),
    strip: document.at('strip_auth_data').flag(),
    baseIdentity: document.at('base_identity_provided_by').text(),
    lifetime: document.at('session_lifetime').number(),
    keepUntilExpiry: document.at('session_lifetime_respects_key_expiration').flag(),
  }
}

function keySourceOf(document: Place, method: string): TykKeySource | undefined {
  const own = document.at('auth_configs', method)
  const source = own.present ? own : document.at('auth')
  if (!source.present) return undefined
  const header = source.at('auth_header_name').text()
  const disabled = source.at('disable_header').flag().value
  const name = disabled ? 'Authorization' : (header.value ?? 'Authorization')
  const certificate = source.at('use_certificate')
  const signature = source.at('validate_signature')
  return {
    path: source.path,
    header: { value: disabled ? false : name, path: header.path },
    query: placeOfKey(source, 'use_param', 'param_name', name),
    cookie: placeOfKey(source, 'use_cookie', 'cookie_name', name),
    refused: [
      ...(certificate.flag().value ? [found('keys made of client certificates', certificate)] : []),
      ...(signature.flag().value ? [found('signatures of keys', signature)] : []),
    ],
  }
}

/** Without a name of its own it is that of the header. */
function placeOfKey(source: Place, flag: string, name: string, fallback: string): Found<string | undefined> {
  const { value, path } = source.at(name).text()
  return { value: source.at(flag).flag().value ? (value ?? fallback) : undefined, path }
}

function readAllPlugins(document: Place, context: TranslationContext): TykPlugins | undefined {
  const bundle = document.at('custom_middleware_bundle')
  const bundled = bundle.text().value !== undefined && !document.at('custom_middleware_bundle_disabled').flag().value
  const own = readMiddleware(document.at('custom_middleware'))
  if (bundled) warnOfHidden(own)
  else checkDriver(own.place.at('driver'))
  const plugins = bundled ? readBundles(bundle, context) : own
  const analytics = document.at('analytics_plugin')
  if (plugins === undefined || !ANALYTICS.isOn(analytics)) return plugins
  if (plugins.analytics.length === 0) return { ...plugins, analytics: [readPlugin(analytics, ANALYTICS)] }
  analytics.warn('without effect: the plugins under traffic_logs take its place')
  return plugins
}

/** The one version there is. Versions are not chosen among: where there is something to choose, that is a problem. */
function readVersion(document: Place): Place | undefined {
  const data = document.at('version_data')
  const versions = data.at('versions').entries()
  const chosen = !data.at('not_versioned').flag().value && data.present
  const key = document.at('definition', 'key').text()
  if (versions.length > 1) {
    const names = listing(
      versions.map(([name]) => name),
      describe,
    )
    data
      .at('versions')
      .problem(`choosing a version is not supported: found ${names}; make each version an API of its own`)
  } else if (chosen && versions.length === 1 && key.value !== undefined)
    data
      .at('not_versioned')
      .problem(`choosing a version is not supported: requests say it in ${describe(key.value)}; expected true`)
  return versions[0]?.[1]
}

/** The version that rights have to name, where the API has versions at all. */
function versionName(document: Place, version: Place | undefined): Found<string | undefined> {
  const data = document.at('version_data')
  if (version === undefined || data.at('not_versioned').flag().value) return absent(data)
  return version.at('name').text()
}

function versionEndpoints(version: Place): TykEndpoint[] {
  const uses = version.at('use_extended_paths')
  const paths = version.at('extended_paths')
  if (uses.flag().value) return endpointsOf(version)
  for (const list of ['virtual', 'go_plugin', 'rate_limit', 'track_endpoints', 'do_not_track_endpoints']) {
    if (
      paths
        .at(list)
        .list()
        .some((entry) => isOn(entry.value, 'disabled'))
    )
      paths.at(list).warn('without effect, as in the real gateway: use_extended_paths is false')
  }
  return []
}

const SAYS_NOTHING = { plugins: [], rateLimit: undefined, recorded: undefined }

/** Virtual endpoints stand before the plugins: of one endpoint both run, in that order. */
function endpointsOf(owner: Place): TykEndpoint[] {
  const paths = owner.at('extended_paths')
  const entries = [
    ...paths
      .at('virtual')
      .list()
      .map((place) => ({ place, plugins: readOne(place, VIRTUAL) })),
    ...paths
      .at('go_plugin')
      .list()
      .map((place) => ({ place, plugins: readOne(place, GO_PLUGIN) })),
    ...paths
      .at('rate_limit')
      .list()
      .map((place) => ({ place, rateLimit: rateLimitOf(place) })),
    ...paths
      .at('track_endpoints')
      .list()
      .map((place) => ({ place, recorded: 'track' as const })),
    ...paths
      .at('do_not_track_endpoints')
      .list()
      .map((place) => ({ place, recorded: 'skip' as const })),
  ]
  return entries.flatMap(({ place, ...says }) => {
    if (!isFields(place.value) || !isNotDisabled(place)) return []
    const method = methodOf(place)
    const path = pathOf(place)
    return method === undefined || path === undefined ? [] : [{ method, path, ...SAYS_NOTHING, ...says }]
  })
}

function readOne(place: Place, fields: PluginFields) {
  if (!isFields(place.value) || !fields.isOn(place)) return []
  if (fields === VIRTUAL && place.at('proxy_on_error').flag().value)
    place.at('proxy_on_error').warn('a plugin that fails answers 500, whatever the upstream would have said')
  return [readPlugin(place, fields)]
}

/** An empty one is what its author wrote: the translation of paths knows why it is none. */
function pathOf(place: Place): Found<string> | undefined {
  const path = place.at('path')
  if (!path.present) path.missing('a path such as "/stock/{sku}"')
  const { value } = path.text()
  return value === undefined && path.value !== '' ? undefined : path.found(value ?? '')
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)

function methodOf(place: Place): string | undefined {
  const method = place.at('method')
  const { value } = method.text()
  if (value === undefined) method.missing('a method such as "GET"')
  else if (KNOWN_METHODS.has(value)) return value
  else {
    const upper = value.toUpperCase()
    const expected = KNOWN_METHODS.has(upper) ? describe(upper) : 'a method such as "GET"'
    method.problem(`found ${describe(value)}, which no request has, expected ${expected}`)
  }
  return undefined
}

function rateLimitOf(place: Place): TykRateLimit {
  return {
    path: place.path,
    disabled: !isNotDisabled(place),
    rate: place.at('rate').number(),
    per: place.at('per').number(),
  }
}

function configOf(document: Place): Found<unknown> {
  const config = document.at('config_data')
  const off = document.at('config_data_disabled').flag().value || !config.present
  return found(off ? undefined : config.value, config)
}
