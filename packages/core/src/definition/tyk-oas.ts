import { describe } from '../errors.ts'
import type {
  TykApi,
  TykAuthentication,
  TykEndpoint,
  TykIdExtractor,
  TykKeySource,
  TykPlugin,
  TykPlugins,
  TykRateLimit,
} from './tyk-api.ts'
import { readBundles } from './tyk-bundles.ts'
import { type Found, Place, Report } from './tyk-document.ts'
import { toNative } from './tyk-native.ts'
import { OAS } from './tyk-oas-fields.ts'
import { isEnabled, type PluginFields, readPlugin, readPlugins } from './tyk-plugins.ts'
import { compileVocabulary, isOn } from './tyk-vocabulary.ts'
import type { Translate, TranslationContext } from './translation.ts'

const EXTENSION = 'x-tyk-api-gateway'

const checkFields = compileVocabulary(OAS)

const PLUGIN: PluginFields = {
  name: ['functionName'],
  file: 'path',
  isOn: isEnabled,
  isInline: (entry) => entry.at('code').text().value !== undefined,
}

const OF_ENDPOINT: PluginFields = { name: ['functionName', 'name'], file: 'path', isOn: isEnabled }

const VIRTUAL: PluginFields = {
  ...OF_ENDPOINT,
  isInline: (entry) => entry.at('body').text().value !== undefined,
}

/** An OpenAPI document with `x-tyk-api-gateway`. */
export const translateOas: Translate = (input, context) => {
  const report = new Report()
  const document = new Place(input, report)
  const tyk = document.at(EXTENSION)
  if (tyk.present) checkFields(tyk)
  else tyk.problem('missing, expected the part of an OpenAPI document that a gateway reads')
  if (isOn(document.at('x-tyk-streaming').value)) document.at('x-tyk-streaming').problem('streams are not supported')
  const [info, server, upstream, global] = [
    tyk.at('info'),
    tyk.at('server'),
    tyk.at('upstream'),
    tyk.at('middleware', 'global'),
  ]
  const active = info.at('state', 'active')
  const api: TykApi = {
    active: !active.present || active.flag().value,
    name: info.at('name').text(),
    id: info.at('id').text(),
    orgId: info.at('orgId').text(),
    listenPath: server.at('listenPath', 'value').text(),
    stripListenPath: server.at('listenPath', 'strip').flag(),
    upstream: {
      url: upstream.at('url').text(),
      targets: targetsOf(upstream.at('loadBalancing')),
      preserveHost: upstream.at('preserveHostHeader', 'enabled').flag(),
      skipVerify: upstream.at('tlsTransport', 'insecureSkipVerify').flag(),
    },
    authentication: readAuthentication(document, server.at('authentication')),
    plugins: readAllPlugins(global, server.at('authentication', 'custom'), context),
    endpoints: endpointsOf(document, tyk.at('middleware', 'operations')),
    rateLimit: rateLimitOf(upstream.at('rateLimit')),
    skipRates: global.at('skipRateLimit').flag(),
    skipQuotas: global.at('skipQuota').flag(),
    ignoreCase: global.at('ignoreCase', 'enabled').flag(),
    sizeLimit: whereEnabled(global.at('requestSizeLimit'), 'value', (value) => value.number()),
    version: { value: undefined, path: info.at('versioning').path },
    config: whereEnabled(global.at('pluginConfig', 'data'), 'value', ({ value, path }) => ({ value, path })),
    records: readRecords(server, global.at('trafficLogs')),
  }
  return toNative(api, { report, context, expressions: false })
}

/** What stands beside `enabled`; absent where that is false. */
function whereEnabled<T>(block: Place, key: string, read: (place: Place) => Found<T>): Found<T | undefined> {
  const place = block.at(key)
  return isEnabled(block) ? read(place) : { value: undefined, path: place.path }
}

function targetsOf(balancing: Place): { url: Found<string | undefined>; weight: Found<number | undefined> }[] {
  if (!isEnabled(balancing)) return []
  const targets = balancing
    .at('targets')
    .list()
    .map((target) => ({ url: target.at('url').text(), weight: target.at('weight').number() }))
  return targets.filter(({ weight }) => weight.value !== 0)
}

function readRecords(server: Place, logs: Place): TykApi['records'] {
  const tags = server.at('gatewayTags', 'tags')
  return {
    // Documents that say nothing about it keep no records; those that are imported by a gateway are made to say it.
    kept: { value: isEnabled(logs), path: logs.path },
    detailed: server.at('detailedActivityLogs', 'enabled').flag(),
    tags: { value: isEnabled(server.at('gatewayTags')) ? tags.texts() : [], path: tags.path },
    tagHeaders: { value: logs.at('tagHeaders').texts(), path: logs.at('tagHeaders').path },
    retention: wholeSeconds(logs.at('customRetentionPeriod').seconds()),
  }
}

const wholeSeconds = ({ value, path }: Found<number | undefined>): Found<number | undefined> => ({
  value: value === undefined ? undefined : Math.floor(value),
  path,
})

function readAuthentication(document: Place, block: Place): TykAuthentication {
  const enabled = isEnabled(block)
  const schemes = enabled ? readSchemes(document, block) : NO_SCHEMES
  const custom = block.at('custom')
  return {
    keyless: { value: !enabled, path: block.at('enabled').path },
    custom: custom.at('enabled').flag(),
    token: { value: schemes.token?.at('enabled').flag().value ?? false, path: schemes.token?.path ?? block.path },
    other: schemes.other || isOn(block.at('hmac').value) || isOn(block.at('oidc').value),
    tokenSource: schemes.tokenSource,
    customSource: custom.present ? keySourceOf(custom) : undefined,
    strip: block.at('stripAuthorizationData').flag(),
    baseIdentity: block.at('baseIdentityProvider').text(),
    lifetime: wholeSeconds(whereEnabled(block.at('customKeyLifetime'), 'value', (value) => value.seconds())),
    keepUntilExpiry: block.at('customKeyLifetime', 'respectValidity').flag(),
  }
}

function keySourceOf(place: Place): TykKeySource {
  const named = (key: string): Found<string | undefined> => whereEnabled(place.at(key), 'name', (name) => name.text())
  const header = named('header')
  const byHeader = isEnabled(place.at('header'))
  const fallback = (key: string): Found<string | undefined> => {
    const { value, path } = named(key)
    return { value: isEnabled(place.at(key)) ? (value ?? header.value ?? 'Authorization') : undefined, path }
  }
  return {
    path: place.path,
    header: { value: byHeader ? (header.value ?? 'Authorization') : false, path: header.path },
    query: fallback('query'),
    cookie: fallback('cookie'),
    refused: [],
  }
}

interface Schemes {
  readonly token: Place | undefined
  readonly tokenSource: TykKeySource | undefined
  /** One of another kind is switched on, which has been reported. */
  readonly other: boolean
}

const NO_SCHEMES: Schemes = { token: undefined, tokenSource: undefined, other: false }

/** OpenAPI says what a scheme is and which are asked for; the extension says which of them the gateway looks at. */
function readSchemes(document: Place, block: Place): Schemes {
  const requirements = document.at('security').list()
  const mode = block.at('securityProcessingMode')
  const alternatives = requirements.length + block.at('security').list().length
  const { value: processing } = mode.text()
  if (processing === 'compliant' && alternatives > 1)
    mode.problem(`a choice of ${alternatives} ways to authenticate is not supported; name one`)
  const asked = requirements[0]?.entries().map(([name]) => name) ?? []
  let token: Place | undefined
  let other = false
  for (const [name, scheme] of block.at('securitySchemes').entries()) {
    const isAsked = asked.includes(name)
    const type = document.at('components', 'securitySchemes', name, 'type').text().value
    if (isAsked && type === 'apiKey') token = scheme
    else if (isEnabled(scheme)) {
      other = true
      scheme.problem(isAsked ? unsupported(type) : notAskedFor(asked))
    }
  }
  return { token, tokenSource: token && apiKeyOf(document, token), other }
}

function unsupported(type: string | undefined): string {
  return `authentication of the type ${describe(type)} is not supported, only "apiKey"; let a plugin at server.authentication.custom check it`
}

function notAskedFor(asked: readonly string[]): string {
  const first = asked.map((name) => describe(name)).join(' and ') || 'nothing'
  return `is switched on, but "security" of the document asks for ${first}; name it there, in the first entry`
}

/** The place OpenAPI names, besides those of the scheme itself. */
function apiKeyOf(document: Place, scheme: Place): TykKeySource {
  const source = keySourceOf(scheme)
  const native = document.at('components', 'securitySchemes', scheme.key)
  const key = native.at('name').text()
  const where = native.at('in').text()
  if (!['header', 'query', 'cookie'].includes(where.value ?? ''))
    native.at('in').problem(`found ${describe(where.value)}, expected "header", "query" or "cookie"`)
  const certificate = scheme.at('enableClientCertificate')
  const signature = scheme.at('signatureValidation')
  return {
    ...source,
    ...(where.value === 'header' ? { header: { value: key.value ?? 'Authorization', path: key.path } } : {}),
    ...(where.value === 'query' ? { query: key } : {}),
    ...(where.value === 'cookie' ? { cookie: key } : {}),
    refused: [
      ...(certificate.flag().value ? [{ value: 'keys made of client certificates', path: certificate.path }] : []),
      ...(isOn(signature.value) ? [{ value: 'signatures of keys', path: signature.path }] : []),
    ],
  }
}

function readAllPlugins(global: Place, custom: Place, context: TranslationContext): TykPlugins | undefined {
  const bundle = global.at('pluginConfig', 'bundle')
  const logs = readPlugins(global.at('trafficLogs', 'plugins'), { ...PLUGIN, isInline: () => false })
  if (isEnabled(bundle) && bundle.at('path').text().value !== undefined) {
    const bundled = readBundles(bundle.at('path'), context)
    return bundled?.analytics.length === 0 ? { ...bundled, analytics: logs } : bundled
  }
  const config = custom.at('config')
  return {
    place: global.at('pluginConfig'),
    authPlace: config,
    driver: global.at('pluginConfig', 'driver').text(),
    pre: hookOf(global, 'prePlugin'),
    auth: !config.present ? undefined : isEnabled(config) ? readPlugin(config, PLUGIN) : 'disabled',
    postAuth: hookOf(global, 'postAuthenticationPlugin'),
    post: hookOf(global, 'postPlugin'),
    response: hookOf(global, 'responsePlugin'),
    analytics: logs,
    idExtractor: readIdExtractor(config.at('idExtractor')),
  }
}

/** The older form is `prePlugin.plugins`, the newer one `prePlugins`: that one wins where it stands. */
function hookOf(global: Place, name: string): TykPlugin[] {
  const newer = global.at(`${name}s`)
  const older = readPlugins(global.at(name, 'plugins'), PLUGIN)
  if (!newer.present) return older
  for (const { place } of older) place.warn(`without effect: ${newer.path} stands beside it`)
  return readPlugins(newer, PLUGIN)
}

function readIdExtractor(place: Place): TykIdExtractor | undefined {
  if (!isEnabled(place)) return undefined
  const config = place.at('config')
  return {
    path: place.path,
    source: place.at('source').text(),
    mode: place.at('with').text(),
    header: config.at('headerName').text(),
    param: config.at('formParamName').text(),
    regex: config.at('regexp').text(),
    matchIndex: config.at('regexpMatchIndex').number(),
    xpath: config.at('xPathExp').text(),
  }
}

function rateLimitOf(place: Place): TykRateLimit {
  return {
    path: place.path,
    disabled: !isEnabled(place),
    rate: place.at('rate').number(),
    per: place.at('per').seconds(),
  }
}

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']

interface Operation {
  readonly method: string
  readonly path: string
  readonly place: Place
}

/** Operations by their id. */
function operationsOf(document: Place): Map<string, Operation[]> {
  const operations = new Map<string, Operation[]>()
  for (const [path, item] of document.at('paths').entries()) {
    for (const method of METHODS) {
      const id = item.at(method, 'operationId').text().value
      if (id === undefined) continue
      const operation = { method: method.toUpperCase(), path, place: item }
      operations.set(id, [...(operations.get(id) ?? []), operation])
    }
  }
  return operations
}

function endpointsOf(document: Place, extension: Place): TykEndpoint[] {
  const operations = operationsOf(document)
  const endpoints = extension.entries().flatMap(([id, place]) => {
    const virtual = place.at('virtualEndpoint')
    const plugins = [
      ...(isEnabled(virtual) ? [readPlugin(virtual, VIRTUAL)] : []),
      ...readPlugins(place.at('postPlugins'), OF_ENDPOINT),
    ]
    if (isEnabled(virtual) && virtual.at('proxyOnError').flag().value)
      virtual.at('proxyOnError').warn('a plugin that fails answers 500, whatever the upstream would have said')
    const found = operations.get(id) ?? []
    if (found.length !== 1) {
      if (isOn(place.value)) place.problem(misnamed(found))
      return []
    }
    const { method, path, place: item } = found[0]!
    return [{ method, path: { value: path, path: item.path }, plugins, rateLimit: rateLimitOf(place.at('rateLimit')) }]
  })
  return endpoints.toSorted((a, b) => comparePaths(a.path.value, b.path.value))
}

function misnamed(found: readonly Operation[]): string {
  if (found.length === 0) return 'names an operation that no path of the document has; expected one of its operationId'
  const places = found.map(({ method, path }) => `${method} ${path}`).join(' and ')
  return `names an operation that several have: ${places}; an operationId is unique`
}

/** Deeper paths first, then longer ones, then by letter; parameters do not count, but come after text. */
function comparePaths(a: string, b: string): number {
  const [bareA, bareB] = [a, b].map((path) => path.replaceAll(/\{[^}]*\}/g, '')) as [string, string]
  const depth = bareB.split('/').length - bareA.split('/').length
  if (depth !== 0) return depth
  if (bareA.length !== bareB.length) return bareB.length - bareA.length
  if (bareA !== bareB) return bareA < bareB ? -1 : 1
  return Number(a.includes('{')) - Number(b.includes('{'))
}
