import { type Stats, statSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { type DefinitionSource, type GatewayOptions, isGatewayError, type Problem } from '@postern/core'
import { readDefinitions } from '@postern/files'
import type { Values } from './arguments.ts'
import type { Finding } from './finding.ts'

/** Options that say where everything is, of every command that reads definitions. */
export const SOURCE_OPTIONS = {
  plugins: {
    type: 'string',
    value: 'DIR',
    says: 'where plugin files are; default: plugins in or beside the first FILE',
  },
  options: { type: 'string', value: 'FILE', says: "a module whose default export is the gateway's options" },
} as const

/** What was read, and what is wrong with what could not be. */
export interface Gathered {
  readonly sources: readonly DefinitionSource[]
  readonly options: GatewayOptions
  /** The directory of plugin files, where there is one. */
  readonly plugins: string | undefined
  readonly problems: readonly Finding[]
  /** Where plugin files were looked for in vain. */
  readonly looked: readonly string[]
}

export async function gather(files: readonly string[], given: Values<typeof SOURCE_OPTIONS>): Promise<Gathered> {
  const problems: Finding[] = []
  const sources = await readDefinitions(files).catch((error: unknown) => {
    problems.push(...findingsOf(error))
    return []
  })
  const ofModule = given.options === undefined ? {} : await loadOptions(given.options, problems)
  const places = given.plugins === undefined && ofModule.pluginsDirectory === undefined ? defaultPlaces(files) : []
  const plugins = given.plugins ?? places.find(isDirectory)
  if (given.plugins !== undefined && !isDirectory(given.plugins))
    problems.push(ofFile(given.plugins, 'found no such directory; --plugins is where plugin files are'))
  const options = plugins === undefined ? ofModule : { ...ofModule, pluginsDirectory: path.resolve(plugins) }
  return { sources, options, plugins, problems, looked: plugins === undefined ? places : [] }
}

/** What an error of a reader or of a gateway says, one by one. */
export function findingsOf(thrown: unknown): Finding[] {
  if (isGatewayError(thrown) && isProblems(thrown.cause)) return thrown.cause.map((problem) => findingOf(problem))
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return [findingOf({ path: '', message })]
}

export function findingOf(problem: Problem, severity: Finding['severity'] = 'error', rule = 'definition'): Finding {
  const { message, file, line, column } = problem
  return { severity, rule, message, path: problem.path, file, line, column }
}

function isProblems(cause: unknown): cause is readonly Problem[] {
  return Array.isArray(cause) && cause.every((one: unknown) => typeof one === 'object' && one !== null && 'path' in one)
}

/** In a directory of definitions, or beside it; beside a file. */
function defaultPlaces([first = '.']: readonly string[]): string[] {
  const directories = isDirectory(first) ? [first, path.dirname(first)] : [path.dirname(first)]
  return [...new Set(directories.map((directory) => path.join(directory, 'plugins')))]
}

/** In the words of the command line, what the gateway says in those of its options. */
export function inOurWords(findings: readonly Finding[], { looked }: Pick<Gathered, 'looked'>): Finding[] {
  const found = looked.length === 0 ? '' : `, there is no ${looked.join(' and no ')}`
  return findings.map((finding) => ({
    ...finding,
    message: finding.message.replace('; set options.pluginsDirectory', `${found}; name it with --plugins DIR`),
  }))
}

function isDirectory(name: string): boolean {
  return statusOf(name)?.isDirectory() ?? false
}

/** Undefined also for what nobody may look at: whoever opens it says why. */
function statusOf(name: string): Stats | undefined {
  try {
    return statSync(name, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

async function loadOptions(file: string, problems: Finding[]): Promise<GatewayOptions> {
  if (statusOf(file)?.isFile() !== true) {
    problems.push(
      ofFile(file, "found no such file; --options is a module whose default export is the gateway's options"),
    )
    return {}
  }
  try {
    const module = (await import(pathToFileURL(path.resolve(file)).href)) as { readonly default?: unknown }
    const found = module.default
    if (typeof found === 'object' && found !== null && !Array.isArray(found)) return found
    problems.push(
      ofFile(file, "has no default export that is an object: write export default { ... }, the gateway's options"),
    )
  } catch (cause) {
    problems.push(ofFile(file, `could not be loaded: ${reason(cause)}`))
  }
  return {}
}

function reason(cause: unknown): string {
  const { code } = cause as { readonly code?: unknown }
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION')
    return `Node ${process.version} runs no TypeScript; use Node 22.18 or newer, or compile it`
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
}

function ofFile(file: string, message: string): Finding {
  return findingOf({ path: '', message, file })
}
