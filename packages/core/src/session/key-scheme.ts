import { hash, randomBytes } from 'node:crypto'

/** How keys look, and under which ids their sessions are stored. */
export interface KeyScheme {
  /** A new key, unguessable; or the key for a custom text. */
  create(orgId: string, custom?: string): string
  /** Where a key's session may be stored, first where new ones are. */
  idsOf(key: string, orgId: string): readonly [string, ...string[]]
  /** True: these are the keys themselves, and nobody is shown one. */
  readonly arePlain?: boolean | undefined
}

/**
 * 256 random bits as base64url, stored under SHA-256: a copy of the store opens nothing, and looking a key up compares
 * no secret byte by byte.
 */
export const privateKeys: KeyScheme = {
  create: (_orgId, custom) => custom ?? randomBytes(32).toString('base64url'),
  idsOf: (key) => [digest(key)],
}

/** SHA-256 in hex. */
export function digest(text: string): string {
  return hash('sha256', text, 'hex')
}

/**
 * What events and logs call a key: the beginning of its id's hash, enough to tell keys apart and to find one again, useless
 * to get in with. An id that may be the key itself is hashed first.
 */
export function maskKey(id: string): string {
  if (id === '') return ''
  const last = id.slice(id.lastIndexOf(':') + 1)
  return `${(HASH.test(last) ? last : digest(id)).slice(0, 12)}…`
}

const HASH = /^[0-9a-f]{64}$/
