import { describe, GatewayError } from '../errors.ts'

/**
 * What plugins note on a session. `token` identifies the session. Augment the interface to type your own fields:
 *
 * @example
 * declare module '@postern/core' {
 *   interface SessionMetadata { tier?: 'free' | 'gold' }
 * }
 */
export interface SessionMetadata {
  /** The unique id of the caller; without it an `auth` plugin's session is refused with 403. */
  token?: string
  [key: string]: unknown
}

/** What an `auth` plugin returns: who is calling and what they may use. */
export interface SessionInput {
  /** A name for people, copied to the analytics record. */
  readonly alias?: string | undefined
  /** Copied to the analytics record. */
  readonly tags?: readonly string[] | undefined
  /** Requests allowed per `per` seconds. */
  readonly rate?: number | undefined
  /** Seconds. */
  readonly per?: number | undefined
  /** Requests allowed per `quotaRenewalRate` seconds. */
  readonly quotaMax?: number | undefined
  /** Seconds. */
  readonly quotaRenewalRate?: number | undefined
  /** Unix seconds after which the key is refused with 401; 0 or absent: never. */
  readonly expires?: number | undefined
  /** True: the key is refused with 403. */
  readonly isInactive?: boolean | undefined
  readonly metadata: SessionMetadata
}

/** The session of a request: read-only, but for `metadata` where the hook may write it. */
export interface SessionView {
  /** What identifies the session: `metadata.token`. */
  readonly keyId: string
  readonly alias: string
  readonly tags: readonly string[]
  readonly rate: number
  readonly per: number
  readonly quotaMax: number
  readonly quotaRenewalRate: number
  readonly expires: number
  readonly isInactive: boolean
  /** Written by later hooks, saved once after the answer is out. */
  readonly metadata: SessionMetadata
}

/** A session nobody may change: what the store already holds when an `auth` plugin is asked. */
export interface KnownSession extends Omit<SessionView, 'metadata'> {
  readonly metadata: Readonly<SessionMetadata>
}

/** The year 5138: later ones are milliseconds by mistake. */
const LATEST_SECOND = 100_000_000_000

type Scalar = 'number' | 'string' | 'boolean'

const FIELDS: Readonly<Record<Exclude<keyof SessionInput, 'metadata' | 'tags'>, Scalar>> = {
  alias: 'string',
  rate: 'number',
  per: 'number',
  quotaMax: 'number',
  quotaRenewalRate: 'number',
  expires: 'number',
  isInactive: 'boolean',
}
// `keyId` is what a session the store held comes back with: it follows from the token and is not read.
const KNOWN = [...Object.keys(FIELDS), 'tags', 'metadata', 'keyId']

/** A frozen copy for the store, so that nothing a plugin keeps can change it. Metadata that cannot be cloned throws. */
export function snapshotOf(session: SessionView): KnownSession {
  return Object.freeze({ ...session, metadata: freezeDeep(structuredClone(session.metadata)) })
}

/** Checks what an `auth` plugin returned. Anything but a session throws `PSTN_PLUGIN_BAD_RETURN`; one without a token, `PSTN_SESSION_MISSING`. */
export function parseSession(value: unknown): SessionView {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      `An auth plugin returned ${describe(value)}; expected a session with metadata.token, or a decision.`,
    )
  }
  const input = value as Record<string, unknown>
  for (const [key, found] of Object.entries(input)) checkField(key, found)
  const metadata = input['metadata']
  if (metadata === undefined || metadata === null) throw withoutToken('no metadata')
  const copy = copyMetadata(metadata)
  if (typeof copy.token !== 'string' || copy.token === '') throw withoutToken(`metadata.token ${describe(copy.token)}`)
  // It names the session: the limits of this request are already counted under it.
  Object.defineProperty(copy, 'token', { writable: false, configurable: false })
  const session = value as SessionInput
  if ((session.expires ?? 0) > LATEST_SECOND) {
    throw new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      `The session's expires is ${describe(session.expires)}; expected unix seconds, and that looks like milliseconds.`,
    )
  }
  return Object.freeze({
    keyId: copy.token,
    alias: session.alias ?? '',
    tags: Object.freeze([...(session.tags ?? [])]),
    rate: session.rate ?? 0,
    per: session.per ?? 0,
    quotaMax: session.quotaMax ?? 0,
    quotaRenewalRate: session.quotaRenewalRate ?? 0,
    expires: session.expires ?? 0,
    isInactive: session.isInactive ?? false,
    metadata: copy,
  })
}

function checkField(key: string, value: unknown): void {
  if (!KNOWN.includes(key)) {
    throw new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      `A session has no field "${key}"; known: ${KNOWN.join(', ')}. Put your own data under metadata.`,
    )
  }
  const expected = (FIELDS as Record<string, Scalar | undefined>)[key]
  const wrong =
    expected === undefined
      ? key === 'tags' &&
        value !== undefined &&
        !(Array.isArray(value) && value.every((tag) => typeof tag === 'string'))
      : value !== undefined && (typeof value !== expected || Number.isNaN(value))
  if (wrong) {
    throw new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      `The session's ${key} is ${describe(value)}; expected ${expected === undefined ? 'an array of strings' : `a ${expected}`}.`,
    )
  }
}

/** A copy, so that an object the plugin keeps is not shared between requests. */
function copyMetadata(metadata: unknown): SessionMetadata {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      `The session's metadata is ${describe(metadata)}; expected an object.`,
    )
  }
  try {
    return structuredClone(metadata) as SessionMetadata
  } catch (cause) {
    throw new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      `The session's metadata cannot be stored: ${(cause as Error).message}`,
      { cause },
    )
  }
}

function withoutToken(found: string): GatewayError {
  return new GatewayError(
    'PSTN_SESSION_MISSING',
    `The session has ${found}; expected metadata.token, the unique id of the caller.`,
  )
}

function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value) && !ArrayBuffer.isView(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freezeDeep(inner)
  }
  return value
}
