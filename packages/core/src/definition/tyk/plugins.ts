import { leavesDirectory } from '../../leaves-directory.ts'
import { isFields } from '../../fields.ts'
import { posix } from 'node:path'
import { describe } from '../../errors.ts'
import type { AuthPlugin } from '../../hooks.ts'
import type { TykIdExtractor, TykPlugin, TykPlugins } from './api.ts'
import type { Place } from './document.ts'
import type { NativeForm } from './native-form.ts'
import type { TranslationContext } from '../translation.ts'

/** What the fields of an entry are called where it stands. */
export interface PluginFields {
  /** The first that is filled counts. */
  readonly name: readonly string[]
  readonly file: string
  readonly isOn: (entry: Place) => boolean
  /** The source, where it stands in the document. */
  readonly source?: (entry: Place) => Place | undefined
  /** Of what runs these plugins in the real gateway; left out where that is always a file. */
  readonly driver?: string | undefined
}

export const isNotDisabled = (entry: Place): boolean => !entry.at('disabled').flag().value

export const filled = (place: Place): Place | undefined => (place.text().value === undefined ? undefined : place)

const MIDDLEWARE: PluginFields = {
  name: ['name'],
  file: 'path',
  isOn: isNotDisabled,
  source: (entry) => filled(entry.at('code')),
}

export function readPlugin(place: Place, fields: PluginFields): TykPlugin {
  const names = fields.name.map((key) => place.at(key))
  const name = names.find(filled) ?? names[0]!
  const file = place.at(fields.file)
  return {
    place,
    namePlace: name,
    name: name.text(),
    filePlace: file,
    file: file.text(),
    source: fields.source?.(place),
    driver: fields.driver,
  }
}

/** The entries of a list that are switched on, in order. */
export function readPlugins(list: Place, fields: PluginFields): TykPlugin[] {
  return list
    .list()
    .flatMap((entry) => (isFields(entry.value) && fields.isOn(entry) ? [readPlugin(entry, fields)] : []))
}

/** `custom_middleware`: of a Classic document, or of the manifest of a bundle, which is Classic in both dialects. */
export function readMiddleware(place: Place): TykPlugins {
  const logs = place.at('traffic_logs')
  const fields = { ...MIDDLEWARE, driver: place.at('driver').text().value }
  return {
    place,
    authPlace: place.at('auth_check'),
    pre: readPlugins(place.at('pre'), fields),
    auth: readAuthCheck(place.at('auth_check'), fields),
    postAuth: readPlugins(place.at('post_key_auth'), fields),
    post: readPlugins(place.at('post'), fields),
    response: readPlugins(place.at('response'), fields),
    analytics: isNamed(logs) && isNotDisabled(logs) ? [readPlugin(logs, MIDDLEWARE)] : [],
    idExtractor: readIdExtractor(place.at('id_extractor')),
  }
}

function readAuthCheck(place: Place, fields: PluginFields): TykPlugin | 'disabled' | undefined {
  if (!isNamed(place)) return undefined
  return isNotDisabled(place) ? readPlugin(place, fields) : 'disabled'
}

/** Documents that were written out by a program have empty entries. */
function isNamed(place: Place): boolean {
  return ['name', 'path', 'code', 'disabled'].some(
    (key) => ![undefined, null, '', false].includes(place.at(key).value as null),
  )
}

function readIdExtractor(place: Place): TykIdExtractor | undefined {
  const config = place.at('extractor_config')
  const source = place.at('extract_from').text()
  const mode = place.at('extract_with').text()
  if (!isNotDisabled(place) || (source.value === undefined && mode.value === undefined)) return undefined
  return {
    path: place.path,
    elsewhere: place.elsewhere,
    source,
    mode,
    header: config.at('header_name').text(),
    param: config.at('param_name').text(),
    regex: config.at('regex_expression').text(),
    matchIndex: config.at('regex_match_index').number(),
    xpath: config.at('xpath_expression').text(),
  }
}

const DRIVERS = ['otto', 'javascript', 'python', 'lua', 'grpc', 'goplugin']

/** Unknown ones are reported; none is as good as any. */
export function checkDriver(place: Place): void {
  const { value } = place.text()
  if (value === undefined || DRIVERS.includes(value)) return
  const known = DRIVERS.map((name) => `"${name}"`).join(', ')
  place.problem(`found ${describe(value)}, expected one of ${known}`)
}

/** A plugin of the native form; undefined where there can be none, which has been reported. */
export type Reference = { readonly functionName: string; readonly path?: string }

export function referenceTo(plugin: TykPlugin, { named }: TranslationContext): Reference | undefined {
  const { namePlace, name, filePlace, file, source, driver } = plugin
  const functionName = name.value
  if (functionName === undefined) {
    namePlace.missing('the name of a function')
    return undefined
  }
  if (named(functionName)) return { functionName }
  if (source !== undefined) {
    source.problem(`source in a document is not run; hand in a function ${describe(functionName)} as options.plugins`)
    return undefined
  }
  if (driver === 'grpc') {
    const found = `found ${describe(functionName)} behind gRPC, which is not called`
    namePlace.problem(`${found}; hand in a function of that name as options.plugins`)
    return undefined
  }
  const path = posix.normalize((file.value ?? '').replaceAll('\\', '/').replace(/^\/+/, ''))
  if (leavesDirectory(path)) {
    const found = `found ${describe(file.value)}, which leads out of the plugins directory`
    filePlace.problem(`${found}; expected a path below it, or a function ${describe(functionName)} of options.plugins`)
    return undefined
  }
  return path === '.' ? { functionName } : { functionName, path }
}

/** With the places of its parts, which have other names in a document. */
export function putReference(
  form: NativeForm,
  where: readonly (string | number)[],
  { place, namePlace, filePlace }: TykPlugin,
  reference: Reference | AuthPlugin,
): void {
  form.put(where, place.found(reference))
  form.note([...where, 'functionName'], namePlace)
  form.note([...where, 'path'], filePlace)
}
