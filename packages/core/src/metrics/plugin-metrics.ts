import { describe, GatewayError } from '../errors.ts'
import type { Hook } from '../hooks.ts'
import type { PluginOutcome, PluginTrace } from '../chain/traces.ts'
import { listen } from './listen.ts'

/** What a plugin call is told with besides its name. */
export interface PluginMetricTags {
  readonly api: string
  readonly hook: Hook
  readonly plugin: string
  readonly outcome: PluginOutcome
}

/** Takes one number: `count`, always 1, or a time in `ns`. */
export type SendMetric = (name: string, value: number, unit: 'count' | 'ns', tags: PluginMetricTags) => void

/** The first part of a name: what its plugins are called in TypeScript. */
const KINDS: { readonly [H in Hook]: string } = {
  pre: 'PrePlugin',
  auth: 'AuthPlugin',
  postAuth: 'PostAuthPlugin',
  endpoint: 'EndpointPlugin',
  post: 'PostPlugin',
  response: 'ResponsePlugin',
  analytics: 'AnalyticsPlugin',
}

/**
 * Two numbers for each plugin call of every gateway in the process, for a client of statsd or the like: that it was made, as
 * `<Kind>:<path>:<function>`, and how long it took, as `<Kind>:<path>:<function>.exec_time`. Returns how to stop.
 *
 * @example
 * const stop = pluginMetrics((name, value, unit) => {
 *   const metric = name.replaceAll(/[^\w.-]/g, '_')
 *   if (unit === 'count') statsd.increment(metric)
 *   else statsd.timing(metric, value / 1e6)
 * })
 */
export function pluginMetrics(send: SendMetric): () => void {
  if (typeof send !== 'function')
    throw new GatewayError('PSTN_OPTIONS_INVALID', `pluginMetrics takes a function; found ${describe(send)}.`)
  let warned = false
  // It would be nobody's to catch, and end the process for a number.
  const failed = (error: unknown): void => {
    if (!warned) process.emitWarning(`A callback of pluginMetrics threw ${describe(error)}.`, 'PosternWarning')
    warned = true
  }
  const attempt: SendMetric = (...metric) => {
    // An async function fits the type as well, and rejects instead.
    const sent: unknown = send(...metric)
    if (sent instanceof Promise) sent.catch(failed)
  }
  return listen('plugin', (trace) => {
    try {
      const name = nameOf(trace)
      const { api, hook, plugin, outcome = 'failed', durationMs = 0 } = trace
      const tags = { api: api.name, hook, plugin, outcome }
      attempt(name, 1, 'count', tags)
      attempt(`${name}.exec_time`, Math.round(durationMs * 1e6), 'ns', tags)
    } catch (error) {
      failed(error)
    }
  })
}

/** A plugin in a file is called `path:function` already; the path of any other is empty. */
function nameOf({ hook, plugin }: PluginTrace): string {
  return `${KINDS[hook]}:${IN_FILE.test(plugin) ? plugin : `:${plugin}`}`
}

/** Not every name with a colon: one without a name of its own is called by its endpoint, as `GET /stock/:sku[0]`. */
const IN_FILE = /^.+:[\p{ID_Start}$_][\p{ID_Continue}$]*$/u
