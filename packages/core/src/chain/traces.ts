import type { ApiInfo } from '../api.ts'
import type { GatewayErrorCode } from '../errors.ts'
import type { Hook } from '../hooks.ts'
import type { GatewayRequest } from '../http/request.ts'

/**
 * What the channels `tracing:postern:request`, `:hook`, `:plugin` and `:upstream` carry: one object from `start` to the end,
 * filled in as it goes on. The end is one of `end` (nothing had to be waited for) and `asyncEnd`; `error` comes right before
 * it, where something failed. The objects are the live ones, secrets included: read them, and pass on no more than you mean to.
 */
interface Trace {
  readonly api: ApiInfo
  /** The same object in everything published about one request. */
  readonly exchange: object
  /** In milliseconds of `performance.now()`. */
  readonly startedAt: number
  /** Milliseconds from the start to the end; undefined until then. */
  durationMs?: number
  /** What failed; undefined when nothing did. */
  error?: unknown
  /**
   * For those whose storage cannot be bound to the channel: set at `start`, it runs everything up to the end. Whoever finds one
   * there calls it within its own.
   */
  within?: (<T>(run: () => T) => T) | undefined
}

/** One request, from the moment an API has it until its answer is out. Its `analytics` plugins run after that. */
export interface RequestTrace extends Trace {
  /** What the client called it in `x-request-id`, where that is a plain token; else made when somebody asks. */
  readonly requestId: string
  readonly request: GatewayRequest
  /** The client's own, whatever plugins have made of it since. */
  readonly method: string
  /** The request target as the client sent it, with `***` for what is secret in its query. */
  readonly url: string
  /** As the client sent it, such as `1.1`. */
  readonly httpVersion: string
  /** The exchange whose plugin made this request with `context.call`; undefined for a client's own. */
  readonly parent: object | undefined
  /** What the client got; 499 when it hung up first. */
  status?: number
  /** The client did not get all of it. */
  cut?: boolean
  /** Why the gateway itself answered, or cut the answer; undefined when it did not. */
  code?: GatewayErrorCode | undefined
}

/**
 * What became of a hook: the request went `passed` it, was `answered` in it (or refused), or a plugin `failed`. The record of
 * the request can be `dropped`.
 */
export type HookOutcome = 'passed' | 'answered' | 'dropped' | 'failed'

/** All plugins of one hook, in order. Only where there are some; `endpoint` only where one matches. */
export interface HookTrace extends Trace {
  readonly hook: Hook
  /** At `endpoint`: which one, as the definition has it. */
  readonly endpoint: string | undefined
  outcome?: HookOutcome
}

/**
 * What a plugin decided: it let the request pass, answered it, denied it, or failed; an `auth` plugin that lets somebody in
 * has `granted`, an `analytics` plugin may have `dropped` the record.
 */
export type PluginOutcome = 'passed' | 'answered' | 'denied' | 'granted' | 'dropped' | 'failed'

/** One call of one plugin. */
export interface PluginTrace extends Trace {
  readonly hook: Hook
  readonly plugin: string
  /** What the plugin may change: the request, the response or the record. The same object for all plugins of a phase. */
  readonly subject: object
  /** What the plugin returned. */
  result?: unknown
  outcome?: PluginOutcome
}

/** One request to what is behind the gateway, until the head of its answer is there. */
export interface UpstreamTrace extends Trace {
  /** At `start` it has not left yet: what is set on it then is sent. */
  readonly request: GatewayRequest
  /** The host application is what is asked. */
  readonly host: boolean
  /** The base URL that was asked, of several the last one; undefined before one was chosen, and for the host application. */
  target: string | undefined
  /** The path and query behind it, with `***` for what is secret in the query. */
  readonly url: string
  /** How often it was sent. */
  attempts?: number
  status?: number
}
