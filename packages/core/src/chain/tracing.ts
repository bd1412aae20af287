import { tracingChannel } from 'node:diagnostics_channel'
import type { ApiInfo } from '../api.ts'
import type { Hook } from '../hooks.ts'

/** What a subscriber of `tracing:postern:plugin:*` gets; one object per plugin call, filled in as the call goes on. */
export interface PluginTrace {
  readonly api: ApiInfo
  readonly hook: Hook
  readonly plugin: string
  /** What the plugin may change: the request, the response or the record. The same object for all plugins of a phase. */
  readonly subject: object
  /** Groups the plugin calls of one request. */
  readonly exchange: object
  /** What the plugin returned. */
  result?: unknown
  /** What it threw, or why its result does not count. */
  error?: unknown
}

const channel = tracingChannel<string, PluginTrace>('postern:plugin')

/** The trace of a call, or undefined when nobody listens: then tracing costs this one look. */
export function startTrace(
  api: ApiInfo,
  hook: Hook,
  plugin: string,
  subject: object,
  exchange: object,
): PluginTrace | undefined {
  if (!channel.hasSubscribers) return undefined
  const trace: PluginTrace = { api, hook, plugin, subject, exchange }
  channel.start.publish(trace)
  return trace
}

/** The plugin has returned (`end`), or its promise has settled (`asyncEnd`). */
export function endTrace(
  trace: PluginTrace,
  outcome: { readonly result: unknown } | { readonly error: unknown },
  async: boolean,
): void {
  Object.assign(trace, outcome)
  if ('error' in outcome) channel.error.publish(trace)
  const end = async ? channel.asyncEnd : channel.end
  end.publish(trace)
}
