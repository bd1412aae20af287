import type { ApiDefinition } from '../api.ts'
import { declaredLength } from '../forward/request-head.ts'
import type { Hook, Maybe } from '../hooks.ts'
import { GatewayRequest } from '../http/request.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import type { Step } from './chain.ts'
import { stripKey } from './credential.ts'
import type { EndpointTree } from './endpoint-tree.ts'
import type { Exchange } from './exchange.ts'
import { callPlugin, runPlugin } from './run-plugin.ts'
import { traceHook } from './tracing.ts'
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

/** Plugins as steps. */
export type Plugged = (plugins: readonly LoadedPlugin[]) => Step[]

/** Where nobody listens when the request begins, that need not be asked again for each plugin. */
export const plugged: Plugged = (plugins) =>
  plugins.map((plugin) => (exchange) => callPlugin(plugin, exchange.request, exchange, passOrEnd))

export const pluggedAndWatched: Plugged = (plugins) =>
  plugins.map((plugin) => (exchange) => runPlugin(plugin, exchange.request, exchange, passOrEnd))

/** The plugins of one hook, for those who listen to where it begins and ends. */
export function watchedHook(hook: Hook, steps: readonly Step[], endpoint?: string): Step {
  return (exchange) =>
    traceHook(
      hook,
      exchange,
      () => runSteps(steps, exchange),
      (ended) => (ended === undefined ? 'passed' : 'answered'),
      endpoint,
    )
}

/** The plugins of the one endpoint that matches method and path as they are by now, in order. */
export function onEndpoint(
  endpoints: EndpointTree<readonly LoadedPlugin<'endpoint'>[]>,
  timed: boolean,
  asSteps: Plugged,
): Step[] {
  if (endpoints.size === 0) return []
  const compiled = new WeakMap<readonly LoadedPlugin<'endpoint'>[], readonly Step[]>()
  for (const { key, value } of endpoints) {
    const steps = asSteps(value)
    compiled.set(value, asSteps === plugged ? steps : [watchedHook('endpoint', steps, key)])
  }
  return [
    (exchange) => {
      const match = endpoints.find(exchange.request.method, exchange.request.path)
      if (match === undefined) return undefined
      exchange.params = match.params
      if (timed) exchange.enterHook('endpoint')
      return runSteps(compiled.get(match.value) ?? [], exchange)
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
