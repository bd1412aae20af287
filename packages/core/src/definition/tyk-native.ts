import { pathText } from './problems.ts'
import type { Translation, TranslationContext } from './translation.ts'
import type {
  TykApi,
  TykAuthentication,
  TykEndpoint,
  TykIdExtractor,
  TykKeySource,
  TykPlugin,
  TykRateLimit,
} from './tyk-api.ts'
import type { Found, Report } from './tyk-document.ts'
import { translatePath } from './tyk-path.ts'
import { checkDriver, referenceTo } from './tyk-plugins.ts'
import { describe } from '../errors.ts'

interface Settings {
  readonly report: Report
  readonly context: TranslationContext
  /** Whether paths are regular expressions where they look like one. */
  readonly expressions: boolean
}

/** The native form, written part by part, with where each part comes from. */
class Draft {
  readonly input: Record<string, unknown> = {}
  readonly origins = new Map<string, string>()

  /** What is undefined is not written, but its origin is known: that is where it is missing. */
  put(keys: readonly (string | number)[], { value, path }: Found<unknown>): void {
    this.origins.set(pathText(keys), path)
    if (value === undefined) return
    let part = this.input as Record<string | number, unknown>
    for (const [i, key] of keys.slice(0, -1).entries())
      part = (part[key] ??= typeof keys[i + 1] === 'number' ? [] : {}) as Record<string | number, unknown>
    part[keys.at(-1)!] = value
  }
}

/** Makes a native definition of what a document says: the one place that knows both. */
export function toNative(api: TykApi, settings: Settings): Translation {
  const draft = new Draft()
  const { report } = settings
  draft.put(['name'], api.name)
  draft.put(['id'], api.id)
  draft.put(['orgId'], api.orgId)
  if (api.listenPath.value === undefined)
    report.problem(api.listenPath.path, 'missing, expected a path such as "/orders/"')
  draft.put(['listenPath'], api.listenPath)
  draft.put(['stripListenPath'], api.stripListenPath)
  putUpstream(draft, api, report)
  putAuthentication(draft, api, settings)
  putHooks(draft, api, settings)
  putEndpoints(draft, api, settings)
  putLimits(draft, api)
  putIfSet(draft, ['ignoreCase'], api.ignoreCase)
  putIfSet(draft, ['maxBodyBytes'], api.sizeLimit)
  draft.put(['version'], api.version)
  draft.put(['config'], api.config)
  putRecords(draft, api.records)
  return {
    input: draft.input,
    origins: draft.origins,
    problems: report.problems,
    warnings: report.warnings,
    active: api.active,
  }
}

/** Zero values of Tyk say nothing. */
function putIfSet(draft: Draft, keys: readonly (string | number)[], { value, path }: Found<unknown>): void {
  const says = value !== false && value !== 0 && value !== undefined && !(Array.isArray(value) && value.length === 0)
  if (says) draft.put(keys, { value, path })
}

function putUpstream(draft: Draft, { upstream, name }: TykApi, report: Report): void {
  const { url, targets, preserveHost, skipVerify } = upstream
  if (targets.length > 0) {
    for (const [i, target] of targets.entries()) {
      draft.put(['upstream', 'targets', i, 'url'], withScheme(target.url))
      putIfSet(draft, ['upstream', 'targets', i, 'weight'], target.weight)
    }
  } else draft.put(['upstream', 'url'], url)
  draft.origins.set('upstream', url.path)
  if (draft.input['upstream'] === undefined) {
    report.warn(url.path, `missing: requests to ${describe(name.value)} go to the routes of the host application`)
    return
  }
  putIfSet(draft, ['upstream', 'preserveHost'], preserveHost)
  if (skipVerify.value) draft.put(['upstream', 'verifyTls'], { value: false, path: skipVerify.path })
}

/** Lists of targets may leave it out. */
function withScheme({ value, path }: Found<string | undefined>): Found<string | undefined> {
  return { value: value === undefined || value.includes('://') ? value : `http://${value}`, path }
}

const WITHOUT_EFFECT = 'without effect, the API is keyless'

function putAuthentication(draft: Draft, api: TykApi, { report, context }: Settings): void {
  const { authentication, plugins } = api
  const { keyless, custom, token, other } = authentication
  if (keyless.value) {
    for (const method of [custom, token]) if (method.value) report.warn(method.path, WITHOUT_EFFECT)
    return
  }
  const auth = plugins?.auth
  const byPlugin = custom.value && typeof auth === 'object'
  if (byPlugin) {
    const reference = referenceTo(auth, plugins?.driver.value, context)
    draft.put(['hooks', 'auth'], { value: reference, path: auth.place.path })
    putCredential(draft, authentication)
    if (plugins?.idExtractor !== undefined) putIdExtractor(draft, plugins.idExtractor)
  } else if (typeof auth === 'object') auth.place.warn(`without effect: ${custom.path} is not true`)
  else if (custom.value && auth === 'disabled')
    plugins?.authPlace.warn('switched off: as in the real gateway, callers are asked for standard keys')
  else if (custom.value && plugins !== undefined)
    plugins.authPlace.problem(`missing, expected the plugin that ${custom.path} asks for`)
  const asksNobody = !custom.value && !token.value && !other
  if (asksNobody)
    report.warn(keyless.path, 'nothing says how callers are known: as in the real gateway, by standard keys')
  const byToken = token.value || asksNobody || (custom.value && auth === 'disabled')
  if (byToken) putToken(draft, authentication, report)
  putBaseIdentity(draft, authentication, { byPlugin, byToken }, report)
  putIfSet(draft, ['sessionLifetime'], authentication.lifetime)
  if (draft.input['sessionLifetime'] !== undefined) putIfSet(draft, ['keepUntilExpiry'], authentication.keepUntilExpiry)
  keepUnderscores(draft, report)
}

function putToken(draft: Draft, { tokenSource, strip, token }: TykAuthentication, report: Report): void {
  const path = tokenSource?.path ?? token.path
  // The default of a native definition takes the parameter off; here only what is asked for.
  const value = { strip: strip.value ? 'all' : 'none' }
  draft.put(['authentication', 'token'], { value, path })
  draft.origins.set('authentication.token.strip', strip.path)
  putKeySource(draft, ['authentication', 'token'], tokenSource)
  for (const { value: what, path: where } of tokenSource?.refused ?? [])
    report.problem(where, `${what} are not supported; let a custom authentication plugin check them`)
}

function putCredential(draft: Draft, { customSource, strip }: TykAuthentication): void {
  const where = ['authentication', 'credential']
  const placed =
    customSource !== undefined &&
    (customSource.header.value !== false ||
      customSource.query.value !== undefined ||
      customSource.cookie.value !== undefined)
  if (placed) putKeySource(draft, where, customSource)
  if (strip.value) draft.put([...where, 'strip'], { value: 'all', path: strip.path })
  draft.origins.set('authentication.credential', customSource?.path ?? strip.path)
}

function putKeySource(draft: Draft, where: readonly string[], source: TykKeySource | undefined): void {
  if (source === undefined) return
  draft.put([...where, 'header'], source.header)
  draft.put([...where, 'query'], source.query)
  draft.put([...where, 'cookie'], source.cookie)
}

function putIdExtractor(draft: Draft, extractor: TykIdExtractor): void {
  const where = ['authentication', 'idExtractor']
  const { source, mode } = extractor
  draft.put([...where, 'source'], source)
  draft.put([...where, 'mode'], mode)
  if (source.value === 'header') draft.put([...where, 'header'], extractor.header)
  if (source.value === 'form') draft.put([...where, 'param'], extractor.param)
  if (mode.value === 'regex') draft.put([...where, 'expression'], extractor.regex)
  if (mode.value === 'xpath') draft.put([...where, 'expression'], extractor.xpath)
  if (mode.value === 'regex') putIfSet(draft, [...where, 'matchIndex'], extractor.matchIndex)
  draft.origins.set('authentication.idExtractor', extractor.path)
}

/** Names of methods, where several may say who is calling. */
const IDENTITIES: Readonly<Record<string, 'plugin' | 'token'>> = { custom_auth: 'plugin', auth_token: 'token' }

function putBaseIdentity(
  draft: Draft,
  { baseIdentity, other }: TykAuthentication,
  { byPlugin, byToken }: { readonly byPlugin: boolean; readonly byToken: boolean },
  report: Report,
): void {
  const { value, path } = baseIdentity
  if (other) return
  const both = byPlugin && byToken
  if (value === undefined) {
    if (!both) return
    draft.put(['authentication', 'baseIdentity'], { value: 'token', path })
    report.warn(path, 'missing: as in the real gateway, limits are those of the standard key')
    return
  }
  const meant = Object.hasOwn(IDENTITIES, value) ? IDENTITIES[value] : undefined
  if (meant === undefined || !(meant === 'plugin' ? byPlugin : byToken))
    report.problem(path, `found ${describe(value)}, which is no method of this API; nobody would be let in`)
  else if (both) draft.put(['authentication', 'baseIdentity'], { value: meant, path })
}

/** A gateway of Go sees fields with "_" as they are. Where the key is in one, it has to be kept. */
function keepUnderscores(draft: Draft, report: Report): void {
  const readers = Object.values((draft.input['authentication'] ?? {}) as Record<string, { header?: unknown }>)
  const header = readers.map((reader) => reader.header).find((name) => typeof name === 'string' && name.includes('_'))
  if (header === undefined) return
  const where = ['token', 'credential', 'idExtractor'].map((reader) =>
    draft.origins.get(`authentication.${reader}.header`),
  )
  const path = where.find((text) => text !== undefined)!
  draft.put(['underscoreHeaders'], { value: 'keep', path })
  report.warn(
    path,
    `${describe(header)} has a "_": such fields reach plugins and the upstream, where they may pass for those with "-"`,
  )
}

function putHooks(draft: Draft, api: TykApi, settings: Settings): void {
  const { plugins, authentication, records } = api
  if (plugins === undefined) return
  checkDriver(plugins)
  const driver = plugins.driver.value
  putReferences(draft, ['hooks', 'pre'], plugins.pre, driver, settings)
  if (authentication.keyless.value) for (const { place } of plugins.postAuth) place.warn(WITHOUT_EFFECT)
  else putReferences(draft, ['hooks', 'postAuth'], plugins.postAuth, driver, settings)
  putReferences(draft, ['hooks', 'post'], plugins.post, driver, settings)
  putReferences(draft, ['hooks', 'response'], plugins.response, driver, settings)
  // No driver: these are always files.
  if (records.kept.value) putReferences(draft, ['hooks', 'analytics'], plugins.analytics, undefined, settings)
  else for (const { place } of plugins.analytics) place.warn('without effect, no records are kept')
}

function putReferences(
  draft: Draft,
  where: readonly string[],
  plugins: readonly TykPlugin[],
  driver: string | undefined,
  { context }: Settings,
): void {
  const references = plugins.flatMap((plugin) => {
    const reference = referenceTo(plugin, driver, context)
    return reference === undefined ? [] : [{ value: reference, path: plugin.place.path }]
  })
  for (const [i, reference] of references.entries()) draft.put([...where, i], reference)
}

/** A rate of 0 is none. */
const limits = (limit: TykRateLimit | undefined): boolean =>
  limit !== undefined && !limit.disabled && limit.rate.value !== undefined && limit.rate.value !== 0

function putEndpoints(draft: Draft, api: TykApi, settings: Settings): void {
  const keys = new Map<string, string>()
  const plugins = new Map<string, TykPlugin[]>()
  for (const endpoint of api.endpoints) {
    const limited = limits(endpoint.rateLimit) && !api.skipRates.value
    if (endpoint.plugins.length === 0 && !limited) continue
    const key = keyOf(endpoint, keys, api, settings)
    if (key === undefined) continue
    if (endpoint.plugins.length > 0) {
      if (!plugins.has(key)) draft.origins.set(pathText(['endpoints', key]), endpoint.path.path)
      plugins.set(key, [...(plugins.get(key) ?? []), ...endpoint.plugins])
    }
    if (limited) putRateLimit(draft, ['limits', 'endpoints', key], endpoint.rateLimit!, settings.report)
  }
  // No driver: plugins of endpoints are always files.
  for (const [key, list] of plugins) putReferences(draft, ['endpoints', key], list, undefined, settings)
}

/** All entries that meet the same requests are under the key of the first. */
function keyOf(
  { method, path }: TykEndpoint,
  keys: Map<string, string>,
  api: TykApi,
  settings: Settings,
): string | undefined {
  const { report, context, expressions } = settings
  const options = { matching: context.pathMatching, ignoreCase: api.ignoreCase.value, expressions }
  const translated = translatePath(path.value, options)
  if (typeof translated === 'string') {
    report.problem(path.path, translated)
    return undefined
  }
  for (const warning of translated.warnings) report.warn(path.path, warning)
  const signature = `${method} ${translated.signature}`
  const key = `${method} ${translated.text}`
  const first = keys.get(signature) ?? key
  if (first !== key)
    report.warn(path.path, `meets the same requests as ${describe(first)}, and is one endpoint with it`)
  keys.set(signature, first)
  return first
}

function putLimits(draft: Draft, api: TykApi): void {
  const { rateLimit, skipRates, skipQuotas, authentication } = api
  const keyless = authentication.keyless.value
  if (limits(rateLimit) && !skipRates.value) {
    draft.put(['limits', 'rate'], rateLimit.rate)
    draft.put(['limits', 'per'], rateLimit.per)
  }
  if (skipRates.value && !keyless) draft.put(['limits', 'keyRate'], { value: false, path: skipRates.path })
  if (skipQuotas.value && !keyless) draft.put(['limits', 'keyQuota'], { value: false, path: skipQuotas.path })
}

function putRateLimit(draft: Draft, where: readonly string[], { rate, per, path }: TykRateLimit, report: Report): void {
  if (draft.origins.has(pathText(where))) {
    report.warn(path, 'without effect: an entry before it limits the same requests')
    return
  }
  draft.origins.set(pathText(where), path)
  draft.put([...where, 'rate'], rate)
  draft.put([...where, 'per'], per)
}

function putRecords(draft: Draft, { kept, tags, tagHeaders, detailed, retention }: TykApi['records']): void {
  draft.origins.set('records', kept.path)
  if (!kept.value) {
    draft.put(['records'], kept)
    return
  }
  putIfSet(draft, ['records', 'tags'], tags)
  putIfSet(draft, ['records', 'tagHeaders'], tagHeaders)
  putIfSet(draft, ['records', 'detailed'], detailed)
  putIfSet(draft, ['records', 'retention'], retention)
}
