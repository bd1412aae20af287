import { GatewayError, type GatewayErrorCode } from '../errors.ts'
import type { HookTimes } from '../analytics/record.ts'
import type { Hook, PathParams, RequestState } from '../hooks.ts'
import type { Cancellation } from '../http/cancellation.ts'
import { requestIdOf } from '../http/request-id.ts'
import { GatewayRequest } from '../http/request.ts'
import type { GatewayResponse } from '../http/response.ts'
import type { LimitHeader } from '../limits/limit-headers.ts'
import type { SessionView } from '../session/session.ts'
import type { StoredSession } from '../session/store.ts'
import type { Caller } from './caller.ts'
import type { CompiledApi } from './compiled-api.ts'
import type { Credential } from './credential.ts'
import { Detail } from './detail.ts'
import type { PluginOutcome, RequestTrace } from './traces.ts'

const NO_PARAMS: PathParams = Object.freeze(Object.create(null) as PathParams)

/** Lets the rest of the host application answer, and brings its response back before the client sees any of it. */
export type HostForwarder = (request: GatewayRequest) => Promise<GatewayResponse>

const NOBODY: readonly Caller[] = Object.freeze([])

const OVER = new GatewayError('PSTN_CLIENT_CLOSED', 'The request that made this call is over.')

/** One function for each, of a name that is written there: a name worked out at run time costs as much as the clock. */
const NOTE: { readonly [H in Hook]: (times: HookTimes, ms: number) => void } = {
  pre: (times, ms) => void (times.pre = (times.pre ?? 0) + ms),
  auth: (times, ms) => void (times.auth = (times.auth ?? 0) + ms),
  postAuth: (times, ms) => void (times.postAuth = (times.postAuth ?? 0) + ms),
  endpoint: (times, ms) => void (times.endpoint = (times.endpoint ?? 0) + ms),
  post: (times, ms) => void (times.post = (times.post ?? 0) + ms),
  response: (times, ms) => void (times.response = (times.response ?? 0) + ms),
  analytics: (times, ms) => void (times.analytics = (times.analytics ?? 0) + ms),
}

/** What is kept of a request that somebody listens to. */
export interface Observed {
  /** Undefined where nobody listens to requests, and when it is over. */
  trace: RequestTrace | undefined
  /** Runs what the host application does later as part of it; undefined until the request is handed over. */
  within: (<T>(work: () => T) => T) | undefined
}

/** Everything known about one request on its way through one API. */
export class Exchange {
  readonly api: CompiledApi
  readonly request: GatewayRequest
  readonly cancellation: Cancellation
  /** The request whose plugin made this one with `context.call`; undefined for a client's own. */
  readonly calledBy: Exchange | undefined
  /** The client's own method. */
  readonly method: string
  /** As the client sent it, such as `1.1`. */
  readonly httpVersion: string
  readonly startedAt: number = performance.now()
  /** Undefined where nobody listened when it began. */
  observed: Observed | undefined
  /** What became of the plugin that was called last. */
  pluginOutcome: PluginOutcome = 'passed'
  /** The head of the answer is decided, or the host application has the request: the rest has limits of its own. */
  answered = false
  /** Whose session counts; undefined before authentication and on a keyless API. */
  caller: Caller | undefined
  /** Those who were let in beside the caller, where several methods have to agree. */
  others: readonly Caller[] = NOBODY
  /** The key as it was presented; stripping it later does not lose it. */
  credential: Credential | undefined
  /** What the store holds for the credential, before the `auth` plugin has decided. */
  known: StoredSession | undefined
  /** True: authentication asks the store itself, no copy of this process will do. */
  reconfirming = false
  /** Whose answer the response plugins meet. */
  origin: 'upstream' | 'gateway' = 'upstream'
  /** Why the gateway itself answered; undefined when it did not. */
  code: GatewayErrorCode | undefined
  /** The answer that was decided on last; undefined where the host application writes its own. */
  response: GatewayResponse | undefined
  /** The connection is a tunnel. */
  upgraded = false
  /** Undefined where nothing is recorded word for word. */
  detail: Detail | undefined
  /** Undefined as long as no hook was reached, and where nothing is recorded. */
  hookTimes: HookTimes | undefined
  /** What the client is told about its limits. */
  limitHeaders: readonly LimitHeader[] | undefined
  params: PathParams = NO_PARAMS
  /** Among those that are under way. */
  place = -1
  upstreamStartedAt = 0
  /** Milliseconds until the upstream's headers arrived. */
  upstreamMs = 0
  #hook: Hook | undefined
  #hookSince = 0
  #leave: (() => void) | undefined
  #state: RequestState | undefined
  #requestId: string | undefined
  #calls: Cancellation[] | undefined
  #over = false
  #lateReported = false

  constructor(
    api: CompiledApi,
    request: GatewayRequest,
    cancellation: Cancellation,
    calledBy?: Exchange,
    httpVersion = '1.1',
  ) {
    this.api = api
    this.request = request
    this.method = request.method
    this.cancellation = cancellation
    this.calledBy = calledBy
    this.httpVersion = httpVersion
    const { records } = api.definition
    if (records?.detailed === true) this.detail = Detail.of(request, records.maxDetailedBytes)
  }

  /** What only the session asks for begins here: nothing of the body has left yet. */
  recordAsSessionSays(): void {
    const { records } = this.api.definition
    if (records === undefined || this.detail !== undefined) return
    if (this.caller?.session.enableDetailedRecording === true)
      this.detail = Detail.of(this.request, records.maxDetailedBytes)
  }

  /** The chain goes from one hook to the next, or to none: one look at the clock for both. */
  enterHook(hook: Hook | undefined, now = performance.now()): void {
    if (this.#hook !== undefined) {
      this.hookTimes ??= {}
      NOTE[this.#hook](this.hookTimes, now - this.#hookSince)
    }
    this.#hook = hook
    this.#hookSince = now
  }

  /** Ends the hook that is under way, if one is. */
  leaveHook(now?: number): void {
    if (this.#hook !== undefined) this.enterHook(undefined, now)
  }

  get session(): SessionView | undefined {
    return this.caller?.view
  }

  /** How many `context.call`s lie above; 0 for a client's own request. */
  get depth(): number {
    return this.calledBy === undefined ? 0 : this.calledBy.depth + 1
  }

  /** Calls of plugins have that of the client's own request. */
  get requestId(): string {
    this.#requestId ??= this.calledBy?.requestId ?? requestIdOf(this.request)
    return this.#requestId
  }

  get state(): RequestState {
    this.#state ??= {}
    return this.#state
  }

  /** Calls to other APIs end with the request that made them, also when nobody reads their answer. */
  addCall(cancellation: Cancellation): void {
    if (this.#over) cancellation.cancel(OVER)
    else (this.#calls ??= []).push(cancellation)
  }

  /** The connection is a tunnel from now on. */
  becomeTunnel(): void {
    this.upgraded = true
    const { services, info } = this.api
    this.#leave ??= services.generation.keepOnly(info.id)
  }

  /** Nothing of it is left: what it used may end. */
  leave(): void {
    if (this.#leave === undefined) this.api.services.generation.leave()
    else this.#leave()
  }

  /** The answer is out. */
  end(now: number): void {
    this.leaveHook(now)
    this.#over = true
    for (const call of this.#calls ?? []) call.cancel(OVER)
    this.#calls = undefined
    GatewayRequest.body(this.request).close()
  }

  /** A plugin changed a message that had left: without effect, reported once per request. */
  lateChange(): void {
    if (this.#lateReported) return
    this.#lateReported = true
    this.api.services.events.emit('lateChange', { api: this.api.info, path: this.request.path })
  }
}
