import type { ApiInfo } from '../api.ts'
import { GatewayError, type GatewayErrorCode } from '../errors.ts'
import type { CallInit, Context, Hook, Log, PathParams, PluginContext, RequestState } from '../hooks.ts'
import { readonlyHeaders } from '../http/headers.ts'
import type { GatewayRequest, ReadonlyGatewayRequest } from '../http/request.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import { pluginSessionId } from '../session/session-id.ts'
import type { KnownSession, SessionView } from '../session/session.ts'
import type { StoredSession } from '../session/store.ts'
import { type Caller, knownSession } from './caller.ts'
import { presentedToken } from './credential.ts'
import type { Exchange } from './exchange.ts'
import { fingerprintOf, isVouched } from './fingerprint.ts'

/** What every hook may look at. Made for one call; each member is worked out when it is read. */
export class CallContext implements PluginContext {
  readonly #exchange: Exchange
  readonly #plugin: LoadedPlugin
  #log: Log | undefined
  #controller: AbortController | undefined

  constructor(exchange: Exchange, plugin: LoadedPlugin) {
    this.#exchange = exchange
    this.#plugin = plugin
  }

  get api(): ApiInfo {
    return this.#exchange.api.info
  }

  get config(): Readonly<Record<string, unknown>> {
    return this.#exchange.api.definition.config
  }

  get requestId(): string {
    return this.#exchange.requestId
  }

  get log(): Log {
    this.#log ??= this.#plugin.log.of(this.#exchange)
    return this.#log
  }

  get state(): RequestState {
    return this.#exchange.state
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController()
      this.#controller = controller
      this.#exchange.cancellation.onCancel((reason) => controller.abort(reason))
    }
    return this.#controller.signal
  }

  // A getter, so that it still works when a plugin takes it out of the context: `({ call }) => call(...)`.
  get call(): (api: string, path: string, init?: CallInit) => Promise<Response> {
    const exchange = this.#exchange
    return (api, path, init) => exchange.api.services.call(exchange, api, path, init)
  }

  /** The call's deadline has passed. */
  static expire(context: CallContext, reason: Error): void {
    context.#controller?.abort(reason)
  }
}

class AuthCall extends CallContext {
  readonly #exchange: Exchange
  readonly #plugin: LoadedPlugin
  #session: KnownSession | undefined

  constructor(exchange: Exchange, plugin: LoadedPlugin) {
    super(exchange, plugin)
    this.#exchange = exchange
    this.#plugin = plugin
  }

  get session(): KnownSession | undefined {
    const { api, request } = this.#exchange
    const known = this.#exchange.known ?? atOnce(this.#exchange, this.#plugin)
    if (known === undefined) return undefined
    this.#session ??= knownSession(
      known,
      known.session.metadata.token ?? presentedToken(request, api.definition.authentication),
    )
    return this.#session
  }
}

/** A store within this process is asked when a plugin looks; any other has been asked before. */
function atOnce({ api, request }: Exchange, plugin: LoadedPlugin): StoredSession | undefined {
  const { store } = api.services
  if (!store.local) return undefined
  const token = presentedToken(request, api.definition.authentication)
  const known = store.load(pluginSessionId(api.info.id, token), 'copy')
  if (known === undefined || known instanceof Promise) return undefined
  return isVouched(known, fingerprintOf(token, plugin)) ? known : undefined
}

class SessionCall extends CallContext {
  readonly #exchange: Exchange

  constructor(exchange: Exchange, plugin: LoadedPlugin) {
    super(exchange, plugin)
    this.#exchange = exchange
  }

  get session(): SessionView | undefined {
    return this.#exchange.session
  }
}

class PostAuthCall extends CallContext {
  readonly #caller: Caller

  constructor(exchange: Exchange, plugin: LoadedPlugin) {
    super(exchange, plugin)
    if (exchange.caller === undefined)
      throw new GatewayError('PSTN_INTERNAL', 'A postAuth plugin ran without a session.')
    this.#caller = exchange.caller
  }

  get session(): SessionView {
    return this.#caller.view
  }
}

class EndpointCall extends SessionCall {
  readonly #params: PathParams

  constructor(exchange: Exchange, plugin: LoadedPlugin) {
    super(exchange, plugin)
    this.#params = exchange.params
  }

  // Frozen when somebody looks: it costs more than the rest of the matching.
  get params(): PathParams {
    return Object.freeze(this.#params)
  }
}

class ResponseCall extends SessionCall {
  readonly #exchange: Exchange
  #view: ReadonlyGatewayRequest | undefined

  constructor(exchange: Exchange, plugin: LoadedPlugin) {
    super(exchange, plugin)
    this.#exchange = exchange
  }

  get request(): ReadonlyGatewayRequest {
    this.#view ??= readonlyRequest(this.#exchange.request)
    return this.#view
  }

  get origin(): 'upstream' | 'gateway' {
    return this.#exchange.origin
  }

  get code(): GatewayErrorCode | undefined {
    return this.#exchange.code
  }
}

/** Which context each hook's plugins are shown: the table of the contract, as code. */
export const CONTEXTS: {
  readonly [H in Hook]: new (exchange: Exchange, plugin: LoadedPlugin) => Context<H> & CallContext
} = {
  pre: CallContext,
  auth: AuthCall,
  postAuth: PostAuthCall,
  endpoint: EndpointCall,
  post: SessionCall,
  response: ResponseCall,
  analytics: CallContext,
}

function refuse(what: string): never {
  throw new GatewayError(
    'PSTN_READ_ONLY',
    `A response plugin cannot use request.${what}: the request has been sent. Change it in a pre or post plugin.`,
  )
}

function readonlyRequest(request: GatewayRequest): ReadonlyGatewayRequest {
  const view: ReadonlyGatewayRequest & { setBody: () => never } = {
    get method() {
      return request.method
    },
    set method(_) {
      refuse('method')
    },
    get path() {
      return request.path
    },
    set path(_) {
      refuse('path')
    },
    set query(_) {
      refuse('query')
    },
    get query() {
      const { query } = request
      return Object.freeze({
        size: query.size,
        get: (name: string) => query.get(name),
        getAll: (name: string) => query.getAll(name),
        has: (name: string, value?: string) => query.has(name, value),
        toString: () => query.toString(),
        [Symbol.iterator]: () => query[Symbol.iterator](),
        set: () => refuse('query.set'),
        append: () => refuse('query.append'),
        delete: () => refuse('query.delete'),
        sort: () => refuse('query.sort'),
      })
    },
    originalUrl: request.originalUrl,
    get scheme() {
      return request.scheme
    },
    get host() {
      return request.host
    },
    get clientAddress() {
      return request.clientAddress
    },
    headers: readonlyHeaders(request.headers, refuse),
    get upstream() {
      return request.upstream
    },
    set upstream(_) {
      refuse('upstream')
    },
    get signal() {
      return request.signal
    },
    text: () => request.text(),
    json: <T>() => request.json<T>(),
    bytes: () => request.bytes(),
    setBody: () => refuse('setBody'),
  }
  return Object.freeze(view)
}
