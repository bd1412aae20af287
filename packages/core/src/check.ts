import type { ApiInfo } from './api.ts'
import type { DefinitionInput } from './definition-input.ts'
import { ApiIndex } from './chain/api-index.ts'
import { Events } from './chain/events.ts'
import { explain, type Explanation } from './chain/explain.ts'
import { type ParsedDefinition, readDefinitions } from './definition/parse.ts'
import type { Problem } from './definition/problems.ts'
import { Pools } from './forward/pools.ts'
import type { RequestInput } from './http/create.ts'
import type { LoneApi } from './loading/loaded-api.ts'
import { Loader } from './loading/loader.ts'
import { checkOptions, type GatewayOptions, parseContext } from './options.ts'
import { PluginModules } from './plugins/plugin-modules.ts'
import { parsePolicies } from './session/policy.ts'

/** What a gateway would say of definitions. */
export interface CheckReport {
  /** Those that could be served, plugins included. */
  readonly apis: readonly ApiInfo[]
  /** Empty: a gateway would serve them all. */
  readonly problems: readonly Problem[]
  /** What would be ignored. */
  readonly warnings: readonly Problem[]
  /** What is not served because it says so itself. */
  readonly inactive: readonly Problem[]
  /** What a request to them would meet; runs nothing. */
  explain(method: string, url: string, init?: RequestInput): Explanation
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
  parsePolicies(options.policies ?? {})
  const reading = readDefinitions(input, parseContext(options))
  const { definitions, warnings } = reading
  const { log, forward, pluginsDirectory } = options
  const modules = pluginsDirectory === undefined ? undefined : new PluginModules(pluginsDirectory)
  const loader = new Loader({ events: new Events(), pools: new Pools(), log, forward, modules })
  const checked = await Promise.all(definitions.map((parsed) => loader.check(parsed)))
  const problems: Problem[] = [...reading.problems]
  const apis: LoneApi[] = []
  const places = new Map<ApiInfo, ParsedDefinition>()
  for (const [i, one] of checked.entries()) {
    if ('info' in one) {
      apis.push(one)
      places.set(one.info, definitions[i]!)
    } else problems.push(...one)
  }
  const index = new ApiIndex(apis)
  return {
    apis: apis.map(({ info }) => info),
    problems,
    warnings,
    inactive: reading.inactive,
    explain: (method, url, init) => explain(index, method, url, init),
    place: (api, problem) => places.get(api)?.place(problem) ?? problem,
  }
}
