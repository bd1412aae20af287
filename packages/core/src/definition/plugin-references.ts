import { describe } from '../errors.ts'
import { listing } from '../listing.ts'
import { nearest } from '../nearest.ts'
import type { Problem } from './problems.ts'
import type { Fields } from './translation.ts'

/** Functions by name: `options.plugins`, an object or a whole module namespace. */
export type NamedPlugins = Readonly<Record<string, unknown>>

/** Where plugins that do not stand in a definition come from. */
export interface PluginSources {
  readonly plugins: NamedPlugins
  /** Whether there is a directory for those in files. */
  readonly hasDirectory: boolean
}

const LISTS = ['pre', 'postAuth', 'post', 'response', 'analytics']

/** A class is a function that cannot be called: every request would end in a 500. */
export function isFunction(value: unknown): value is (...args: never) => unknown {
  return typeof value === 'function' && !/^class\b/.test(String(value))
}

/** What a definition names and nobody has. Files are looked for when they are loaded. */
export function referenceProblems(input: unknown, sources: PluginSources): Problem[] {
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

function hookProblems(hooks: Fields, sources: PluginSources): Problem[] {
  return [
    ...listProblems('hooks.pre', hooks['pre'], sources),
    ...problemOf('hooks.auth', hooks['auth'], sources),
    ...LISTS.slice(1).flatMap((hook) => listProblems(`hooks.${hook}`, hooks[hook], sources)),
  ]
}

function listProblems(path: string, list: unknown, sources: PluginSources): Problem[] {
  return Array.isArray(list) ? list.flatMap((entry, i) => problemOf(`${path}[${i}]`, entry, sources)) : []
}

function problemOf(at: string, entry: unknown, { plugins, hasDirectory }: PluginSources): Problem[] {
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

function leavesDirectory(path: string): boolean {
  return path.split(/[\\/]/).includes('..')
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
