import type {
  AnalyticsPlugin,
  AuthPlugin,
  EndpointPlugin,
  PostAuthPlugin,
  PostPlugin,
  PrePlugin,
  ResponsePlugin,
} from './hooks.ts'
import type { RateAlgorithm } from './limits/charge.ts'
import type { LimitHeaders } from './limits/limit-headers.ts'
import type { IdWhere } from './session/extract-id.ts'
import type { PolicyInput } from './session/policy.ts'

/** A plugin as a definition names it: the function, the function with settings of its own, or where to find it. */
export type PluginEntry<P> = P | PluginSettings<P> | PluginReference

/** A plugin by its name, as definitions in files have it. */
export interface PluginReference {
  /** A function of `options.plugins`; with `path` an export of that file. */
  readonly functionName: string
  /** A file below `options.pluginsDirectory`, such as `auth/check-key.js`. */
  readonly path?: string | undefined
  /** What logs and events call it; `functionName`, or `path:functionName`, when left out. */
  readonly name?: string | undefined
  /** Milliseconds this plugin may take; the API's `pluginTimeoutMs` when left out. */
  readonly timeoutMs?: number | undefined
  readonly plugin?: undefined
}

export interface PluginSettings<P> {
  readonly plugin: P
  /** What logs and events call it; the function's name when left out. */
  readonly name?: string | undefined
  /** Milliseconds this plugin may take; the API's `pluginTimeoutMs` when left out. */
  readonly timeoutMs?: number | undefined
  readonly functionName?: undefined
}

/** The plugins of an API by hook. Arrays run in order. */
export interface HooksInput {
  readonly pre?: readonly PluginEntry<PrePlugin>[] | undefined
  /** Its presence makes the API protected. */
  readonly auth?: PluginEntry<AuthPlugin> | undefined
  /** Refused on a keyless API, where it would never run. */
  readonly postAuth?: readonly PluginEntry<PostAuthPlugin>[] | undefined
  readonly post?: readonly PluginEntry<PostPlugin>[] | undefined
  readonly response?: readonly PluginEntry<ResponsePlugin>[] | undefined
  readonly analytics?: readonly PluginEntry<AnalyticsPlugin>[] | undefined
}

/**
 * What becomes of `X-Forwarded-For`, `-Host` and `-Proto`. `append` and `set` drop what a client outside
 * `trustedProxies` claims; `append` adds to what a trusted proxy says, `set` replaces it. `remove` sends none, `off`
 * passes the client's through unchanged.
 */
export type ForwardedPolicy = 'append' | 'set' | 'remove' | 'off'

/** A target as a definition names it: its base URL, or the URL with how much of the traffic it takes. */
export type TargetInput = string | { readonly url: string; readonly weight?: number | undefined }

export interface UpstreamSettingsInput {
  /** Send the client's Host header instead of the upstream's. Default false. */
  readonly preserveHost?: boolean | undefined
  /** Default `append`. */
  readonly forwarded?: ForwardedPolicy | undefined
  /** Milliseconds to connect, DNS and TLS included. Default 10,000; 504 above. */
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds from the sent request to the response's headers. Default 60,000; 504 above. */
  readonly headersTimeoutMs?: number | undefined
  /** Milliseconds a response body may pause. Default 300,000; the client's answer is cut above. */
  readonly bodyTimeoutMs?: number | undefined
  /** False accepts any certificate. Default true. */
  readonly verifyTls?: boolean | undefined
  /** How several targets are chosen among: in turn by weight (default), or the one with the fewest requests under way. */
  readonly balance?: 'round-robin' | 'least-pending' | undefined
  /** How often a request is sent again that no upstream can have acted on. Default 1; 0 is never. */
  readonly retries?: number | undefined
  /** Failures in a row after which one of several targets is left out. Default 3. */
  readonly ejectAfter?: number | undefined
  /** Milliseconds it is left out, twice as long each further time, up to ten times this. Default 10,000. */
  readonly ejectMs?: number | undefined
  /** Asks every target how it is. Default: nobody asks. */
  readonly health?: HealthCheckInput | undefined
  /** Stops asking a target that mostly fails; 503 while that holds for all. Default false; true is all defaults. */
  readonly circuitBreaker?: boolean | CircuitBreakerInput | undefined
  /** Connections this API may use at once to one target. Default 1,024. */
  readonly maxConnections?: number | undefined
  /** Requests that may wait for one. Default 1,024; 503 above. */
  readonly maxQueued?: number | undefined
  /** Milliseconds a request may wait for one. Default 5,000; 503 above. */
  readonly queueTimeoutMs?: number | undefined
}

/** An upstream of one target. */
export interface SingleUpstreamInput extends UpstreamSettingsInput {
  /** `http:` or `https:` base URL; the request's path is put behind its path. */
  readonly url: string
  readonly targets?: undefined
}

/** An upstream of several targets. */
export interface BalancedUpstreamInput extends UpstreamSettingsInput {
  /** `http:` or `https:` base URLs, or `{ url, weight }`; all different. A weight is an integer from 1 (default) to 1,000. */
  readonly targets: readonly TargetInput[]
  readonly url?: undefined
}

/** Either `url` or `targets`, and how they are talked to. */
export type UpstreamInput = SingleUpstreamInput | BalancedUpstreamInput

/** A GET that says how a target is: 2xx is well, everything else is not. */
export interface HealthCheckInput {
  /** Put behind the target's own path, such as `/health`. */
  readonly path: string
  /** Milliseconds from one check to the next. Default 5,000. */
  readonly intervalMs?: number | undefined
  /** Milliseconds until the head of the answer. Default 2,000. */
  readonly timeoutMs?: number | undefined
  /** Bad checks in a row after which a target is not asked any more. Default 2. */
  readonly unhealthyAfter?: number | undefined
  /** Good checks in a row after which it is asked again. Default 2. */
  readonly healthyAfter?: number | undefined
}

/** When a target's circuit opens: a 5xx, no answer, and no connection are failures. */
export interface CircuitBreakerInput {
  /** Above 0, up to 1: this part of the requests of the window has failed. Default 0.5. */
  readonly failureRatio?: number | undefined
  /** Fewer requests in the window decide nothing. Default 20. */
  readonly minRequests?: number | undefined
  /** Milliseconds that are looked back on. Default 10,000. */
  readonly windowMs?: number | undefined
  /** Milliseconds until one request may ask whether it works again. Default 10,000. */
  readonly openMs?: number | undefined
}

/** Where a key comes from. A request that gives two different keys is refused with 400. */
export interface TokenInput {
  /** Default `authorization`; false: not from a header. A leading `Bearer ` is taken off. */
  readonly header?: string | false | undefined
  /** Name of a query parameter. Default: none. */
  readonly query?: string | undefined
  /** Name of a cookie. Default: none. */
  readonly cookie?: string | undefined
  /** What is taken off before the upstream sees the request: the `query` parameter (default), `all` places, or `none`. */
  readonly strip?: 'query' | 'all' | 'none' | undefined
}

/**
 * Names the caller by a part of the request before the `auth` plugin runs, and lets its session stand in for the plugin
 * until the session's `idExtractorDeadline`. The session only serves the very text (header, field or body) that the
 * plugin has accepted; another one with the same id meets the plugin.
 */
export type IdExtractorInput = IdWhere & IdProof

interface IdProof {
  /**
   * What has to be the same for the session to serve: the whole `source` (default), or the `id` alone, for ids that are
   * credentials themselves within texts that differ.
   */
  readonly proof?: 'source' | 'id' | undefined
}

export interface AuthenticationInput {
  /** Keys made with `gateway.sessions`. */
  readonly token?: boolean | TokenInput | undefined
  /**
   * Where the credential is that the `auth` plugin asks for: what the store already knows under it is `context.session`.
   * Default: the `authorization` header, and nothing is taken off. Needs `hooks.auth`.
   */
  readonly credential?: TokenInput | undefined
  /** Needs `hooks.auth`. */
  readonly idExtractor?: IdExtractorInput | undefined
  /** With `token` and `hooks.auth` both have to let the caller in; whose session it is. Default `plugin`. */
  readonly baseIdentity?: 'plugin' | 'token' | undefined
}

/** Requests per seconds. Below 1 the period grows instead: 0.5 per 1 is 1 per 2. */
export interface RateLimitInput {
  /** Above 0. */
  readonly rate: number
  /** Seconds, above 0. */
  readonly per: number
}

/** `rate` and `per` go together; without them only the endpoints are limited. */
export type LimitsInput = LimitsSettings & (RateLimitInput | { readonly rate?: undefined; readonly per?: undefined })

interface LimitsSettings {
  /** For all callers together, by endpoint; takes the place of the API's limit there. */
  readonly endpoints?: Readonly<Record<EndpointKey, RateLimitInput>> | undefined
  /** How rates are counted, those of keys included. Default `sliding-window`: never more than `rate` in any `per` seconds. */
  readonly algorithm?: RateAlgorithm | undefined
  /** Which headers tell the client: the IETF's `RateLimit`, `RateLimit-Policy`, the older `X-RateLimit-*`, both (default), or none. */
  readonly headers?: LimitHeaders | undefined
  /** False: the rates of keys do not hold at this API. Default true. */
  readonly keyRate?: boolean | undefined
  /** False: the quotas of keys do not hold at this API. Default true. */
  readonly keyQuota?: boolean | undefined
}

/** What is kept of each request beside the usual. */
export interface RecordsInput {
  /** Put on every record, behind the tags of the session. */
  readonly tags?: readonly string[] | undefined
  /** Request headers whose values become tags: `<name>-<value>`. */
  readonly tagHeaders?: readonly string[] | undefined
  /** Endpoints whose requests count together: their pattern is what the record calls `path`. */
  readonly track?: readonly EndpointKey[] | undefined
  /** Endpoints whose requests are not recorded. */
  readonly skip?: readonly EndpointKey[] | undefined
  /** Also what was sent and answered, word for word, with secrets masked. Never for upgrades. Default false. */
  readonly detailed?: boolean | undefined
  /** Bytes of each body that are recorded word for word. Default 65,536. */
  readonly maxDetailedBytes?: number | undefined
  /** Seconds after which a record may be deleted: its `expireAt`. Default: a hundred years. */
  readonly retention?: number | undefined
}

/**
 * What must not be recorded or logged, by name and without regard to case; `***` stands in its place. Always so: the headers
 * `authorization`, `proxy-authorization`, `cookie` and `set-cookie`, and where `authentication` finds keys and ids.
 */
export interface SecretsInput {
  /** Of requests and of answers. */
  readonly headers?: readonly string[] | undefined
  /** Parameters of the query. */
  readonly query?: readonly string[] | undefined
  /** Fields of bodies in JSON, XML and forms, at any depth. */
  readonly bodyFields?: readonly string[] | undefined
}

/**
 * `METHOD /path` in path-to-regexp syntax, or `METHOD ~expression`: an RE2 expression that is looked for in the path below
 * the listen path. `*` is any method. `GET` also answers `HEAD`.
 */
export type EndpointKey = `${Uppercase<string>} /${string}` | `${Uppercase<string>} ~${string}`

/** Of several endpoints that meet a request: the most specific counts, or the first that is listed. */
export type EndpointOrder = 'specific' | 'listed'

/**
 * An API as its author writes it, plugins in place.
 *
 * @example
 * const orders = defineApi({
 *   name: 'orders',
 *   listenPath: '/orders/',
 *   upstream: { url: 'http://127.0.0.1:9000' },
 *   hooks: { pre: [stampRequest], auth: checkKey, response: [hideServer] },
 *   endpoints: { 'GET /stock/:sku': [stock] },
 * })
 */
export interface ApiDefinitionInput {
  /** For editors: where the JSON Schema of definitions is. */
  readonly $schema?: string | undefined
  /** For people, logs and `context.call`. */
  readonly name: string
  /** Stable id; the name when left out. Letters, digits, `.`, `_` and `-`. */
  readonly id?: string | undefined
  readonly orgId?: string | undefined
  /** The path prefix this API answers, matched by segment; the longest wins. Default `/`. */
  readonly listenPath?: string | undefined
  /** Send the path without the listen path. Default true. */
  readonly stripListenPath?: boolean | undefined
  /** Left out: the host application's own routes are the upstream. */
  readonly upstream?: string | UpstreamInput | undefined
  readonly hooks?: HooksInput | undefined
  /** Which answers the response plugins see: those from behind the gateway (default), or also those it makes itself. */
  readonly responseScope?: 'upstream' | 'all' | undefined
  /** Per-endpoint plugins. The most specific path wins, whatever the order. */
  readonly endpoints?: Readonly<Record<EndpointKey, readonly PluginEntry<EndpointPlugin>[]>> | undefined
  /** Who may call: by key, by plugin, by both. Without it and without `hooks.auth` the API is keyless. */
  readonly authentication?: AuthenticationInput | undefined
  /** Rate limits for all callers together, and how limits work. */
  readonly limits?: LimitsInput | undefined
  /** Policies by id, before those of the gateway's options. */
  readonly policies?: Readonly<Record<string, PolicyInput>> | undefined
  /** The version keys need among the `versions` of their access right. Default: not versioned. */
  readonly version?: string | undefined
  /** Seconds a session made by the `auth` plugin is kept after it was last used. Default 2,592,000: 30 days. */
  readonly sessionLifetime?: number | undefined
  /** Keep such a session until it expires, where that is later. Default false. */
  readonly keepUntilExpiry?: boolean | undefined
  /** Match endpoint paths without regard to case. Default false. */
  readonly ignoreCase?: boolean | undefined
  /** Which of several endpoints that meet a request counts: the most specific (default), or the first that is listed. */
  readonly endpointOrder?: EndpointOrder | undefined
  /** Free data for plugins: `context.config`. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
  /** Milliseconds one plugin call may take. Default 5,000. */
  readonly pluginTimeoutMs?: number | undefined
  /** Bytes of a body a plugin may hold in memory. Default 10 MiB. */
  readonly maxBufferedBytes?: number | undefined
  /** Bytes of a request body, read or not; 413 above. Default: no limit. */
  readonly maxBodyBytes?: number | undefined
  /** Milliseconds a client may pause in its request body. Default 30,000; 408 above. */
  readonly bodyTimeoutMs?: number | undefined
  /** Milliseconds from accepting a request to the head of its answer, plugins and upstream included. Default 300,000; 504 above. */
  readonly requestTimeoutMs?: number | undefined
  /** Milliseconds a client may leave its answer unread. Default 300,000; the connection is cut above. */
  readonly sendTimeoutMs?: number | undefined
  /** Milliseconds an upgraded connection (WebSocket) may be silent both ways. Default 300,000; it is cut above. */
  readonly upgradeIdleTimeoutMs?: number | undefined
  /**
   * Fields with `_` in their names: many servers read `x_user` and `x-user` as one variable, so a client could write what
   * only the gateway may. Default `drop`: nobody sees them.
   */
  readonly underscoreHeaders?: 'drop' | 'keep' | undefined
  /** Addresses and CIDR ranges whose `X-Forwarded-*` are believed. Default: nobody. */
  readonly trustedProxies?: readonly string[] | undefined
  /** False: no analytics records. Default true; an object says what else is kept. */
  readonly records?: boolean | RecordsInput | undefined
  /** What must not be recorded or logged. */
  readonly secrets?: SecretsInput | undefined
}

/** Types a definition where it is written, so that a misspelt key or a plugin at the wrong hook is a compile error. */
export function defineApi(definition: ApiDefinitionInput): ApiDefinitionInput {
  return definition
}
