import { pathText } from '../problems.ts'
import type { PrePlugin } from '../../hooks.ts'
import { deny } from '../../http/decision.ts'
import type { Fields } from '../../fields.ts'
import type { Translation } from '../translation.ts'
import type { TykApi, TykEndpoint, TykPlugin, TykRateLimit } from './api.ts'
import type { Found, Report } from './document.ts'
import { translatePath } from './path.ts'
import { NativeForm, putIfSet, type Settings } from './native-form.ts'
import { putAuthentication, WITHOUT_EFFECT } from './native-authentication.ts'
import { putReference, referenceTo } from './plugins.ts'
import { describe } from '../../errors.ts'

/** Makes a native definition of what a document says: the one place that knows both. */
export function toNative(api: TykApi, settings: Settings): Translation {
  const form = new NativeForm()
  const { report } = settings
  form.put(['name'], api.name)
  form.put(['id'], api.id)
  form.put(['orgId'], api.orgId)
  if (api.listenPath.value === undefined && !report.concerns(api.listenPath.path))
    report.problem(api.listenPath.path, 'missing, expected a path such as "/orders/"')
  form.put(['listenPath'], fromRoot(api.listenPath))
  form.put(['stripListenPath'], api.stripListenPath)
  putUpstream(form, api, report)
  putAuthentication(form, api, settings)
  putHooks(form, api, settings)
  putEndpoints(form, api, settings)
  putLimits(form, api)
  putIfSet(form, ['ignoreCase'], api.ignoreCase)
  putIfSet(form, ['maxBodyBytes'], api.sizeLimit)
  form.put(['version'], api.version)
  form.put(['config'], api.config)
  putRecords(form, api.records)
  return {
    input: form.input,
    origins: form.origins,
    elsewhere: form.elsewhere,
    problems: report.problems,
    warnings: report.warnings,
    active: api.active,
    ...(!api.active && form.input['upstream'] === undefined && { closed: closedApi(form.input) }),
  }
}

/** Switched off, and all the same in front of the routes of the host application. */
function closedApi({ name, id, orgId, listenPath, ignoreCase }: NativeForm['input']): Fields {
  const notFound: PrePlugin = () => deny(404, 'Not Found')
  return { name, id, orgId, listenPath, ignoreCase, records: false, hooks: { pre: [notFound] } }
}

/** The real gateway puts the first slash there. */
function fromRoot({ value, path }: Found<string | undefined>): Found<string | undefined> {
  return { value: value === undefined || value.startsWith('/') ? value : `/${value}`, path }
}

function putUpstream(form: NativeForm, { upstream, active }: TykApi, report: Report): void {
  const { protocol, url, targets, preserveHost, skipVerify } = upstream
  if (targets.length > 0) {
    for (const [i, target] of targets.entries()) {
      form.put(['upstream', 'targets', i, 'url'], withScheme(target.url, protocol.value))
      putIfSet(form, ['upstream', 'targets', i, 'weight'], target.weight)
    }
  } else form.put(['upstream', 'url'], url)
  form.origins.set('upstream', url.path)
  if (form.input['upstream'] === undefined) {
    const consequence = active
      ? 'requests go to the routes of the host application'
      : 'the API is switched off, and answers 404, so that its requests do not go to the routes of the host application'
    report.warn(url.path, `missing: ${consequence}`)
    return
  }
  putIfSet(form, ['upstream', 'preserveHost'], preserveHost)
  if (skipVerify.value) form.put(['upstream', 'verifyTls'], { value: false, path: skipVerify.path })
}

/** Lists of targets may leave it out. */
function withScheme(url: Found<string | undefined>, protocol: string | undefined): Found<string | undefined> {
  const { value, path } = url
  const scheme = protocol === 'https' ? 'https' : 'http'
  return { value: value === undefined || value.includes('://') ? value : `${scheme}://${value}`, path }
}

function putHooks(form: NativeForm, api: TykApi, settings: Settings): void {
  const { plugins, authentication, records } = api
  if (plugins === undefined) return
  putReferences(form, ['hooks', 'pre'], plugins.pre, settings)
  if (authentication.keyless.value) for (const { place } of plugins.postAuth) place.warn(WITHOUT_EFFECT)
  else putReferences(form, ['hooks', 'postAuth'], plugins.postAuth, settings)
  putReferences(form, ['hooks', 'post'], plugins.post, settings)
  putReferences(form, ['hooks', 'response'], plugins.response, settings)
  if (records.kept.value) putReferences(form, ['hooks', 'analytics'], plugins.analytics, settings)
  else for (const { place } of plugins.analytics) place.warn('without effect, no records are kept')
}

function putReferences(
  form: NativeForm,
  where: readonly string[],
  plugins: readonly TykPlugin[],
  { context }: Settings,
): void {
  let i = 0
  for (const plugin of plugins) {
    const reference = referenceTo(plugin, context)
    if (reference !== undefined) putReference(form, [...where, i++], plugin, reference)
  }
}

/** A rate of 0 or -1 is none. */
const limits = (limit: TykRateLimit | undefined): boolean =>
  limit !== undefined && !limit.disabled && limit.rate.value !== undefined && ![0, -1].includes(limit.rate.value)

function putEndpoints(form: NativeForm, api: TykApi, settings: Settings): void {
  const keys = new Map<string, string>()
  const plugins = new Map<string, TykPlugin[]>()
  const lists = { track: new Set<string>(), skip: new Set<string>() }
  for (const endpoint of api.endpoints) {
    const limited = limits(endpoint.rateLimit) && !api.skipRates.value
    const { recorded } = endpoint
    if (endpoint.plugins.length === 0 && !limited && recorded === undefined) continue
    const key = keyOf(endpoint, keys, api, settings)
    if (key === undefined) continue
    // As the real gateway goes through them.
    form.put(['endpointOrder'], { value: 'listed', path: endpoint.path.path })
    if (endpoint.plugins.length > 0) {
      if (!plugins.has(key)) form.origins.set(pathText(['endpoints', key]), endpoint.path.path)
      plugins.set(key, [...(plugins.get(key) ?? []), ...endpoint.plugins])
    }
    if (limited) putRateLimit(form, ['limits', 'endpoints', key], endpoint.rateLimit!, settings.report)
    if (recorded === undefined) continue
    if (!api.records.kept.value) settings.report.warn(endpoint.path.path, 'without effect, no records are kept')
    else if (!lists[recorded].has(key)) {
      form.put(['records', recorded, lists[recorded].size], { value: key, path: endpoint.path.path })
      lists[recorded].add(key)
    }
  }
  for (const [key, list] of plugins) putReferences(form, ['endpoints', key], list, settings)
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

function putLimits(form: NativeForm, api: TykApi): void {
  const { rateLimit, skipRates, skipQuotas, authentication } = api
  const keyless = authentication.keyless.value
  if (limits(rateLimit) && !skipRates.value) {
    form.put(['limits', 'rate'], rateLimit.rate)
    form.put(['limits', 'per'], rateLimit.per)
  }
  if (skipRates.value && !keyless) form.put(['limits', 'keyRate'], { value: false, path: skipRates.path })
  if (skipQuotas.value && !keyless) form.put(['limits', 'keyQuota'], { value: false, path: skipQuotas.path })
}

function putRateLimit(
  form: NativeForm,
  where: readonly string[],
  { rate, per, path }: TykRateLimit,
  report: Report,
): void {
  if (form.origins.has(pathText(where))) {
    report.warn(path, 'without effect: an entry before it limits the same requests')
    return
  }
  form.origins.set(pathText(where), path)
  form.put([...where, 'rate'], rate)
  form.put([...where, 'per'], per)
}

function putRecords(form: NativeForm, { kept, tags, tagHeaders, detailed, retention }: TykApi['records']): void {
  form.origins.set('records', kept.path)
  if (!kept.value) {
    form.put(['records'], kept)
    return
  }
  for (const [i, tag] of tags.entries()) form.put(['records', 'tags', i], tag)
  for (const [i, name] of tagHeaders.entries()) form.put(['records', 'tagHeaders', i], name)
  putIfSet(form, ['records', 'detailed'], detailed)
  putIfSet(form, ['records', 'retention'], retention)
}
