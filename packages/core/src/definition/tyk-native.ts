import { pathText } from './problems.ts'
import type { Translation } from './translation.ts'
import type { TykApi, TykEndpoint, TykPlugin, TykRateLimit } from './tyk-api.ts'
import type { Found, Report } from './tyk-document.ts'
import { translatePath } from './tyk-path.ts'
import { Draft, putIfSet, type Settings } from './tyk-draft.ts'
import { asks, putAuthentication, WITHOUT_EFFECT } from './tyk-native-authentication.ts'
import { checkDriver, putReference, referenceTo } from './tyk-plugins.ts'
import { describe } from '../errors.ts'

/** Makes a native definition of what a document says: the one place that knows both. */
export function toNative(api: TykApi, settings: Settings): Translation {
  const draft = new Draft()
  const { report } = settings
  draft.put(['name'], api.name)
  draft.put(['id'], api.id)
  draft.put(['orgId'], api.orgId)
  if (api.listenPath.value === undefined && !report.concerns(api.listenPath.path))
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
    elsewhere: draft.elsewhere,
    problems: report.problems,
    warnings: report.warnings,
    active: api.active,
  }
}

function putUpstream(draft: Draft, { upstream }: TykApi, report: Report): void {
  const { url, targets, preserveHost, skipVerify } = upstream
  if (targets.length > 0) {
    for (const [i, target] of targets.entries()) {
      draft.put(['upstream', 'targets', i, 'url'], withScheme(target.url))
      putIfSet(draft, ['upstream', 'targets', i, 'weight'], target.weight)
    }
  } else draft.put(['upstream', 'url'], url)
  draft.origins.set('upstream', url.path)
  if (draft.input['upstream'] === undefined) {
    report.warn(url.path, 'missing: requests go to the routes of the host application')
    return
  }
  putIfSet(draft, ['upstream', 'preserveHost'], preserveHost)
  if (skipVerify.value) draft.put(['upstream', 'verifyTls'], { value: false, path: skipVerify.path })
}

/** Lists of targets may leave it out. */
function withScheme({ value, path }: Found<string | undefined>): Found<string | undefined> {
  return { value: value === undefined || value.includes('://') ? value : `http://${value}`, path }
}

function putHooks(draft: Draft, api: TykApi, settings: Settings): void {
  const { plugins, authentication, records } = api
  if (plugins === undefined) return
  checkDriver(plugins)
  const driver = plugins.driver.value
  putReferences(draft, ['hooks', 'pre'], plugins.pre, driver, settings)
  if (authentication.keyless.value) for (const { place } of plugins.postAuth) place.warn(WITHOUT_EFFECT)
  else if (asks(draft)) putReferences(draft, ['hooks', 'postAuth'], plugins.postAuth, driver, settings)
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
  let i = 0
  for (const plugin of plugins) {
    const reference = referenceTo(plugin, driver, context)
    if (reference !== undefined) putReference(draft, [...where, i++], plugin, reference)
  }
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
