import {
  anything,
  type Extra,
  type Fields,
  flag,
  integer,
  listOf,
  mapOf,
  number,
  object,
  optional,
  seconds,
  type Shape,
  text,
} from './shape.ts'

/** How a rate may change with the load. Kept for the real gateway; postern's limits do not change by themselves. */
interface Smoothing extends Extra {
  readonly enabled: boolean
  readonly threshold: number
  readonly trigger: number
  readonly step: number
  readonly delay: number
}

/** What a session, an access right of it, and a policy say about limits in the same words. 0 says nothing. */
export interface LimitFields extends Extra {
  /** Requests per `per` seconds; below 0: no limit. */
  readonly rate: number
  /** Seconds. */
  readonly per: number
  /** Seconds between two tries of a request that met the rate limit. */
  readonly throttleInterval: number
  /** How often such a request is tried again before it is refused; 0: at once. */
  readonly throttleRetryLimit: number
  /** Requests per `quotaRenewalRate` seconds; below 0: no limit. */
  readonly quotaMax: number
  /** Seconds; 0: the quota never renews. */
  readonly quotaRenewalRate: number
  /** Of GraphQL: kept for the real gateway, not enforced here. */
  readonly maxQueryDepth: number
  readonly smoothing: Smoothing | undefined
}

/** Limits of a key for one API, in the place of the key's own. */
export interface AccessLimit extends LimitFields {
  /** Unix seconds; a copy for display, never a decision. */
  readonly quotaRenews: number
  /** A copy for display, never a decision. */
  readonly quotaRemaining: number
}

/** Paths a key may use, with methods. */
export interface AllowedUrl extends Extra {
  /** RE2 expression, or a path with `{name}` for one segment and `/*` for the rest; it has to match the whole path. */
  readonly url: string
  readonly methods: readonly string[]
}

/** Rate limits of a key for one endpoint, by method. */
export interface EndpointLimit extends Extra {
  /** As `AllowedUrl.url`. */
  readonly path: string
  readonly methods: readonly EndpointMethodLimit[]
}

export interface EndpointMethodLimit extends Extra {
  readonly name: string
  readonly limit: EndpointRate
}

export interface EndpointRate extends Extra {
  readonly rate: number
  readonly per: number
  readonly smoothing: Smoothing | undefined
}

/** What a key may do with one API. */
export interface AccessRight extends Extra {
  readonly apiName: string
  readonly apiId: string
  /** Empty: every version. */
  readonly versions: readonly string[]
  /** Empty: every path. */
  readonly allowedUrls: readonly AllowedUrl[]
  readonly limit: AccessLimit | undefined
  /** Keys of one scope share their counters; empty: the API's id where `limit` says something. */
  readonly allowanceScope: string
  readonly endpoints: readonly EndpointLimit[]
  /** GraphQL and MCP rights: kept for the real gateway, not enforced here. */
  readonly restrictedTypes: unknown
  readonly allowedTypes: unknown
  readonly fieldAccessRights: unknown
  readonly disableIntrospection: boolean
  readonly jsonRpcMethods: unknown
  readonly jsonRpcMethodsAccessRights: unknown
  readonly mcpPrimitives: unknown
  readonly mcpAccessRights: unknown
}

const smoothing: Shape<Smoothing> = object('{ enabled, threshold, trigger, step, delay }', {
  enabled: ['enabled', flag],
  threshold: ['threshold', integer],
  trigger: ['trigger', number],
  step: ['step', integer],
  delay: ['delay', integer],
})

const SMOOTHING = optional(smoothing)

export const LIMIT_FIELDS: Fields<LimitFields> = {
  rate: ['rate', number],
  per: ['per', number],
  throttleInterval: ['throttle_interval', number],
  throttleRetryLimit: ['throttle_retry_limit', integer],
  quotaMax: ['quota_max', integer],
  quotaRenewalRate: ['quota_renewal_rate', integer],
  maxQueryDepth: ['max_query_depth', integer],
  smoothing: ['smoothing', SMOOTHING],
}

const limit: Shape<AccessLimit> = object('an object of limits', {
  ...LIMIT_FIELDS,
  quotaRenews: ['quota_renews', seconds],
  quotaRemaining: ['quota_remaining', integer],
})

const texts = listOf(text, 'text')

const allowedUrl: Shape<AllowedUrl> = object('{ url, methods }', { url: ['url', text], methods: ['methods', texts] })

const endpointLimit: Shape<EndpointLimit> = object('{ path, methods }', {
  path: ['path', text],
  methods: [
    'methods',
    listOf(
      object<EndpointMethodLimit>('{ name, limit }', {
        name: ['name', text],
        limit: [
          'limit',
          object<EndpointRate>('{ rate, per }', {
            rate: ['rate', number],
            per: ['per', number],
            smoothing: ['smoothing', SMOOTHING],
          }),
        ],
      }),
      '{ name, limit }',
    ),
  ],
})

const ACCESS_RIGHT: Shape<AccessRight> = object('an access right', {
  apiName: ['api_name', text],
  apiId: ['api_id', text],
  versions: ['versions', texts],
  allowedUrls: ['allowed_urls', listOf(allowedUrl, '{ url, methods }')],
  limit: ['limit', optional(limit)],
  allowanceScope: ['allowance_scope', text],
  endpoints: ['endpoints', listOf(endpointLimit, '{ path, methods }')],
  restrictedTypes: ['restricted_types', anything],
  allowedTypes: ['allowed_types', anything],
  fieldAccessRights: ['field_access_rights', anything],
  disableIntrospection: ['disable_introspection', flag],
  jsonRpcMethods: ['json_rpc_methods', anything],
  jsonRpcMethodsAccessRights: ['json_rpc_methods_access_rights', anything],
  mcpPrimitives: ['mcp_primitives', anything],
  mcpAccessRights: ['mcp_access_rights', anything],
})

export const ACCESS_RIGHTS = mapOf(ACCESS_RIGHT, 'access rights by API id')
