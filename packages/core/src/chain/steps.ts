import type { ApiDefinition } from '../api.ts'
import { declaredLength } from '../forward/request-head.ts'
import type { Hook, Maybe } from '../hooks.ts'
import { GatewayRequest } from '../http/request.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import type { Step } from './chain.ts'
import { stripKey } from './credential.ts'
import type { EndpointTree } from './endpoint-tree.ts'
import type { Exchange } from './exchange.ts'
import { runPlugin, type Verdict } from './run-plugin.ts'
import { hookChannel, traceHook } from './tracing.ts'
import { cancelledAnswer, type Ended, errorAnswer, passOrEnd } from './verdicts.ts'

/** Walks steps from `from` until one answers. It stays synchronous until a step returns a promise. */
export function runSteps(steps: readonly Step[], exchange: Exchange, from = 0): Maybe<Ended> {
  for (let i = from; i < steps.length; i += 1) {
    const ended = steps[i]!(exchange)
    if (ended instanceof Promise) return ended.then((answer) => answer ?? goOn(steps, exchange, i + 1))
    if (ended !== undefined) return ended
  }
  return undefined
}

/** After waiting, the client may be gone: then nothing more is done for it. */
function goOn(steps: readonly Step[], exchange: Exchange, from: number): Maybe<Ended> {
  return exchange.cancellation.cancelled ? cancelledAnswer(exchange) : runSteps(steps, exchange, from)
}

/** A plugin as a step. */
export function plugged(plugin: LoadedPlugin, verdict: Verdict<Ended>): Step {
  return (exchange) => runPlugin(plugin, exchange.request, exchange, verdict)
}

/** The plugins of one hook, for those who listen to where it begins and ends. */
export function asHook(hook: Hook, steps: readonly Step[]): Step[] {
  return steps.length === 0 ? [] : [(exchange) => runHook(hook, steps, exchange)]
}

function runHook(hook: Hook, steps: readonly Step[], exchange: Exchange, endpoint?: string): Maybe<Ended> {
  return traceHook(
    hook,
    exchange,
    () => runSteps(steps, exchange),
    (ended) => (ended === undefined ? 'passed' : 'answered'),
    endpoint,
  )
}

/** The plugins of the one endpoint that matches method and path as they are by now, in order. */
export function onEndpoint(endpoints: EndpointTree<readonly LoadedPlugin<'endpoint'>[]>, timed: boolean): Step[] {
  if (endpoints.size === 0) return []
  const compiled = new WeakMap<readonly LoadedPlugin<'endpoint'>[], readonly Step[]>()
  for (const { value } of endpoints)
    compiled.set(
      value,
      value.map((plugin) => plugged(plugin, passOrEnd)),
    )
  return [
    (exchange) => {
      const match = endpoints.find(exchange.request.method, exchange.request.path)
      if (match === undefined) return undefined
      exchange.params = match.params
      if (timed) exchange.enterHook('endpoint')
      const plugins = compiled.get(match.value) ?? []
      return hookChannel.hasSubscribers
        ? runHook('endpoint', plugins, exchange, match.key)
        : runSteps(plugins, exchange)
    },
  ]
}

/** What an `auth` plugin has read is taken off, where the definition says so, when nobody can ask for it any more. */
export function withoutCredential({ hooks, authentication }: ApiDefinition): Step[] {
  const { credential } = authentication
  if (hooks.auth === undefined || credential.strip === 'none') return []
  return [
    ({ request }) => {
      stripKey(credential, request)
      return undefined
    },
  ]
}

/** A declared length above the limit is refused before any plugin runs; an undeclared one is counted as it comes in. */
export function bodyLimit(maxBodyBytes: number): Step[] {
  if (maxBodyBytes === Number.POSITIVE_INFINITY) return []
  return [
    (exchange) => {
      const { request } = exchange
      const content = GatewayRequest.body(request).content()
      const length = content instanceof Buffer ? content.length : (declaredLength(request) ?? 0)
      return length > maxBodyBytes ? errorAnswer('PSTN_BODY_TOO_LARGE', exchange) : undefined
    },
  ]
}
