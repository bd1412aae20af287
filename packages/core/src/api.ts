import type {
  AnalyticsPlugin,
  AuthPlugin,
  EndpointPlugin,
  PostAuthPlugin,
  PostPlugin,
  PrePlugin,
  ResponsePlugin,
} from './hooks.ts'
import type {
  CircuitBreakerInput,
  EndpointOrder,
  HealthCheckInput,
  PluginSettings,
  RateLimitInput,
  UpstreamSettingsInput,
} from './api-input.ts'
import type { Secrets } from './analytics/masks.ts'
import type { RateAlgorithm } from './limits/charge.ts'
import type { LimitHeaders } from './limits/limit-headers.ts'
import type { IdExtractor } from './session/extract-id.ts'
import type { Policies } from './session/policy.ts'

export interface Token {
  /** Lower case; undefined: not from a header. */
  readonly header: string | undefined
  readonly query: string | undefined
  readonly cookie: string | undefined
  readonly strip: 'query' | 'all' | 'none'
}

/** Every setting filled in. */
type Filled<T> = { readonly [K in keyof T]-?: NonNullable<T[K]> }

/** @internal */
export type HealthCheckSettings = Filled<HealthCheckInput>
/** @internal */
export type CircuitBreakerSettings = Filled<CircuitBreakerInput>

export interface Upstream extends Filled<Omit<UpstreamSettingsInput, 'health' | 'circuitBreaker'>> {
  /** The first of the targets. */
  readonly url: string
  readonly targets: readonly { readonly url: string; readonly weight: number }[]
  readonly health: HealthCheckSettings | undefined
  readonly circuitBreaker: CircuitBreakerSettings | undefined
}

/** The validated definition: every default filled in, frozen. */
export interface ApiDefinition {
  readonly name: string
  readonly id: string
  readonly orgId: string
  /** Canonical, with a leading and without a trailing slash; `/` at the root. */
  readonly listenPath: string
  readonly stripListenPath: boolean
  readonly upstream: Upstream | undefined
  /** Neither keys nor an `auth` plugin: nobody is asked who they are. */
  readonly keyless: boolean
  readonly authentication: {
    readonly token: Token | undefined
    readonly credential: Token
    readonly idExtractor: IdExtractor | undefined
    readonly baseIdentity: 'plugin' | 'token'
  }
  readonly limits: {
    readonly api: RateLimitInput | undefined
    readonly endpoints: Readonly<Record<string, RateLimitInput>>
    readonly algorithm: RateAlgorithm
    readonly headers: LimitHeaders
    readonly keyRate: boolean
    readonly keyQuota: boolean
  }
  readonly policies: Policies
  /** Empty: not versioned. */
  readonly version: string
  readonly sessionLifetime: number
  readonly keepUntilExpiry: boolean
  readonly hooks: {
    readonly pre: readonly PluginSettings<PrePlugin>[]
    readonly auth: PluginSettings<AuthPlugin> | undefined
    readonly postAuth: readonly PluginSettings<PostAuthPlugin>[]
    readonly post: readonly PluginSettings<PostPlugin>[]
    readonly response: readonly PluginSettings<ResponsePlugin>[]
    readonly analytics: readonly PluginSettings<AnalyticsPlugin>[]
  }
  readonly responseScope: 'upstream' | 'all'
  readonly endpoints: Readonly<Record<string, readonly PluginSettings<EndpointPlugin>[]>>
  readonly ignoreCase: boolean
  readonly endpointOrder: EndpointOrder
  readonly config: Readonly<Record<string, unknown>>
  readonly pluginTimeoutMs: number
  readonly maxBufferedBytes: number
  readonly maxBodyBytes: number
  readonly bodyTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly sendTimeoutMs: number
  readonly upgradeIdleTimeoutMs: number
  readonly underscoreHeaders: 'drop' | 'keep'
  readonly trustedProxies: readonly string[]
  /** Undefined: none are made. */
  readonly records: Records | undefined
  /** Those that always are, included. */
  readonly secrets: Secrets
}

interface Records {
  readonly tags: readonly string[]
  /** Lower case. */
  readonly tagHeaders: readonly string[]
  readonly track: readonly string[]
  readonly skip: readonly string[]
  readonly detailed: boolean
  readonly maxDetailedBytes: number
  readonly retention: number | undefined
}

/** What plugins learn of the API they run in. */
export interface ApiInfo {
  readonly id: string
  readonly orgId: string
  readonly name: string
  /** Frozen. */
  readonly definition: ApiDefinition
  /** The Tyk document the definition was made from, frozen; undefined for a native definition. */
  readonly document: Readonly<Record<string, unknown>> | undefined
}
