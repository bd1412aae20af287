import type { ApiDefinition } from '../api.ts'
import type { PluginSettings } from '../api-input.ts'
import type { Draft, DraftPlugin, FilePlugin } from '../definition/draft.ts'
import { deepFreeze } from '../definition/normalise.ts'
import type { Problem } from '../definition/problems.ts'
import { describe, isGatewayError } from '../errors.ts'
import type { ModuleUse, PluginModules } from '../plugins/plugin-modules.ts'

/** A definition with all its plugins, and the modules they came from. */
export interface WithPlugins {
  readonly definition: ApiDefinition
  readonly uses: readonly ModuleUse[]
}

/** A plugin and where the native form has it. */
interface Placed {
  readonly at: string
  readonly plugin: FilePlugin
}

/** What stands in files, in the order of the definition. */
export function filePlugins({ hooks, endpoints }: Draft): readonly Placed[] {
  const lists: readonly (readonly [at: string, list: readonly DraftPlugin<unknown>[]])[] = [
    ...(['pre', 'postAuth', 'post', 'response', 'analytics'] as const).map(
      (hook) => [`hooks.${hook}`, hooks[hook]] as const,
    ),
    ...Object.entries(endpoints).map(([key, list]) => [`endpoints[${JSON.stringify(key)}]`, list] as const),
  ]
  const placed = lists.flatMap(([at, list]) => list.map((plugin, i) => ({ at: `${at}[${i}]`, plugin })))
  const auth = hooks.auth === undefined ? [] : [{ at: 'hooks.auth', plugin: hooks.auth }]
  return [...auth, ...placed].filter((one): one is Placed => isInFile(one.plugin))
}

function isInFile<P>(plugin: DraftPlugin<P>): plugin is FilePlugin {
  return plugin.plugin === undefined
}

/** A definition that needs no file, as it is. */
export function inPlace(draft: Draft): ApiDefinition {
  return complete(draft, new Map())
}

/** Reads the files. All that is wrong with them is the one list of problems this gives instead; then nothing stays in use. */
export async function fromFiles(draft: Draft, modules: PluginModules): Promise<WithPlugins | readonly Problem[]> {
  const problems: Problem[] = []
  const functions = new Map<FilePlugin, unknown>()
  const placed = filePlugins(draft)
  const paths = [...new Set(placed.map(({ plugin }) => plugin.path))]
  const opening = await Promise.allSettled(paths.map((path) => modules.open(path, draft.id)))
  const files = new Map(paths.map((path, i) => [path, opening[i]!]))
  const told = new Set<string>()
  for (const { at, plugin } of placed) {
    const { path, functionName } = plugin
    const file = files.get(path)!
    if (file.status === 'rejected') {
      // A path is to be mended wherever it stands, a file once.
      if (!told.has(path) || isNotFound(file.reason)) problems.push(problemOf(`${at}.path`, file.reason))
      told.add(path)
      continue
    }
    try {
      functions.set(plugin, file.value.function(functionName))
    } catch (error) {
      problems.push(problemOf(`${at}.functionName`, error))
    }
  }
  const opened = opening.flatMap((file) => (file.status === 'fulfilled' ? [file.value] : []))
  if (problems.length === 0) return { definition: complete(draft, functions), uses: opened }
  await releaseAll(opened)
  return problems
}

/** Tells the modules that they are not needed any more; what they throw then is returned, or that they took longer. */
export async function releaseAll(uses: readonly ModuleUse[], timeoutMs?: number): Promise<readonly unknown[]> {
  const released = await Promise.allSettled(uses.map((use) => use.release(timeoutMs)))
  return released.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
}

/** A problem of what was thrown while a plugin was looked for. */
export function problemOf(path: string, error: unknown): Problem {
  return { path, message: isGatewayError(error) ? error.message : `threw ${describe(error)}`, error }
}

export function isNotFound(error: unknown): boolean {
  return isGatewayError(error) && error.code === 'PSTN_PLUGIN_NOT_FOUND'
}

function complete(draft: Draft, functions: ReadonlyMap<FilePlugin, unknown>): ApiDefinition {
  const settings = <P>(plugin: DraftPlugin<P>): PluginSettings<P> => {
    if (!isInFile(plugin)) return plugin
    const { name, timeoutMs } = plugin
    return { plugin: functions.get(plugin) as P, name, timeoutMs }
  }
  const all = <P>(list: readonly DraftPlugin<P>[]): readonly PluginSettings<P>[] => list.map(settings)
  const { hooks, endpoints } = draft
  return deepFreeze({
    ...draft,
    hooks: {
      pre: all(hooks.pre),
      auth: hooks.auth && settings(hooks.auth),
      postAuth: all(hooks.postAuth),
      post: all(hooks.post),
      response: all(hooks.response),
      analytics: all(hooks.analytics),
    },
    endpoints: Object.fromEntries(Object.entries(endpoints).map(([key, list]) => [key, all(list)])),
  })
}
