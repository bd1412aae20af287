import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { type Context, context, diag } from '@opentelemetry/api'

/**
 * Stands where a channel expects a storage of its own, and puts the context where OpenTelemetry looks for it: into whatever
 * context manager the application has registered.
 */
class ContextStore extends AsyncLocalStorage<Context> {
  override run<R, A extends unknown[]>(store: Context, work: (...args: A) => R, ...args: A): R {
    return context.with(store, work, undefined, ...args)
  }

  override getStore(): Context {
    return context.active()
  }
}

/** What is done at the two ends of what a channel tells of. */
interface Ends<T> {
  /** The context in which everything within happens. */
  enter(trace: T): Context
  leave(trace: T): void
}

/** Listens to a channel. Returns how to stop. */
export function bind<T extends object>(kind: 'request' | 'hook' | 'plugin' | 'upstream', ends: Ends<T>): () => void {
  const { start } = tracingChannel<Context, T>(`postern:${kind}`)
  const store = new ContextStore()
  // What is thrown to a channel ends the process: a request is not worth less than its span.
  const leave = (trace: T): void => attempt(() => ends.leave(trace), undefined)
  start.bindStore(store, (trace) => attempt(() => ends.enter(trace), context.active()))
  const listener = leave as (message: unknown) => void
  const ending = ['end', 'asyncEnd'].map((event) => `tracing:postern:${kind}:${event}`)
  for (const name of ending) subscribe(name, listener)
  return () => {
    start.unbindStore(store)
    for (const name of ending) unsubscribe(name, listener)
  }
}

function attempt<T>(work: () => T, otherwise: T): T {
  try {
    return work()
  } catch (error) {
    diag.error('@postern/opentelemetry', error)
    return otherwise
  }
}
