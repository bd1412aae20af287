import { tracingChannel } from 'node:diagnostics_channel'
import type { HookTrace, PluginTrace, RequestTrace, UpstreamTrace } from '@postern/core'
import { onTestFinished } from 'vitest'

type Kind = 'request' | 'hook' | 'plugin' | 'upstream'

/** One message as it was when it came. */
interface Heard {
  readonly kind: Kind
  readonly event: string
  readonly trace: RequestTrace | HookTrace | PluginTrace | UpstreamTrace
  /** In a few words: `start hook pre`, `end plugin pre stamp passed`. */
  readonly text: string
}

/** Hears every channel until the test ends. */
export function observe(kinds: readonly Kind[] = ['request', 'hook', 'plugin', 'upstream']): Heard[] {
  const heard: Heard[] = []
  for (const kind of kinds) {
    const channel = tracingChannel<unknown, Heard['trace']>(`postern:${kind}`)
    const on =
      (event: string) =>
      (trace: Heard['trace']): void =>
        void heard.push({ kind, event, trace, text: textOf(event, kind, trace) })
    const listener = {
      start: on('start'),
      end: on('end'),
      asyncStart: on('asyncStart'),
      asyncEnd: on('asyncEnd'),
      error: on('error'),
    }
    channel.subscribe(listener)
    onTestFinished(() => channel.unsubscribe(listener))
  }
  return heard
}

function textOf(event: string, kind: Kind, trace: Heard['trace']): string {
  const words = [event, kind]
  if ('hook' in trace) words.push(trace.hook)
  if ('plugin' in trace) words.push(trace.plugin)
  if ('endpoint' in trace && trace.endpoint !== undefined) words.push(trace.endpoint)
  if (event.toLowerCase().endsWith('end')) {
    if ('outcome' in trace && trace.outcome !== undefined) words.push(trace.outcome)
    if ('status' in trace && trace.status !== undefined) words.push(String(trace.status))
    if ('code' in trace && trace.code !== undefined) words.push(trace.code)
  }
  return words.join(' ')
}
