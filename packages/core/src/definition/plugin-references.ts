import { describe } from '../errors.ts'
import { type Fields, isFields } from '../fields.ts'
import { isFunction } from '../functions.ts'
import { leavesDirectory } from '../leaves-directory.ts'
import { listing } from '../listing.ts'
import { nearest } from '../nearest.ts'
import type { Problem } from './problems.ts'

/** Functions by name: `options.plugins`, an object or a whole module namespace. */
export type NamedPlugins = Readonly<Record<string, unknown>>

/** Where plugins that do not stand in a definition come from. */
export interface ReferenceContext {
  readonly plugins: NamedPlugins
  /** Whether there is a directory for those in files. */
  readonly hasDirectory: boolean
}

const LISTS = ['pre', 'postAuth', 'post', 'response', 'analytics']

/** What a definition names and nobody has. Files are looked for when they are loaded. */
export function referenceProblems(input: unknown, sources: ReferenceContext): Problem[] {
  if (!isFields(input)) return []
  const { hooks, endpoints } = input
  return [
    ...(isFields(hooks) ? hookProblems(hooks, sources) : []),
    ...(isFields(endpoints)
      ? Object.entries(endpoints).flatMap(([key, list]) =>
          listProblems(`endpoints[${JSON.stringify(key)}]`, list, sources),
        )
      : []),
  ]
}

function hookProblems(hooks: Fields, sources: ReferenceContext): Problem[] {
  return [
    ...listProblems('hooks.pre', hooks['pre'], sources),
    ...problemOf('hooks.auth', hooks['auth'], sources),
    ...LISTS.slice(1).flatMap((hook) => listProblems(`hooks.${hook}`, hooks[hook], sources)),
  ]
}

function listProblems(path: string, list: unknown, sources: ReferenceContext): Problem[] {
  return Array.isArray(list) ? list.flatMap((entry, i) => problemOf(`${path}[${i}]`, entry, sources)) : []
}

function problemOf(at: string, entry: unknown, { plugins, hasDirectory }: ReferenceContext): Problem[] {
  if (!isFields(entry) || 'plugin' in entry) return []
  const { functionName, path } = entry
  if (typeof functionName !== 'string' || functionName === '') return []
  if (path === undefined) {
    const message = nameProblem(functionName, plugins)
    return message === undefined ? [] : [{ path: `${at}.functionName`, message }]
  }
  if (typeof path !== 'string' || path === '') return []
  if (leavesDirectory(path)) {
    const message = `found ${describe(path)}, which leads out of the plugins directory; expected a path below it`
    return [{ path: `${at}.path`, message }]
  }
  if (hasDirectory) return []
  const message = `found ${describe(path)}, but no directory for plugins; set options.pluginsDirectory, or hand in ${functionName} as options.plugins`
  return [{ path: `${at}.path`, message }]
}

function nameProblem(name: string, plugins: NamedPlugins): string | undefined {
  const known = Object.keys(plugins)
  if (!Object.hasOwn(plugins, name)) {
    const meant = nearest(name, known)
    const hint =
      known.length === 0
        ? 'options.plugins has none'
        : `${meant === undefined ? '' : `did you mean ${meant}? `}options.plugins has ${listing(known)}`
    return `found ${describe(name)}, which is no function of options.plugins; ${hint}`
  }
  const found = plugins[name]
  return isFunction(found) ? undefined : `found ${describe(name)}, but options.plugins.${name} is ${describe(found)}`
}
