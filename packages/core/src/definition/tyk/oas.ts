import { isFields } from '../../fields.ts'
import { describe } from '../../errors.ts'
import { listing } from '../../listing.ts'
import { nearest } from '../../nearest.ts'
import type { TykApi, TykEndpoint, TykIdExtractor, TykPlugin, TykPlugins, TykRateLimit } from './api.ts'
import { readBundles, warnOfHidden } from './bundles.ts'
import { type Found, Place, Report, untranslated } from './document.ts'
import { toNative } from './native.ts'
import { OAS } from './oas-fields.ts'
import { isEnabled, whereEnabled, wholeSeconds } from './oas-values.ts'
import { readAuthentication } from './oas-authentication.ts'
import { checkDriver, filled, type PluginFields, readPlugin, readPlugins } from './plugins.ts'
import { compileVocabulary, isOn } from './vocabulary.ts'
import type { Translate, TranslationContext } from '../translation.ts'

const EXTENSION = 'x-tyk-api-gateway'

const checkFields = compileVocabulary(OAS)

const PLUGIN: PluginFields = {
  name: ['functionName'],
  file: 'path',
  isOn: isEnabled,
  source: (entry) => filled(entry.at('code')),
}

const OF_ENDPOINT: PluginFields = { name: ['functionName', 'name'], file: 'path', isOn: isEnabled }

const VIRTUAL: PluginFields = {
  ...OF_ENDPOINT,
  source: (entry) => filled(entry.at('body')),
}

/** An OpenAPI document with `x-tyk-api-gateway`. */
export const translateOas: Translate = (input, context) => {
  const report = new Report()
  const document = new Place(input, report)
  const tyk = document.at(EXTENSION)
  if (tyk.present) checkFields(tyk)
  else tyk.missing('the part of an OpenAPI document that a gateway reads')
  if (!isFields(tyk.value)) return untranslated(report)
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
      protocol: server.at('protocol').text(),
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
    tags: isEnabled(server.at('gatewayTags')) ? tags.texts() : [],
    tagHeaders: logs.at('tagHeaders').texts(),
    retention: wholeSeconds(logs.at('customRetentionPeriod').seconds()),
  }
}

function readAllPlugins(global: Place, custom: Place, context: TranslationContext): TykPlugins | undefined {
  const bundle = global.at('pluginConfig', 'bundle')
  const logs = readPlugins(global.at('trafficLogs', 'plugins'), { ...PLUGIN, source: () => undefined })
  const config = custom.at('config')
  const driver = global.at('pluginConfig', 'driver')
  const fields = { ...PLUGIN, driver: driver.text().value }
  const own: TykPlugins = {
    place: global.at('pluginConfig'),
    authPlace: config,
    pre: hookOf(global, 'prePlugin', fields),
    auth: !config.present ? undefined : isEnabled(config) ? readPlugin(config, fields) : 'disabled',
    postAuth: hookOf(global, 'postAuthenticationPlugin', fields),
    post: hookOf(global, 'postPlugin', fields),
    response: hookOf(global, 'responsePlugin', fields),
    analytics: logs,
    idExtractor: readIdExtractor(config.at('idExtractor')),
  }
  if (!isEnabled(bundle) || bundle.at('path').text().value === undefined) {
    checkDriver(driver)
    return own
  }
  const bundled = readBundles(bundle.at('path'), context)
  const keepsLogs = bundled?.analytics.length === 0
  warnOfHidden({ ...own, analytics: keepsLogs ? [] : logs })
  return keepsLogs ? { ...bundled, analytics: logs } : bundled
}

/** The older form is `prePlugin.plugins`, the newer one `prePlugins`: that one wins where it stands. */
function hookOf(global: Place, name: string, fields: PluginFields): TykPlugin[] {
  const newer = global.at(`${name}s`)
  const older = readPlugins(global.at(name, 'plugins'), fields)
  if (!newer.present) return older
  for (const { place } of older) place.warn(`without effect: ${newer.path} stands beside it`)
  return readPlugins(newer, fields)
}

function readIdExtractor(place: Place): TykIdExtractor | undefined {
  if (!isEnabled(place)) return undefined
  const config = place.at('config')
  return {
    path: place.path,
    elsewhere: place.elsewhere,
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
  const ids = [...operations.keys()]
  let misnamedOnes = 0
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
      if (!isOn(place.value)) return []
      misnamedOnes += 1
      place.problem(misnamed(id, found, ids, misnamedOnes <= MOST_COMPARED))
      return []
    }
    const { method, path, place: item } = found[0]!
    const rateLimit = rateLimitOf(place.at('rateLimit'))
    return [{ method, path: { value: path, path: item.path }, plugins, rateLimit, recorded: recordedAs(place) }]
  })
  return endpoints.toSorted((a, b) => comparePaths(a.path.value, b.path.value))
}

function recordedAs(place: Place): TykEndpoint['recorded'] {
  if (isEnabled(place.at('doNotTrackEndpoint'))) return 'skip'
  return isEnabled(place.at('trackEndpoint')) ? 'track' : undefined
}

/** Comparing a name with all others takes its time, and whoever has misspelt this many does not need the hint. */
const MOST_COMPARED = 20

function misnamed(id: string, found: readonly Operation[], known: readonly string[], compare: boolean): string {
  if (found.length === 0) {
    const meant = compare ? nearest(id, known) : undefined
    const hint = meant === undefined ? '' : `did you mean ${describe(meant)}? `
    const ids = listing(known, describe)
    return `names an operation that no path of the document has; ${hint}its operationIds are ${ids || 'none'}`
  }
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
