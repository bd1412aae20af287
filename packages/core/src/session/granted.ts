import { describeUnquoted, GatewayError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { EMPTY_SESSION, parseSession, type Session } from './session.ts'
import { checkLimited } from './session-rules.ts'

/** What an `auth` plugin let in. */
export interface Granted {
  readonly session: Session
  /** `metadata.token`; empty where it is no text. */
  readonly token: string
}

/** Checks what an `auth` plugin returned. Anything but a session throws `PSTN_PLUGIN_BAD_RETURN`. */
export function grantedSession(value: unknown): Granted {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isSomethingElse(value))
    throw new GatewayError(
      'PSTN_PLUGIN_BAD_RETURN',
      `An auth plugin returned ${describeUnquoted(value)}; expected a session, at least { metadata: { token } }, or a decision: deny(), respond(), a Response or { responseCode, ... }.`,
    )
  // `keyId` is what a session the store held comes back with: it follows from the token and is not read.
  const { keyId: _, metadata, ...fields } = value as Readonly<Record<string, unknown>>
  const session = parseSession({ ...fields, metadata: metadata ?? {} }, 'PSTN_PLUGIN_BAD_RETURN')
  checkLimited(session, 'The session', 'PSTN_PLUGIN_BAD_RETURN')
  const { token } = session.metadata as { readonly token?: unknown }
  return { session, token: typeof token === 'string' ? token : '' }
}

const FIELDS = [...Object.keys(EMPTY_SESSION), 'keyId']

/** Not one of its fields is a session's, or was meant as one: to name all there are would be no help. */
function isSomethingElse(value: object): boolean {
  const names = Object.keys(value)
  return names.length > 0 && names.every((name) => !FIELDS.includes(name) && nearest(name, FIELDS) === undefined)
}
