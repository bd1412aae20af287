import type { ApiInfo, DefinitionInput } from './api.ts'
import { Events } from './chain/events.ts'
import { readDefinitions } from './definition/parse.ts'
import type { Problem } from './definition/problems.ts'
import { Pools } from './forward/pools.ts'
import { Loader } from './loading/loader.ts'
import { checkOptions, type GatewayOptions, parseContext } from './options.ts'
import { PluginModules } from './plugins/plugin-modules.ts'

/** What a gateway would say of definitions. */
export interface CheckReport {
  /** Those that could be served, plugins included. */
  readonly apis: readonly ApiInfo[]
  /** Empty: a gateway would serve them all. */
  readonly problems: readonly Problem[]
  /** What would be ignored. */
  readonly warnings: readonly Problem[]
  /** A problem of one of the `apis` as its author knows it: where it stands in the document, and in the file. */
  place(api: ApiInfo, problem: Problem): Problem
}

/**
 * Looks at definitions as `createGateway` and `reload` would: validates them, and loads their plugin files. Starts nothing,
 * calls no `init`, and says what is wrong instead of throwing it.
 */
export async function checkDefinitions(
  input: DefinitionInput | readonly DefinitionInput[],
  options: GatewayOptions = {},
): Promise<CheckReport> {
  checkOptions(options)
  const { definitions, problems, warnings } = readDefinitions(input, parseContext(options))
  const { log, forward, pluginsDirectory } = options
  const modules = pluginsDirectory === undefined ? undefined : new PluginModules(pluginsDirectory)
  const loader = new Loader({ events: new Events(), pools: new Pools(), log, forward, modules })
  const checked = await Promise.all(definitions.map((parsed) => loader.check(parsed)))
  const places = new Map(checked.map((one, i) => [one, definitions[i]!.place]))
  return {
    apis: checked.filter((one): one is ApiInfo => !Array.isArray(one)),
    problems: [...problems, ...checked.flatMap((one) => (Array.isArray(one) ? (one as readonly Problem[]) : []))],
    warnings,
    place: (api, problem) => places.get(api)?.(problem) ?? problem,
  }
}
