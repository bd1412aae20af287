import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type Context, context, diag } from '@opentelemetry/api'
import type { HookTrace, PluginTrace, RequestTrace, UpstreamTrace } from '@postern/core'

interface Traces {
  request: RequestTrace
  hook: HookTrace
  plugin: PluginTrace
  upstream: UpstreamTrace
}

/** What is done at the two ends of what a channel tells of. */
interface Ends<T> {
  /** The context in which everything up to the end happens. */
  enter(trace: T): Context
  leave(trace: T): void
}

/** Listens to a channel. Returns how to stop. */
export function bind<K extends keyof Traces>(kind: K, ends: Ends<Traces[K]>): () => void {
  const start = (trace: Traces[K]): void =>
    attempt(() => {
      const entered = ends.enter(trace)
      const before = trace.within
      trace.within = <T>(run: () => T): T => context.with(entered, () => (before === undefined ? run() : before(run)))
    })
  const end = (trace: Traces[K]): void => attempt(() => ends.leave(trace))
  const listeners = { start, end, asyncEnd: end } as Readonly<Record<string, (message: unknown) => void>>
  const named = Object.entries(listeners).map(
    ([event, listener]) => [`tracing:postern:${kind}:${event}`, listener] as const,
  )
  for (const [name, listener] of named) subscribe(name, listener)
  return () => {
    for (const [name, listener] of named) unsubscribe(name, listener)
  }
}

/** What is thrown to a channel ends the process: a request is worth more than its span. */
function attempt(work: () => void): void {
  try {
    work()
  } catch (error) {
    diag.error('@postern/opentelemetry', error)
  }
}
