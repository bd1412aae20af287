import { describe, describeUnquoted, GatewayError, isGatewayError } from '../errors.ts'
import type { Maybe } from '../hooks.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import { CallContext, CONTEXTS } from './contexts.ts'
import type { Exchange } from './exchange.ts'
import { tracePlugin } from './tracing.ts'

/** What a plugin's outcome means at its hook. `failed` must not throw; what `returned` throws goes to `failed`. */
export interface Verdict<T> {
  returned(value: unknown, plugin: LoadedPlugin, exchange: Exchange): T
  failed(error: unknown, plugin: LoadedPlugin, exchange: Exchange): T
}

/** Calls one plugin, and tells whoever listens. */
export function runPlugin<T>(plugin: LoadedPlugin, subject: object, exchange: Exchange, verdict: Verdict<T>): Maybe<T> {
  return exchange.observed === undefined
    ? callPlugin(plugin, subject, exchange, verdict)
    : tracePlugin(plugin, subject, exchange, verdict, callPlugin)
}

/** Calls one plugin. A synchronous one costs no promise; an asynchronous one gets a deadline. */
export function callPlugin<T>(
  plugin: LoadedPlugin,
  subject: object,
  exchange: Exchange,
  verdict: Verdict<T>,
): Maybe<T> {
  let context: CallContext
  let value: unknown
  let pending: PromiseLike<unknown> | undefined
  try {
    context = new CONTEXTS[plugin.hook](exchange, plugin)
    value = (plugin.run as (subject: object, context: CallContext) => unknown)(subject, context)
    if (isThenable(value)) pending = value
  } catch (error) {
    return verdict.failed(error, plugin, exchange)
  }
  if (pending === undefined) return conclude(value, plugin, exchange, verdict)
  return withDeadline(pending, plugin, context, exchange).then(
    (settled) => conclude(settled, plugin, exchange, verdict),
    (error: unknown) => verdict.failed(error, plugin, exchange),
  )
}

/** Reading what a plugin returned may fail as well (a getter that throws, a status nobody can send): its failure, not ours. */
export function conclude<T>(value: unknown, plugin: LoadedPlugin, exchange: Exchange, verdict: Verdict<T>): T {
  try {
    return verdict.returned(value, plugin, exchange)
  } catch (error) {
    return verdict.failed(error, plugin, exchange)
  }
}

/** What a plugin's failure is called: its own refusals keep their code, everything else "threw". */
export function pluginFailure(error: unknown, plugin: LoadedPlugin): GatewayError {
  if (isGatewayError(error)) return error
  return new GatewayError('PSTN_PLUGIN_THREW', `The ${plugin.hook} plugin "${plugin.name}" threw ${describe(error)}.`, {
    cause: error,
  })
}

/** Tells those who run the gateway that a plugin broke. */
export function reportFailure(error: GatewayError, plugin: LoadedPlugin, exchange: Exchange): void {
  const { api, hook, name } = plugin
  exchange.api.services.events.emit('pluginError', { api, hook, plugin: name, error })
}

function withDeadline(
  promise: PromiseLike<unknown>,
  plugin: LoadedPlugin,
  context: CallContext,
  exchange: Exchange,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      const error = new GatewayError(
        'PSTN_PLUGIN_TIMEOUT',
        `The ${plugin.hook} plugin "${plugin.name}" did not finish within ${plugin.timeoutMs} ms.`,
      )
      reject(error)
      CallContext.expire(context, error)
    }, plugin.timeoutMs)
    const settle = (finish: (value: unknown) => void, outcome: string) => (value: unknown) => {
      if (late) {
        reportLate(plugin, exchange, `${outcome} ${describeUnquoted(value)}`)
        return
      }
      clearTimeout(timer)
      finish(value)
    }
    // Adopted first: a thenable may settle twice, throw from `then`, or resolve to another one.
    Promise.resolve(promise).then(settle(resolve, 'returned'), settle(reject, 'threw'))
  })
}

function reportLate(plugin: LoadedPlugin, exchange: Exchange, what: string): void {
  const { hook, name } = plugin
  const error = new GatewayError(
    'PSTN_PLUGIN_LATE',
    `The ${hook} plugin "${name}" ${what} after its deadline; the result was discarded.`,
  )
  reportFailure(error, plugin, exchange)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** A verdict that may itself take time: one promise, not two. */
export function flat<T>(outcome: Maybe<Maybe<T>>): Maybe<T> {
  return outcome instanceof Promise ? outcome.then((inner) => inner) : outcome
}
