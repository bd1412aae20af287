import { describe } from '../../errors.ts'
import type { AuthPlugin } from '../../hooks.ts'
import { deny } from '../../http/decision.ts'
import type { TykApi, TykAuthentication, TykIdExtractor, TykKeySource } from './api.ts'
import type { Report } from './document.ts'
import { type NativeForm, putIfSet, type Settings } from './native-form.ts'
import { putReference, referenceTo } from './plugins.ts'

export const WITHOUT_EFFECT = 'without effect, the API is keyless'

/** Stands for what has been refused: without it what depends on authentication would be wrong as well. */
const refuseAll: AuthPlugin = () => deny(403, 'Forbidden')

export function putAuthentication(form: NativeForm, api: TykApi, { report, context }: Settings): void {
  const { authentication, plugins } = api
  const { keyless, custom, token, other } = authentication
  if (keyless.value) {
    for (const method of [custom, token]) if (method.value) report.warn(method.path, WITHOUT_EFFECT)
    return
  }
  const auth = plugins?.auth
  const byPlugin = custom.value && typeof auth === 'object'
  if (byPlugin) {
    const reference = referenceTo(auth, context)
    putReference(form, ['hooks', 'auth'], auth, reference ?? refuseAll)
    putCredential(form, authentication)
    if (plugins?.idExtractor !== undefined) putIdExtractor(form, plugins.idExtractor)
  } else if (typeof auth === 'object') auth.place.warn(`without effect: ${custom.path} is not true`)
  else if (custom.value && auth === 'disabled')
    plugins?.authPlace.warn('switched off: as in the real gateway, callers are asked for standard keys')
  else if (custom.value && plugins !== undefined)
    plugins.authPlace.problem(`missing, expected the plugin that ${custom.path} asks for`)
  const asksNobody = !custom.value && !token.value && !other
  if (asksNobody)
    report.warn(keyless.path, 'nothing says how callers are known: as in the real gateway, by standard keys')
  const byToken = token.value || asksNobody || (custom.value && auth === 'disabled')
  if (byToken) putToken(form, authentication, report)
  else if (!byPlugin) form.put(['hooks', 'auth'], { value: refuseAll, path: keyless.path })
  putBaseIdentity(form, authentication, { byPlugin, byToken }, report)
  putIfSet(form, ['sessionLifetime'], authentication.lifetime)
  if (form.input['sessionLifetime'] !== undefined) putIfSet(form, ['keepUntilExpiry'], authentication.keepUntilExpiry)
  keepUnderscores(form, report)
}

function putToken(form: NativeForm, { tokenSource, strip, token }: TykAuthentication, report: Report): void {
  const path = tokenSource?.path ?? token.path
  // The default of a native definition takes the parameter off; here only what is asked for.
  const value = { strip: strip.value ? 'all' : 'none' }
  form.put(['authentication', 'token'], { value, path })
  form.origins.set('authentication.token.strip', strip.path)
  putKeySource(form, ['authentication', 'token'], tokenSource)
  for (const { value: what, path: where } of tokenSource?.refused ?? [])
    report.problem(where, `${what} are not supported; let a custom authentication plugin check them`)
}

function putCredential(form: NativeForm, { customSource, strip }: TykAuthentication): void {
  const where = ['authentication', 'credential']
  const placed =
    customSource !== undefined &&
    (customSource.header.value !== false ||
      customSource.query.value !== undefined ||
      customSource.cookie.value !== undefined)
  if (placed) putKeySource(form, where, customSource)
  if (strip.value) form.put([...where, 'strip'], { value: 'all', path: strip.path })
  form.origins.set('authentication.credential', customSource?.path ?? strip.path)
}

function putKeySource(form: NativeForm, where: readonly string[], source: TykKeySource | undefined): void {
  if (source === undefined) return
  form.put([...where, 'header'], source.header)
  form.put([...where, 'query'], source.query)
  form.put([...where, 'cookie'], source.cookie)
}

function putIdExtractor(form: NativeForm, extractor: TykIdExtractor): void {
  const where = ['authentication', 'idExtractor']
  const { source, mode } = extractor
  form.put([...where, 'source'], source)
  form.put([...where, 'mode'], mode)
  if (source.value === 'header') form.put([...where, 'header'], extractor.header)
  if (source.value === 'form') form.put([...where, 'param'], extractor.param)
  if (mode.value === 'regex') form.put([...where, 'expression'], extractor.regex)
  if (mode.value === 'xpath') form.put([...where, 'expression'], extractor.xpath)
  if (mode.value === 'regex') putIfSet(form, [...where, 'matchIndex'], extractor.matchIndex)
  form.note(where, extractor)
}

/** Names of methods, where several may say who is calling. */
const IDENTITIES: Readonly<Record<string, 'plugin' | 'token'>> = { custom_auth: 'plugin', auth_token: 'token' }

function putBaseIdentity(
  form: NativeForm,
  { baseIdentity, other }: TykAuthentication,
  { byPlugin, byToken }: { readonly byPlugin: boolean; readonly byToken: boolean },
  report: Report,
): void {
  const { value, path } = baseIdentity
  if (other) return
  const both = byPlugin && byToken
  if (value === undefined) {
    if (!both) return
    form.put(['authentication', 'baseIdentity'], { value: 'token', path })
    report.warn(path, 'missing: as in the real gateway, limits are those of the standard key')
    return
  }
  const meant = Object.hasOwn(IDENTITIES, value) ? IDENTITIES[value] : undefined
  if (meant === undefined || !(meant === 'plugin' ? byPlugin : byToken)) {
    const methods = Object.entries(IDENTITIES).filter(([, by]) => (by === 'plugin' ? byPlugin : byToken))
    const expected = methods.map(([name]) => describe(name)).join(' or ')
    report.problem(
      path,
      `found ${describe(value)}, by which nobody is asked here, so nobody would be let in; expected ${expected || 'a method that is switched on'}`,
    )
  } else if (both) form.put(['authentication', 'baseIdentity'], { value: meant, path })
}

/** A gateway of Go sees fields with "_" as they are. Where the key is in one, it has to be kept. */
function keepUnderscores(form: NativeForm, report: Report): void {
  const readers = Object.entries((form.input['authentication'] ?? {}) as Record<string, { header?: unknown }>)
  const [reader, { header } = {}] =
    readers.find(([, it]) => typeof it.header === 'string' && it.header.includes('_')) ?? []
  if (reader === undefined) return
  const path = form.origins.get(`authentication.${reader}.header`)!
  form.put(['underscoreHeaders'], { value: 'keep', path })
  report.warn(
    path,
    `${describe(header)} has a "_": such fields reach plugins and the upstream, where they may pass for those with "-"`,
  )
}
