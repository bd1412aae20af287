import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { HookTrace, PluginTrace, RequestTrace, UpstreamTrace } from '../chain/traces.ts'

interface Traces {
  request: RequestTrace
  hook: HookTrace
  plugin: PluginTrace
  upstream: UpstreamTrace
}

/** Calls `over` at the end of everything a channel tells of, and `start` at the beginning. Returns how to stop. */
export function listen<K extends keyof Traces>(
  kind: K,
  over: (trace: Traces[K]) => void,
  start?: (trace: Traces[K]) => void,
): () => void {
  const events: [string, (message: unknown) => void][] = [
    ['end', over as (message: unknown) => void],
    ['asyncEnd', over as (message: unknown) => void],
    ...(start === undefined ? [] : [['start', start as (message: unknown) => void] as [string, (m: unknown) => void]]),
  ]
  for (const [event, listener] of events) subscribe(`tracing:postern:${kind}:${event}`, listener)
  return () => {
    for (const [event, listener] of events) unsubscribe(`tracing:postern:${kind}:${event}`, listener)
  }
}
