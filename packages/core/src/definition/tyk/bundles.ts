import { isFields } from '../../fields.ts'
import type { TranslationContext } from '../translation.ts'
import type { TykPlugin, TykPlugins } from './api.ts'
import { Place } from './document.ts'
import { checkDriver, readMiddleware } from './plugins.ts'
import { compileVocabulary } from './vocabulary.ts'
import { MIDDLEWARE_FIELDS } from './classic-fields.ts'

const checkManifest = compileVocabulary({
  off: 'disabled',
  read: MIDDLEWARE_FIELDS,
  silent: 'file_list checksum signature',
  ignored: {},
  refused: {},
})

/**
 * What the bundles say instead of the document; undefined where one was not handed in, which has been reported. Several
 * names, with commas between, are one after the other.
 */
export function readBundles(names: Place, context: TranslationContext): TykPlugins | undefined {
  const listed = (names.text().value ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const sections = listed.map((name) => readBundle(names, name, listed.length > 1, context))
  return sections.every((section) => section !== undefined) ? sections.reduce(concatenated) : undefined
}

/** What a bundle takes the place of. */
export function warnOfHidden({ pre, auth, postAuth, post, response, analytics }: TykPlugins): void {
  const hidden = [...pre, ...(typeof auth === 'object' ? [auth] : []), ...postAuth, ...post, ...response, ...analytics]
  for (const { place } of hidden)
    place.warn('without effect: the bundle takes the place of all plugins of the document but those of endpoints')
}

function readBundle(
  names: Place,
  name: string,
  several: boolean,
  { bundles }: TranslationContext,
): TykPlugins | undefined {
  const manifest = Object.hasOwn(bundles, name) ? bundles[name] : undefined
  if (manifest === undefined) {
    names.problem(
      `nobody fetches bundles; hand in the manifest of this one as options.bundles[${JSON.stringify(name)}]`,
    )
    return undefined
  }
  const place = new Place(manifest, names.report, [], { path: names.path, name })
  checkManifest(place)
  if (!isFields(manifest)) return undefined
  const section = place.at('custom_middleware')
  if (!section.present) section.missing('the plugins of the bundle')
  checkDriver(section.at('driver'))
  const read = readMiddleware(section)
  return several ? below(directoryOf(name), read) : read
}

/** Several bundles may have files of one name: each has a directory of its own. */
function directoryOf(name: string): string {
  return name.replace(/\.[^./]*$/, '').replaceAll('/', '__')
}

function below(directory: string, plugins: TykPlugins): TykPlugins {
  const moved = (plugin: TykPlugin): TykPlugin => {
    const { value } = plugin.file
    return value === undefined ? plugin : { ...plugin, file: { ...plugin.file, value: `${directory}/${value}` } }
  }
  const { auth } = plugins
  return {
    ...plugins,
    pre: plugins.pre.map(moved),
    auth: typeof auth === 'object' ? moved(auth) : auth,
    postAuth: plugins.postAuth.map(moved),
    post: plugins.post.map(moved),
    response: plugins.response.map(moved),
    analytics: plugins.analytics.map(moved),
  }
}

function concatenated(first: TykPlugins, second: TykPlugins): TykPlugins {
  if (first.auth !== undefined && second.auth !== undefined)
    second.place.at('auth_check').problem('a bundle before it has one already; an API has one')
  return {
    ...first,
    pre: [...first.pre, ...second.pre],
    auth: first.auth ?? second.auth,
    postAuth: [...first.postAuth, ...second.postAuth],
    post: [...first.post, ...second.post],
    response: [...first.response, ...second.response],
    analytics: [...first.analytics, ...second.analytics],
    idExtractor: first.idExtractor ?? second.idExtractor,
  }
}
