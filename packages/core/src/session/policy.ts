import { GatewayError } from '../errors.ts'
import { ACCESS_RIGHTS, type AccessRight, LIMIT_FIELDS, type LimitFields } from './access-right.ts'
import type { AccessRightInput, Given, SessionMetadata } from './session.ts'
import { anything, data, type Extra, flag, integer, listOf, object, oneOf, type Shape, text } from './shape.ts'
import { checkLimited } from './session-rules.ts'
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
export interface Policy extends LimitFields {
  readonly id: string
  readonly name: string
  /** A key of another organisation cannot have it. */
  readonly orgId: string
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
  readonly hmacEnabled: boolean
  readonly enableHttpSignatureValidation: boolean
  /** Kept for the real gateway, not acted upon there or here. */
  readonly active: boolean
  readonly graphqlAccessRights: unknown
}

/** A policy as its author writes it. */
export interface PolicyInput extends Given<Omit<Policy, 'id' | 'metadata' | 'accessRights'>> {
  /** By API id. */
  readonly accessRights?: Readonly<Record<string, AccessRightInput>> | undefined
  /** Copied into the session in effect; never its `token`. */
  readonly metadata?: SessionMetadata | undefined
}

const PARTITIONS: Shape<Partitions> = object('an object of partitions', {
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
  ...LIMIT_FIELDS,
  accessRights: ['access_rights', ACCESS_RIGHTS],
  partitions: ['partitions', PARTITIONS],
  isInactive: ['is_inactive', flag],
  tags: ['tags', listOf(text, 'text')],
  metadata: ['meta_data', data],
  keyExpiresIn: ['key_expires_in', integer],
  postExpiryAction: ['post_expiry_action', oneOf('retain', 'delete')],
  postExpiryGracePeriod: ['post_expiry_grace_period', integer],
  lastUpdated: ['last_updated', text],
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
  const policy = readPolicy(id, input)
  const what = `The policy "${id}"`
  checkLimited(policy, what, 'PSTN_OPTIONS_INVALID')
  const mistake = mistakeIn(policy)
  if (mistake !== undefined) throw new GatewayError('PSTN_OPTIONS_INVALID', `${what} ${mistake}.`)
  return policy
}

/** Its fields, each by itself: a policy of one of them need make no sense. @internal */
export function readPolicy(id: string, input: unknown): Policy {
  try {
    return Object.freeze({ ...POLICY.parse(input ?? null, ''), id })
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error
    throw new GatewayError('PSTN_OPTIONS_INVALID', error.of(`The policy "${id}"`))
  }
}

/** What would let nobody in, or let everybody through. */
function mistakeIn({ partitions, accessRights }: Policy): string | undefined {
  const { perApi, quota, rateLimit, complexity, acl } = partitions
  const partitioned = quota || rateLimit || complexity || acl
  if (perApi && partitioned) return 'has perApi together with other partitions; expected perApi alone'
  const limited = Object.entries(accessRights).find(([, { limit }]) => limit !== undefined)
  if (limited !== undefined && !perApi)
    return `has accessRights.${limited[0]}.limit, which counts with partitions.perApi only; set that, or say the limit in the policy itself`
  if (Object.keys(accessRights).length === 0 && (acl || !partitioned))
    return 'gives access to no API; expected accessRights such as { orders: {} }, or partitions without acl'
  return undefined
}
