import { GatewayError } from '../errors.ts'
import { ACCESS_RIGHTS, type AccessRight, type Smoothing, SMOOTHING } from './access-right.ts'
import type { Given, SessionMetadata } from './session.ts'
import { anything, data, type Extra, flag, integer, listOf, number, object, oneOf, type Shape, text } from './shape.ts'
import { ShapeError } from './shape-error.ts'

/** Which parts of a policy count. None set: all of them. */
interface Partitions extends Extra {
  readonly quota: boolean
  readonly rateLimit: boolean
  readonly complexity: boolean
  readonly acl: boolean
  /** Limits count for each API of the policy alone; not together with any other partition. */
  readonly perApi: boolean
}

/** Limits and access rights that many keys share; a session names it in `applyPolicies`. 0, empty and false say nothing. */
export interface Policy extends Extra {
  readonly id: string
  readonly name: string
  /** A key of another organisation cannot have it. */
  readonly orgId: string
  /** Requests per `per` seconds; below 0: no limit. */
  readonly rate: number
  /** Seconds. */
  readonly per: number
  readonly throttleInterval: number
  readonly throttleRetryLimit: number
  /** Requests per `quotaRenewalRate` seconds; below 0: no limit. */
  readonly quotaMax: number
  /** Seconds. */
  readonly quotaRenewalRate: number
  readonly maxQueryDepth: number
  /** What keys of this policy may do, by API id. */
  readonly accessRights: Readonly<Record<string, AccessRight>>
  readonly partitions: Partitions
  readonly isInactive: boolean
  readonly tags: readonly string[]
  readonly metadata: Readonly<SessionMetadata>
  /** Seconds a key created with this policy lives; 0: for ever. */
  readonly keyExpiresIn: number
  readonly postExpiryAction: '' | 'retain' | 'delete'
  readonly postExpiryGracePeriod: number
  readonly lastUpdated: string
  readonly smoothing: Smoothing | undefined
  readonly hmacEnabled: boolean
  readonly enableHttpSignatureValidation: boolean
  /** Kept for the real gateway, not acted upon there or here. */
  readonly active: boolean
  readonly graphqlAccessRights: unknown
}

/** A policy as its author writes it. */
export type PolicyInput = Given<Omit<Policy, 'id' | 'metadata'>> & { readonly metadata?: SessionMetadata | undefined }

const partitions: Shape<Partitions> = object('an object of partitions', {
  quota: ['quota', flag],
  rateLimit: ['rate_limit', flag],
  complexity: ['complexity', flag],
  acl: ['acl', flag],
  perApi: ['per_api', flag],
})

export const POLICY: Shape<Policy> = object('a policy', {
  id: ['id', text],
  name: ['name', text],
  orgId: ['org_id', text],
  rate: ['rate', number],
  per: ['per', number],
  throttleInterval: ['throttle_interval', number],
  throttleRetryLimit: ['throttle_retry_limit', integer],
  quotaMax: ['quota_max', integer],
  quotaRenewalRate: ['quota_renewal_rate', integer],
  maxQueryDepth: ['max_query_depth', integer],
  accessRights: ['access_rights', ACCESS_RIGHTS],
  partitions: ['partitions', partitions],
  isInactive: ['is_inactive', flag],
  tags: ['tags', listOf(text, 'text')],
  metadata: ['meta_data', data],
  keyExpiresIn: ['key_expires_in', integer],
  postExpiryAction: ['post_expiry_action', oneOf('retain', 'delete')],
  postExpiryGracePeriod: ['post_expiry_grace_period', integer],
  lastUpdated: ['last_updated', text],
  smoothing: ['smoothing', SMOOTHING],
  hmacEnabled: ['hmac_enabled', flag],
  enableHttpSignatureValidation: ['enable_http_signature_validation', flag],
  active: ['active', flag],
  graphqlAccessRights: ['graphql_access_rights', anything],
})

/** Policies by id: those of one API, or those of a gateway. */
export type Policies = Readonly<Record<string, Policy>>

/** Checks policies written in TypeScript, by id. What is wrong throws `PSTN_OPTIONS_INVALID` with where. */
export function parsePolicies(input: Readonly<Record<string, PolicyInput>>): Policies {
  return Object.freeze(Object.fromEntries(Object.entries(input).map(([id, policy]) => [id, parsePolicy(id, policy)])))
}

function parsePolicy(id: string, input: unknown): Policy {
  try {
    return Object.freeze({ ...POLICY.parse(input ?? null, ''), id })
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error
    const where = error.path === '' ? '' : `'s ${error.path}`
    throw new GatewayError('PSTN_OPTIONS_INVALID', `The policy "${id}"${where} ${error.message}.`)
  }
}
