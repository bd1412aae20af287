import type { AnalyticsRecord } from './analytics/record.ts'
import type { ApiInfo } from './api.ts'
import type { GatewayErrorCode } from './errors.ts'
import type { RequestInput } from './http/create.ts'
import type { Decision } from './http/decision.ts'
import type { GatewayRequest, ReadonlyGatewayRequest } from './http/request.ts'
import type { GatewayResponse } from './http/response.ts'
import type { KnownSession, SessionInput, SessionView } from './session/session.ts'

/** A value, or a promise of it. */
export type Maybe<T> = T | Promise<T>

/** Return nothing to pass, a decision to end the request; throwing means the plugin broke (500). */
export type PassOrEnd = Maybe<Decision | void | undefined>

/** Return the session of the caller, or a decision. Returning nothing refuses the caller (403). */
export type GrantOrEnd = Maybe<SessionInput | Decision>

/** Return nothing to keep the (changed) response, a decision to replace it. */
export type KeepOrReplace = Maybe<Decision | void | undefined>

/** Return false to drop the record. */
export type KeepOrDrop = Maybe<false | void | undefined>

/** First of all, in order, on every request. No session yet. */
export type PrePlugin = (request: GatewayRequest, context: PreContext) => PassOrEnd

/** Decides who is calling. One per API. */
export type AuthPlugin = (request: GatewayRequest, context: AuthContext) => GrantOrEnd

/** Right after authentication, in order; never on a keyless API. */
export type PostAuthPlugin = (request: GatewayRequest, context: PostAuthContext) => PassOrEnd

/** On requests whose method and path match the endpoint, in order. */
export type EndpointPlugin = (request: GatewayRequest, context: EndpointContext) => PassOrEnd

/** The last look before the upstream, in order, on every request. */
export type PostPlugin = (request: GatewayRequest, context: PostContext) => PassOrEnd

/** On every response of the upstream, in order; where `responseScope` is `all`, on those of the gateway too. */
export type ResponsePlugin = (response: GatewayResponse, context: ResponseContext) => KeepOrReplace

/** On every record, after the answer is out. A record whose plugin fails is not stored. */
export type AnalyticsPlugin = (record: AnalyticsRecord, context: AnalyticsContext) => KeepOrDrop

/** Which plugin type belongs to which hook. */
export interface Plugins {
  pre: PrePlugin
  auth: AuthPlugin
  postAuth: PostAuthPlugin
  endpoint: EndpointPlugin
  post: PostPlugin
  response: ResponsePlugin
  analytics: AnalyticsPlugin
}

export type Hook = keyof Plugins

/** The second argument of a hook's plugins: what they may look at. */
export type Context<H extends Hook> = Parameters<Plugins[H]>[1]

/** Data the plugins of one request share. Augment the interface to type your own fields. */
export interface RequestState {
  [key: string]: unknown
}

/** The named parts of an endpoint's path, decoded. A wildcard is one string; a slash the client escaped in it stays `%2F`. */
export type PathParams = Readonly<Record<string, string>>

type WriteLog = (message: string, fields?: Readonly<Record<string, unknown>>) => void

/** Where a plugin logs. `fields` end up beside api, hook, plugin and requestId. */
export interface Log {
  readonly debug: WriteLog
  readonly info: WriteLog
  readonly warn: WriteLog
  readonly error: WriteLog
}

/** What `context.call` sends; method GET and no body when left out. */
export type CallInit = RequestInput

/** What every hook may look at. */
export interface PluginContext {
  readonly api: ApiInfo
  /** The definition's `config`, frozen. */
  readonly config: Readonly<Record<string, unknown>>
  /** The request's `x-request-id` as the client sent it, where that is one plain token; else a new one. */
  readonly requestId: string
  readonly log: Log
  /** Shared by the plugins of one request. */
  readonly state: RequestState
  /** Aborted when the client hangs up, when this plugin's deadline passes, or when the gateway closes. */
  readonly signal: AbortSignal
  /**
   * Sends a request to another API of this gateway, through its whole chain, without a socket. At most 5 deep (508).
   *
   * @param api the id or the name of the API
   * @param path path and query below its listen path
   */
  readonly call: (api: string, path: string, init?: CallInit) => Promise<Response>
}

export type PreContext = PluginContext

export interface AuthContext extends PluginContext {
  /** What the store already holds for the presented token, read-only; undefined for a stranger. */
  readonly session: KnownSession | undefined
}

export interface PostAuthContext extends PluginContext {
  readonly session: SessionView
}

export interface PostContext extends PluginContext {
  /** Undefined on a keyless API. */
  readonly session: SessionView | undefined
}

export interface EndpointContext extends PostContext {
  readonly params: PathParams
}

export interface ResponseContext extends PostContext {
  /** The request as it was sent, to look at only. */
  readonly request: ReadonlyGatewayRequest
  /**
   * Who made the answer: the upstream or the host application, or the gateway itself (a plugin's decision, a check, a
   * limit, a failure), whose answers are shown where `responseScope` is `all`.
   */
  readonly origin: 'upstream' | 'gateway'
  /** Why the gateway answered; undefined where it did not, and where a plugin decided. */
  readonly code?: GatewayErrorCode | undefined
}

export type AnalyticsContext = PluginContext
