import { tracingChannel, type TracingChannel } from 'node:diagnostics_channel'
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Hook, Maybe } from '../hooks.ts'
import type { GatewayResponse } from '../http/response.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import type { Exchange, Observed } from './exchange.ts'
import type { Verdict } from './run-plugin.ts'
import { RequestMessage, UpstreamMessage } from './trace-messages.ts'
import type { HookOutcome, HookTrace, PluginTrace, RequestTrace, UpstreamTrace } from './traces.ts'

type Channel<T extends object> = TracingChannel<unknown, T>

/*
 * Whether anybody listens is looked at when a request begins; where nobody does, all that follows looks at one field of its
 * exchange. What hands closures to the functions below is a function of its own: in one that holds a closure every call
 * makes room for it. What is bound to a `start` channel with `bindStore` is there for everything done within.
 */
const requestChannel: Channel<RequestTrace> = tracingChannel('postern:request')
const hookChannel: Channel<HookTrace> = tracingChannel('postern:hook')
export const pluginChannel: Channel<PluginTrace> = tracingChannel('postern:plugin')
const upstreamChannel: Channel<UpstreamTrace> = tracingChannel('postern:upstream')

const CHANNELS: readonly { readonly hasSubscribers: boolean }[] = [
  requestChannel,
  hookChannel,
  pluginChannel,
  upstreamChannel,
]

/** A loop, which is little code: what is asked for every request is to stand inside of what asks. */
export function isAnybodyListening(): boolean {
  for (const channel of CHANNELS) if (channel.hasSubscribers) return true
  return false
}

/** Runs the chain of a request that somebody listens to; `endRequest` says when its answer is out. */
export function traceRequest<T>(exchange: Exchange, run: () => T): T {
  const observed: Observed = { trace: undefined, within: undefined }
  exchange.observed = observed
  if (!requestChannel.hasSubscribers) return run()
  const trace = new RequestMessage(exchange)
  observed.trace = trace
  return runWithin(requestChannel, trace, run)
}

/** The host application goes on with the request later, and elsewhere. */
export function keepForHost(exchange: Exchange): void {
  if (exchange.observed?.trace !== undefined) exchange.observed.within = AsyncLocalStorage.snapshot()
}

/** `status` is what the client got. */
export function endRequest(exchange: Exchange, status: number, cut: boolean): void {
  const { observed, code } = exchange
  const trace = observed?.trace
  if (observed === undefined || trace === undefined) return
  observed.trace = undefined
  trace.status = status
  trace.cut = cut
  trace.code = code
  end(requestChannel, trace, true)
}

/** Runs the plugins of one hook; `told` says what their result means. */
export function traceHook<T>(
  hook: Hook,
  exchange: Exchange,
  run: () => Maybe<T>,
  told: (result: T) => HookOutcome,
  endpoint?: string,
): Maybe<T> {
  if (!hookChannel.hasSubscribers) return run()
  const trace: HookTrace = { api: exchange.api.info, exchange, hook, endpoint, startedAt: performance.now() }
  return watch(hookChannel, trace, run, (result) => {
    trace.outcome = exchange.pluginOutcome === 'failed' ? 'failed' : told(result)
  })
}

/** Asks what is behind the gateway: `send` seals the request first. */
export function traceUpstream(
  exchange: Exchange,
  host: boolean,
  send: () => Promise<GatewayResponse>,
): Promise<GatewayResponse> {
  if (!upstreamChannel.hasSubscribers) return send()
  const trace = new UpstreamMessage(exchange, host)
  return runWithin(upstreamChannel, trace, send).then(
    (response) => {
      trace.asked()
      trace.status = response.status
      end(upstreamChannel, trace, true)
      return response
    },
    (error: unknown) => {
      trace.asked()
      fail(upstreamChannel, trace, error, true)
      throw error
    },
  )
}

/** Calls a plugin with a verdict that also tells what became of it. */
export function tracePlugin<T>(
  plugin: LoadedPlugin,
  subject: object,
  exchange: Exchange,
  verdict: Verdict<T>,
  call: (plugin: LoadedPlugin, subject: object, exchange: Exchange, verdict: Verdict<T>) => Maybe<T>,
): Maybe<T> {
  if (!pluginChannel.hasSubscribers) return call(plugin, subject, exchange, verdict)
  const { api, hook, name } = plugin
  const trace: PluginTrace = { api, hook, plugin: name, subject, exchange, startedAt: performance.now() }
  let later = false
  const watched: Verdict<T> = {
    returned(value, by, of) {
      trace.result = value
      const decision = verdict.returned(value, by, of)
      over()
      return decision
    },
    failed(error, by, of) {
      trace.error = error
      const decision = verdict.failed(error, by, of)
      over()
      return decision
    },
  }
  const over = (): void => {
    const outcome = exchange.pluginOutcome
    trace.outcome = outcome
    if (outcome === 'failed') fail(pluginChannel, trace, trace.error, later)
    else end(pluginChannel, trace, later)
  }
  const result = runWithin(pluginChannel, trace, () => call(plugin, subject, exchange, watched))
  later = true
  return result
}

function watch<T, M extends HookTrace>(
  channel: Channel<M>,
  trace: M,
  run: () => Maybe<T>,
  ended: (result: T) => void,
): Maybe<T> {
  let result: Maybe<T>
  try {
    result = runWithin(channel, trace, run)
  } catch (error) {
    fail(channel, trace, error, false)
    throw error
  }
  if (!(result instanceof Promise)) {
    ended(result)
    end(channel, trace, false)
    return result
  }
  return result.then(
    (settled) => {
      ended(settled)
      end(channel, trace, true)
      return settled
    },
    (error: unknown) => {
      fail(channel, trace, error, true)
      throw error
    },
  )
}

/** Publishes the start, then runs what it is the start of in whatever was bound to it. */
function runWithin<M extends { readonly within?: RequestTrace['within'] }, T>(
  channel: Channel<M>,
  trace: M,
  run: () => T,
): T {
  return channel.start.runStores(trace, () => (trace.within === undefined ? run() : trace.within(run)))
}

function fail<T extends RequestTrace | HookTrace | PluginTrace | UpstreamTrace>(
  channel: Channel<T>,
  trace: T,
  error: unknown,
  later: boolean,
): void {
  trace.error = error
  channel.error.publish(trace)
  end(channel, trace, later)
}

function end<T extends { startedAt: number; durationMs?: number }>(
  channel: Channel<T>,
  trace: T,
  later: boolean,
): void {
  trace.durationMs = performance.now() - trace.startedAt
  if (later) channel.asyncEnd.publish(trace)
  else channel.end.publish(trace)
}
