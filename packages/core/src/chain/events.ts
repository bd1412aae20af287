import createDebug from 'debug'
import type { RecordsLost } from '../analytics/sink.ts'
import type { ApiInfo } from '../api.ts'
import { describe, GatewayError, type GatewayErrorCode, stackOf } from '../errors.ts'
import { isFunction } from '../functions.ts'
import type { Hook } from '../hooks.ts'
import { suggest } from '../nearest.ts'
import type { ReloadReport } from './reload-report.ts'
import type { StoreFeature } from './store-failure-policy.ts'

/** What a gateway tells those who run it. Listeners get the data, never the client's credential. */
export interface GatewayEvents {
  /** A plugin refused a request (400 or above, with the envelope), an `auth` plugin gave no usable session, or a key is unknown. */
  authFailure: {
    readonly api: ApiInfo
    readonly hook: Hook
    /** The plugin's name; `token` where a key was asked for. */
    readonly plugin: string
    /** The key, masked; empty when there was none, or when only the plugin knows. */
    readonly key: string
    /** Why postern itself refused; undefined when the plugin decided. */
    readonly code: GatewayErrorCode | undefined
    readonly status: number
    readonly message: string
    readonly method: string
    readonly path: string
    readonly clientAddress: string
  }
  /** A plugin broke: it threw, took too long, or returned what its hook may not return. `error.cause` has its own error. */
  pluginError: { readonly api: ApiInfo; readonly hook: Hook; readonly plugin: string; readonly error: GatewayError }
  /** The upstream could not be reached, was too slow, or sent what is not HTTP. */
  upstreamError: { readonly api: ApiInfo; readonly error: GatewayError }
  /** The circuit breaker of a target has changed; `half-open`: one request may ask whether it works again. */
  circuitBreaker: { readonly api: ApiInfo; readonly target: string; readonly state: 'open' | 'half-open' | 'closed' }
  /** A target is not asked any more, or is asked again: because of how `requests` went, or because of health `checks`. */
  targetHealth: {
    readonly api: ApiInfo
    readonly target: string
    readonly healthy: boolean
    readonly reason: 'requests' | 'checks'
  }
  /** A plugin changed a request or a response after it had left. The change had no effect. */
  lateChange: { readonly api: ApiInfo; readonly path: string }
  /** A key that is inactive or has expired was used. */
  keyExpired: RefusedKey & { readonly reason: 'inactive' | 'expired' }
  /** A request was refused by a rate: of its key, or of the API for all callers. */
  rateLimitExceeded: RefusedKey & LimitReached & { readonly limit: 'key' | 'api'; readonly endpoint: string }
  /** A request was refused by a quota. */
  quotaExceeded: RefusedKey & LimitReached
  /** A counted request made a quota pass one of its session's `monitor.triggerLimits`; once for each in a period. */
  quotaThreshold: {
    readonly api: ApiInfo
    readonly key: string
    readonly percent: number
    readonly used: number
    readonly max: number
    /** Unix seconds; 0: never. */
    readonly renews: number
  }
  /** The store could not answer, or holds something that is no session. */
  storeError: {
    readonly api: ApiInfo
    /** What decided about the request. */
    readonly feature: StoreFeature
    /** Everything the store was asked for. */
    readonly features: readonly StoreFeature[]
    /** What became of the request; `notSaved`: it was answered, what it noted on its session is lost. */
    readonly outcome: 'refused' | 'passed' | 'notSaved'
    readonly error: GatewayError
  }
  /** Other definitions, or other code of plugins, were taken over while the gateway ran. */
  reload: ReloadReport
  /** They could not be loaded: what served before goes on; at the start the APIs concerned answer 503. */
  loadError: { readonly error: GatewayError }
  /** A record was not stored because its `analytics` plugin failed. */
  recordDropped: { readonly api: ApiInfo; readonly error: GatewayError }
  /** Records never reached a sink; told together, a moment later. */
  recordsLost: RecordsLost
}

interface RefusedKey {
  readonly api: ApiInfo
  /** Masked: enough to tell keys apart. Empty on a keyless API. */
  readonly key: string
  readonly method: string
  readonly path: string
  readonly clientAddress: string
}

interface LimitReached {
  readonly max: number
  readonly periodMs: number
  /** Milliseconds until one more may pass; `Infinity`: never. */
  readonly resetMs: number
}

export type GatewayEvent = keyof GatewayEvents
export type Listener<E extends GatewayEvent> = (data: GatewayEvents[E]) => void

const EVENTS: { readonly [E in GatewayEvent]: true } = {
  authFailure: true,
  pluginError: true,
  upstreamError: true,
  circuitBreaker: true,
  targetHealth: true,
  lateChange: true,
  keyExpired: true,
  rateLimitExceeded: true,
  quotaExceeded: true,
  quotaThreshold: true,
  storeError: true,
  reload: true,
  loadError: true,
  recordDropped: true,
  recordsLost: true,
}

const debug = createDebug('postern:events')

/** Some keys are made of what plugins and stored sessions say: there could be any number. */
const MOST_WARNINGS = 1_000

/** Typed events. What goes wrong in plugins is warned about once each on stderr when nobody listens. */
export class Events {
  readonly #listeners = new Map<GatewayEvent, Set<Listener<never>>>()
  readonly #warned = new Set<string>()

  /** Returns a function that takes the listener off again. */
  on<E extends GatewayEvent>(event: E, listener: Listener<E>): () => void {
    checkListening(event, listener)
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
    }
  }

  emit<E extends GatewayEvent>(event: E, data: GatewayEvents[E]): void {
    const listeners = this.#listeners.get(event) as Set<Listener<E>> | undefined
    if (listeners === undefined || listeners.size === 0) {
      this.#nobodyListens(event, data)
      return
    }
    // A listener is the host's; what it throws must not change the answer of a request it only watches.
    const failed = (error: unknown): void =>
      this.warn(`listener ${event}`, `A listener for "${event}" threw ${describe(error)}.`)
    // oxlint-disable-next-line unicorn/no-useless-spread -- a listener that adds one would be followed for ever
    for (const listener of [...listeners]) {
      try {
        const result: unknown = listener(data)
        if (result instanceof Promise) result.catch(failed)
      } catch (error) {
        failed(error)
      }
    }
  }

  /** Warns once per key through the process, where operators look without having set anything up. */
  warn(key: string, message: string): void {
    if (this.#warned.has(key) || this.#warned.size >= MOST_WARNINGS) return
    this.#warned.add(key)
    process.emitWarning(message, 'PosternWarning')
  }

  #nobodyListens(event: GatewayEvent, data: GatewayEvents[GatewayEvent]): void {
    if ('sink' in data) {
      const text = `the record sink "${data.sink}" lost ${data.count} records (${data.reason})${data.error === undefined ? '' : `: ${data.error.message}`}`
      debug(text)
      this.warn(`${event} ${data.sink} ${data.reason}`, `(once; gateway.on('${event}', ...) sees all) ${text}`)
      return
    }
    // Whoever asked for the reload is told by what it returns.
    if (!('api' in data)) {
      debug('%s %s', event, 'error' in data ? data.error.message : '')
      return
    }
    if (!('error' in data)) {
      debug(
        '%s of API "%s" %o',
        event,
        data.api.name,
        'status' in data ? data.status : 'key' in data ? data.key : 'target' in data ? data.target : data.path,
      )
      if (event === 'lateChange')
        this.warn(
          `${event} ${data.api.id}`,
          `(once; gateway.on('${event}', ...) sees all) A plugin of API "${data.api.name}" changed a request or an answer that had left, which has no effect; does it wait for all it does?`,
        )
      return
    }
    const who = troubled(event, data)
    const { cause } = data.error
    const detail = cause === undefined ? data.error.message : `${data.error.message}\n${stackOf(cause)}`
    const text = `[${data.error.code}] ${who} of API "${data.api.name}": ${detail}`
    debug(text)
    this.warn(
      `${event} ${data.api.id} ${who} ${data.error.code}`,
      `(once; gateway.on('${event}', ...) sees all) ${text}`,
    )
  }
}

/** Who an event with an error is about. */
function troubled(event: GatewayEvent, data: GatewayEvents[GatewayEvent]): string {
  if ('plugin' in data) return `the ${data.hook} plugin "${data.plugin}"`
  if ('feature' in data) return `the store (${data.feature}, ${data.outcome})`
  return event === 'recordDropped' ? 'a record' : 'the upstream'
}

/** An event that is misspelt is never raised, and what goes wrong would be told to nobody. */
function checkListening(event: unknown, listener: unknown): void {
  if (typeof event !== 'string' || !Object.hasOwn(EVENTS, event)) {
    const name = typeof event === 'string' ? event : ''
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `There is no event ${describe(event)}; ${suggest(name, Object.keys(EVENTS))}.`,
    )
  }
  if (!isFunction(listener))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `The listener for "${event}" is ${describe(listener)}; expected a function.`,
    )
}
