import { GatewayError, type GatewayErrorCode, jsonProblem } from '../errors.ts'
import { ACCESS_RIGHTS, type AccessRight, LIMIT_FIELDS, type LimitFields } from './access-right.ts'
import {
  data,
  type Extra,
  flag,
  integer,
  listOf,
  mapOf,
  number,
  object,
  oneOf,
  optional,
  seconds,
  type Shape,
  text,
} from './shape.ts'
import { ShapeError } from './shape-error.ts'

/**
 * What plugins note on a session: JSON data. `token` identifies the session. Augment the interface to type your own fields:
 *
 * @example
 * declare module '@postern/core' {
 *   interface SessionMetadata { tier?: 'free' | 'gold' }
 * }
 */
export interface SessionMetadata {
  /** The unique id of the caller; without it an `auth` plugin's session is refused with 403, unless an id extractor names the caller. */
  token?: string
  [key: string]: unknown
}

interface BasicAuthData extends Extra {
  readonly password: string
  readonly hashType: string
}

interface JwtData extends Extra {
  readonly secret: string
}

/** Quota thresholds that raise `quotaThreshold`. */
interface Monitor extends Extra {
  /** Percent of the quota, each above 0. */
  readonly triggerLimits: readonly number[]
}

/** Everything a session says but its metadata, every default filled in: 0, empty and false say nothing. Its limits count over all APIs. */
export interface SessionFields extends LimitFields {
  /** A name for people, copied to the analytics record. */
  readonly alias: string
  /** Copied to the analytics record. */
  readonly tags: readonly string[]
  /** Unix seconds; a copy for display, never a decision. */
  readonly quotaRenews: number
  /** A copy for display, never a decision. */
  readonly quotaRemaining: number
  /** Unix seconds after which the key is refused with 401; 0: never. */
  readonly expires: number
  /** True: the key is refused with 403. */
  readonly isInactive: boolean
  /** What the key may do, by API id. Empty: every API of the gateway, everything. */
  readonly accessRights: Readonly<Record<string, AccessRight>>
  /** Ids of policies, in order. */
  readonly applyPolicies: readonly string[]
  /** One policy; only read where `applyPolicies` is empty. */
  readonly applyPolicyId: string
  readonly monitor: Monitor | undefined
  readonly orgId: string
  /** Unix seconds until which an extracted id vouches for its caller without asking the `auth` plugin again. */
  readonly idExtractorDeadline: number
  /** Seconds the session is kept after it was last saved; 0: as the API says. */
  readonly sessionLifetime: number
  /** What becomes of the session after `expires`. */
  readonly postExpiryAction: '' | 'retain' | 'delete'
  /** Seconds, with `retain`; -1: for ever. */
  readonly postExpiryGracePeriod: number
  /** RFC 3339, set when a key is created. */
  readonly dateCreated: string
  /** Unix seconds as text, set when a key is created or changed. */
  readonly lastUpdated: string
  readonly enableDetailedRecording: boolean
  /** Fields of a real gateway that postern keeps and does not act upon. */
  readonly enableDetailRecording: boolean
  readonly lastCheck: number
  readonly allowance: number
  readonly oauthClientId: string
  readonly oauthKeys: Readonly<Record<string, string>>
  readonly certificate: string
  readonly mtlsStaticCertificateBindings: readonly string[]
  readonly basicAuthData: BasicAuthData | undefined
  readonly jwtData: JwtData | undefined
  readonly hmacEnabled: boolean
  readonly hmacString: string
  readonly enableHttpSignatureValidation: boolean
  readonly rsaCertificateId: string
  readonly dataExpires: number
}

/** A stored session: frozen, metadata included. */
export interface Session extends SessionFields {
  readonly metadata: Readonly<SessionMetadata>
}

/** What may be left out of a `T` by its author: everything, at every depth. */
export type Given<T> = T extends readonly (infer Item)[]
  ? readonly Given<Item>[]
  : T extends object
    ? { readonly [K in keyof T as K extends 'extra' ? never : K]?: Given<T[K]> | undefined }
    : T

/** What a key may do with one API; what is left out allows everything. */
export interface AccessRightInput extends Given<AccessRight> {}

/** A session as its author writes it: what is left out says nothing. */
export interface KeyInput extends Given<Omit<SessionFields, 'accessRights'>> {
  /** By API id. Left out or empty: every API of the gateway, everything. */
  readonly accessRights?: Readonly<Record<string, AccessRightInput>> | undefined
  readonly metadata?: SessionMetadata | undefined
}

/** What an `auth` plugin returns: who is calling and what they may use. */
export interface SessionInput extends KeyInput {
  readonly metadata: SessionMetadata
}

/** The session of a request, policies applied: read-only, but for `metadata` where the hook may write it. */
export interface SessionView extends SessionFields {
  /** What identifies the session: the key, `metadata.token`, or the extracted id. */
  readonly keyId: string
  /** Written by later hooks, saved once after the answer is out. */
  readonly metadata: SessionMetadata
}

/** A session nobody may change: what the store already holds when an `auth` plugin is asked. */
export interface KnownSession extends SessionFields {
  readonly keyId: string
  readonly metadata: Readonly<SessionMetadata>
}

const texts = listOf(text, 'text')

const SESSION: Shape<Session> = object('a session', {
  alias: ['alias', text],
  tags: ['tags', texts],
  ...LIMIT_FIELDS,
  quotaRenews: ['quota_renews', seconds],
  quotaRemaining: ['quota_remaining', integer],
  expires: ['expires', seconds],
  isInactive: ['is_inactive', flag],
  accessRights: ['access_rights', ACCESS_RIGHTS],
  applyPolicies: ['apply_policies', texts],
  applyPolicyId: ['apply_policy_id', text],
  monitor: [
    'monitor',
    optional(
      object<Monitor>('{ triggerLimits }', { triggerLimits: ['trigger_limits', listOf(number, 'percentages')] }),
    ),
  ],
  orgId: ['org_id', text],
  idExtractorDeadline: ['id_extractor_deadline', seconds],
  sessionLifetime: ['session_lifetime', integer],
  postExpiryAction: ['post_expiry_action', oneOf('retain', 'delete')],
  postExpiryGracePeriod: ['post_expiry_grace_period', integer],
  dateCreated: ['date_created', text],
  lastUpdated: ['last_updated', text],
  enableDetailedRecording: ['enable_detailed_recording', flag],
  enableDetailRecording: ['enable_detail_recording', flag],
  lastCheck: ['last_check', integer],
  allowance: ['allowance', number],
  oauthClientId: ['oauth_client_id', text],
  oauthKeys: ['oauth_keys', mapOf(text, 'text')],
  certificate: ['certificate', text],
  mtlsStaticCertificateBindings: ['mtls_static_certificate_bindings', texts],
  basicAuthData: [
    'basic_auth_data',
    optional(
      object<BasicAuthData>('{ password, hashType }', { password: ['password', text], hashType: ['hash_type', text] }),
    ),
  ],
  jwtData: ['jwt_data', optional(object<JwtData>('{ secret }', { secret: ['secret', text] }))],
  hmacEnabled: ['hmac_enabled', flag],
  hmacString: ['hmac_string', text],
  enableHttpSignatureValidation: ['enable_http_signature_validation', flag],
  rsaCertificateId: ['rsa_certificate_id', text],
  dataExpires: ['data_expires', integer],
  metadata: ['meta_data', data],
})

/** A session that says nothing. */
export const EMPTY_SESSION: Session = SESSION.empty

/** Checks a session written in TypeScript. What is wrong throws `code`, with where and what was expected. */
export function parseSession(value: unknown, code: GatewayErrorCode): Session {
  try {
    return SESSION.parse(value ?? null, '')
  } catch (error) {
    throw explained(error, code)
  }
}

/** The document a store keeps: what the real gateway writes. */
export function encodeSession(session: Session): string {
  return JSON.stringify(SESSION.toJson(session) ?? {})
}

/** Reads a stored document. What cannot be a session throws `PSTN_SESSION_CORRUPT`; unknown fields are kept. */
export function decodeSession(document: string): Session {
  let value: unknown
  try {
    value = JSON.parse(document)
  } catch (cause) {
    throw new GatewayError('PSTN_SESSION_CORRUPT', `A stored session is no JSON: ${jsonProblem(cause)}.`)
  }
  // An empty session may do everything: what says nothing at all is none.
  if (value === null) throw new GatewayError('PSTN_SESSION_CORRUPT', 'A stored session is null; expected an object.')
  try {
    return SESSION.fromJson(value, '')
  } catch (error) {
    throw explained(error, 'PSTN_SESSION_CORRUPT')
  }
}

function explained(error: unknown, code: GatewayErrorCode): unknown {
  if (!(error instanceof ShapeError)) return error
  return new GatewayError(code, error.of('The session'))
}
