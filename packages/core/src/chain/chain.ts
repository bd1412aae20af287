import type { ApiDefinition, ApiInfo, PluginSettings } from '../api.ts'
import type { Hook, Maybe, Plugins } from '../hooks.ts'
import type { LogTarget } from '../plugins/log.ts'
import { type LoadedPlugin, loadPlugin } from '../plugins/plugin.ts'
import { EndpointTree } from './endpoint-tree.ts'
import type { Exchange } from './exchange.ts'
import { activeKey, bodyLimit, onEndpoint, plugged } from './steps.ts'
import { type Ended, grantOrEnd, passOrEnd } from './verdicts.ts'

/** One thing done to a request. Undefined goes on to the next. */
export type Step = (exchange: Exchange) => Maybe<Ended>

/** An API's plugins and checks, compiled once. */
export interface Chain {
  readonly request: readonly Step[]
  readonly response: readonly LoadedPlugin<'response'>[]
  readonly analytics: readonly LoadedPlugin<'analytics'>[]
  /** For `explain`, which runs nothing. */
  readonly plugins: { readonly [H in Exclude<Hook, 'endpoint'>]: readonly LoadedPlugin<H>[] }
  readonly endpoints: EndpointTree<readonly LoadedPlugin<'endpoint'>[]>
}

/** THE ORDER in which a request meets an API. Read it from top to bottom; nothing else decides what comes when. */
export function compileChain(info: ApiInfo, target: LogTarget | undefined): Chain {
  const { definition } = info
  const plugins = loadAll(info, target)
  const endpoints = loadEndpoints(info, target)
  return {
    request: [
      ...bodyLimit(definition.maxBodyBytes),
      ...plugins.pre.map((plugin) => plugged(plugin, passOrEnd)),
      ...plugins.auth.map((plugin) => plugged(plugin, grantOrEnd)),
      ...plugins.postAuth.map((plugin) => plugged(plugin, passOrEnd)),
      ...(definition.keyless ? [] : [activeKey]),
      ...onEndpoint(endpoints),
      ...plugins.post.map((plugin) => plugged(plugin, passOrEnd)),
    ],
    response: plugins.response,
    analytics: plugins.analytics,
    plugins,
    endpoints,
  }
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
  const { endpoints, ignoreCase }: ApiDefinition = info.definition
  const tree = new EndpointTree<readonly LoadedPlugin<'endpoint'>[]>(ignoreCase)
  for (const [key, list] of Object.entries(endpoints)) {
    tree.add(
      key,
      list.map((settings, i) => loadPlugin('endpoint', settings, `${key}[${i}]`, info, target)),
    )
  }
  return tree
}
