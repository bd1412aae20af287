import { describe } from '../errors.ts'
import type { TykApi, TykAuthentication, TykIdExtractor, TykKeySource } from './tyk-api.ts'
import type { Report } from './tyk-document.ts'
import { type Draft, putIfSet, type Settings } from './tyk-draft.ts'
import { putReference, referenceTo } from './tyk-plugins.ts'

export const WITHOUT_EFFECT = 'without effect, the API is keyless'

export function putAuthentication(draft: Draft, api: TykApi, { report, context }: Settings): void {
  const { authentication, plugins } = api
  const { keyless, custom, token, other } = authentication
  if (keyless.value) {
    for (const method of [custom, token]) if (method.value) report.warn(method.path, WITHOUT_EFFECT)
    return
  }
  const auth = plugins?.auth
  const byPlugin = custom.value && typeof auth === 'object'
  if (byPlugin) {
    // Where there is none that has been said; the rest of the document is read as if there were.
    const reference = referenceTo(auth, plugins?.driver.value, context) ?? { functionName: auth.name.value ?? 'auth' }
    putReference(draft, ['hooks', 'auth'], auth, reference)
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

/** Whether somebody asks who is calling: there is nobody where what would have asked has been refused. */
export function asks({ input }: Draft): boolean {
  const { hooks, authentication } = input as { hooks?: { auth?: unknown }; authentication?: { token?: unknown } }
  return hooks?.auth !== undefined || authentication?.token !== undefined
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
  draft.note(where, extractor)
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
  if (meant === undefined || !(meant === 'plugin' ? byPlugin : byToken)) {
    const methods = Object.entries(IDENTITIES).filter(([, by]) => (by === 'plugin' ? byPlugin : byToken))
    const expected = methods.map(([name]) => describe(name)).join(' or ')
    report.problem(
      path,
      `found ${describe(value)}, by which nobody is asked here, so nobody would be let in; expected ${expected || 'a method that is switched on'}`,
    )
  } else if (both) draft.put(['authentication', 'baseIdentity'], { value: meant, path })
}

/** A gateway of Go sees fields with "_" as they are. Where the key is in one, it has to be kept. */
function keepUnderscores(draft: Draft, report: Report): void {
  const readers = Object.entries((draft.input['authentication'] ?? {}) as Record<string, { header?: unknown }>)
  const [reader, { header } = {}] =
    readers.find(([, it]) => typeof it.header === 'string' && it.header.includes('_')) ?? []
  if (reader === undefined) return
  const path = draft.origins.get(`authentication.${reader}.header`)!
  draft.put(['underscoreHeaders'], { value: 'keep', path })
  report.warn(
    path,
    `${describe(header)} has a "_": such fields reach plugins and the upstream, where they may pass for those with "-"`,
  )
}
