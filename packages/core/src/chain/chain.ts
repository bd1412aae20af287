import type { ApiDefinition, ApiInfo } from '../api.ts'
import type { PluginSettings } from '../api-input.ts'
import type { Hook, Maybe, Plugins } from '../hooks.ts'
import type { Charge } from '../limits/charge.ts'
import type { LogTarget } from '../plugins/log.ts'
import { type LoadedPlugin, loadPlugin } from '../plugins/plugin.ts'
import { Charging } from './charging.ts'
import { EndpointTree } from './endpoint-tree.ts'
import type { Exchange } from './exchange.ts'
import { authentication, reauthentication } from './authentication.ts'
import { activeKey, apiAllowed, checked, urlAllowed } from './key-checks.ts'
import {
  bodyLimit,
  onEndpoint,
  type Plugged,
  plugged,
  pluggedAndWatched,
  watchedHook,
  withoutCredential,
} from './steps.ts'
import { type Ended, errorAnswer } from './verdicts.ts'
import { withinLimits } from './within-limits.ts'

/** One thing done to a request. Undefined goes on to the next. */
export type Step = (exchange: Exchange) => Maybe<Ended>

/** An API's plugins and checks, compiled once. */
export interface Chain {
  readonly request: readonly Step[]
  /** The same where somebody listens to hooks or plugins: each has a beginning and an end. */
  readonly watchedRequest: readonly Step[]
  readonly response: readonly LoadedPlugin<'response'>[]
  readonly analytics: readonly LoadedPlugin<'analytics'>[]
  /** Its analytics plugins are not there, and what they would have masked must not be stored. */
  readonly unmasked: boolean
  /** Endpoints that are recorded by what they are called here. */
  readonly tracked: EndpointTree<string>
  /** Endpoints that are not recorded. */
  readonly skipped: EndpointTree<string>
  /** For `explain`, which runs nothing. */
  readonly plugins: { readonly [H in Exclude<Hook, 'endpoint'>]: readonly LoadedPlugin<H>[] }
  readonly endpoints: EndpointTree<readonly LoadedPlugin<'endpoint'>[]>
  /** What all callers together are counted against there. */
  limits(method: string, path: string): readonly Charge[]
}

/** THE ORDER in which a request meets an API. Read it from top to bottom; nothing else decides what comes when. */
export function compileChain(info: ApiInfo, target: LogTarget | undefined): Chain {
  const { definition } = info
  const plugins = loadAll(info, target)
  const endpoints = loadEndpoints(info, target)
  const authenticate = authentication(definition, plugins.auth)
  const again = reauthentication(authenticate)
  const charging = new Charging(definition)
  const keyChecks = definition.keyless ? [] : [activeKey, apiAllowed, urlAllowed].map((check) => checked(check, again))
  const timed = definition.records !== undefined
  const stages = (asSteps: Plugged): readonly Stage[] => [
    [undefined, bodyLimit(definition.maxBodyBytes)],
    ['pre', asSteps(plugins.pre)],
    [plugins.auth.length === 0 ? undefined : 'auth', authenticate],
    ['postAuth', asSteps(plugins.postAuth)],
    [undefined, keyChecks],
    [undefined, withinLimits(charging, [again, ...keyChecks])],
    [undefined, withoutCredential(definition)],
    [undefined, onEndpoint(endpoints, timed, asSteps)],
    ['post', asSteps(plugins.post)],
  ]
  return {
    request: inTime(timed, stages(plugged)),
    watchedRequest: inTime(timed, stages(pluggedAndWatched).map(watchedStage)),
    response: plugins.response,
    analytics: plugins.analytics,
    unmasked: false,
    ...recordedEndpoints(definition),
    plugins,
    endpoints,
    limits: (method, path) => charging.ofApi(method, path),
  }
}

/** Steps in order, and the hook they are. */
type Stage = readonly [hook: Hook | undefined, steps: readonly Step[]]

function watchedStage([hook, steps]: Stage): Stage {
  return [hook, hook === undefined || steps.length === 0 ? steps : [watchedHook(hook, steps)]]
}

/** The steps of each hook, or of none, in order; where records are made, with a look at the clock where one hook ends. */
function inTime(timed: boolean, stages: readonly Stage[]): Step[] {
  let open: Hook | undefined
  return stages.flatMap(([hook, steps]) => {
    if (!timed || steps.length === 0 || hook === open) return steps
    open = hook
    const boundary: Step = (exchange) => {
      exchange.enterHook(hook)
      return undefined
    }
    return [boundary, ...steps]
  })
}

/** What an API does whose plugins are not there: it lets nobody through. */
export function unavailableChain(info: ApiInfo, unmasked: boolean): Chain {
  const charging = new Charging(info.definition)
  const request: readonly Step[] = [(exchange) => errorAnswer('PSTN_API_UNAVAILABLE', exchange)]
  return {
    request,
    watchedRequest: request,
    response: [],
    analytics: [],
    unmasked,
    ...recordedEndpoints(info.definition),
    plugins: { pre: [], auth: [], postAuth: [], post: [], response: [], analytics: [] },
    endpoints: new EndpointTree(),
    limits: (method, path) => charging.ofApi(method, path),
  }
}

function recordedEndpoints({ records, ignoreCase, endpointOrder }: ApiDefinition): Pick<Chain, 'tracked' | 'skipped'> {
  const treeOf = (keys: readonly string[] = []): EndpointTree<string> => {
    const tree = new EndpointTree<string>(ignoreCase, endpointOrder)
    for (const key of keys) tree.add(key, key.slice(key.indexOf(' ') + 1))
    return tree
  }
  return { tracked: treeOf(records?.track), skipped: treeOf(records?.skip) }
}

function loadAll(info: ApiInfo, target: LogTarget | undefined): Chain['plugins'] {
  const { hooks } = info.definition
  const load = <H extends Hook>(hook: H, list: readonly PluginSettings<Plugins[H]>[]): LoadedPlugin<H>[] =>
    list.map((settings, i) => loadPlugin(hook, settings, `${hook}[${i}]`, info, target))
  return {
    pre: load('pre', hooks.pre),
    auth: load('auth', hooks.auth === undefined ? [] : [hooks.auth]),
    postAuth: load('postAuth', hooks.postAuth),
    post: load('post', hooks.post),
    response: load('response', hooks.response),
    analytics: load('analytics', hooks.analytics),
  }
}

function loadEndpoints(info: ApiInfo, target: LogTarget | undefined): Chain['endpoints'] {
  const { endpoints, ignoreCase, endpointOrder }: ApiDefinition = info.definition
  const tree = new EndpointTree<readonly LoadedPlugin<'endpoint'>[]>(ignoreCase, endpointOrder)
  for (const [key, list] of Object.entries(endpoints)) {
    tree.add(
      key,
      list.map((settings, i) => loadPlugin('endpoint', settings, `${key}[${i}]`, info, target)),
    )
  }
  return tree
}
