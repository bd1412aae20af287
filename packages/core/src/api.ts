import type {
  AnalyticsPlugin,
  AuthPlugin,
  EndpointPlugin,
  PostAuthPlugin,
  PostPlugin,
  PrePlugin,
  ResponsePlugin,
} from './hooks.ts'

/** A plugin as a definition names it: the function, or the function with settings of its own. */
export type PluginEntry<P> = P | PluginSettings<P>

export interface PluginSettings<P> {
  readonly plugin: P
  /** What logs and events call it; the function's name when left out. */
  readonly name?: string | undefined
  /** Milliseconds this plugin may take; the API's `pluginTimeoutMs` when left out. */
  readonly timeoutMs?: number | undefined
}

/** The plugins of an API by hook. Arrays run in order. */
export interface HooksInput {
  readonly pre?: readonly PluginEntry<PrePlugin>[] | undefined
  /** Its presence makes the API protected; without it the API is keyless. */
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

export interface UpstreamInput {
  /** `http:` or `https:` base URL; the request's path is put behind its path. */
  readonly url: string
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
}

/** `METHOD /path` in path-to-regexp syntax; `*` is any method. `GET` also answers `HEAD`. */
export type EndpointKey = `${Uppercase<string>} /${string}`

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
  /** Per-endpoint plugins. The most specific path wins, whatever the order. */
  readonly endpoints?: Readonly<Record<EndpointKey, readonly PluginEntry<EndpointPlugin>[]>> | undefined
  /** Match endpoint paths without regard to case. Default false. */
  readonly ignoreCase?: boolean | undefined
  /** Free data for plugins: `context.config`. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
  /** Milliseconds one plugin call may take. Default 5,000. */
  readonly pluginTimeoutMs?: number | undefined
  /** Bytes of a body a plugin may hold in memory. Default 10 MiB. */
  readonly maxBufferedBytes?: number | undefined
  /** Bytes of a request body, read or not; 413 above. Default: no limit. */
  readonly maxBodyBytes?: number | undefined
  /** Addresses and CIDR ranges whose `X-Forwarded-*` are believed. Default: nobody. */
  readonly trustedProxies?: readonly string[] | undefined
  /** False: no analytics records. Default true. */
  readonly records?: boolean | undefined
}

/** The validated definition: every default filled in, frozen. */
export interface ApiDefinition {
  readonly name: string
  readonly id: string
  readonly orgId: string
  /** Canonical, with a leading and without a trailing slash; `/` at the root. */
  readonly listenPath: string
  readonly stripListenPath: boolean
  readonly upstream: Required<{ readonly [K in keyof UpstreamInput]: NonNullable<UpstreamInput[K]> }> | undefined
  /** No `auth` plugin: nobody is asked who they are. */
  readonly keyless: boolean
  readonly hooks: {
    readonly pre: readonly PluginSettings<PrePlugin>[]
    readonly auth: PluginSettings<AuthPlugin> | undefined
    readonly postAuth: readonly PluginSettings<PostAuthPlugin>[]
    readonly post: readonly PluginSettings<PostPlugin>[]
    readonly response: readonly PluginSettings<ResponsePlugin>[]
    readonly analytics: readonly PluginSettings<AnalyticsPlugin>[]
  }
  readonly endpoints: Readonly<Record<string, readonly PluginSettings<EndpointPlugin>[]>>
  readonly ignoreCase: boolean
  readonly config: Readonly<Record<string, unknown>>
  readonly pluginTimeoutMs: number
  readonly maxBufferedBytes: number
  readonly maxBodyBytes: number
  readonly trustedProxies: readonly string[]
  readonly records: boolean
}

/** What plugins learn of the API they run in. */
export interface ApiInfo {
  readonly id: string
  readonly orgId: string
  readonly name: string
  /** Frozen. */
  readonly definition: ApiDefinition
}

/** Types a definition where it is written, so that a misspelt key or a plugin at the wrong hook is a compile error. */
export function defineApi(definition: ApiDefinitionInput): ApiDefinitionInput {
  return definition
}
