import { timingSafeEqual } from 'node:crypto'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import { digest } from '../session/key-scheme.ts'
import type { Session } from '../session/session.ts'
import type { StoredSession } from '../session/store.ts'

/*
 * Whoever names a caller need not be that caller: a stored session serves only the credential for which a plugin made it,
 * known by its hash. It is a field of the document that a real gateway does not know and does not keep.
 */
const PROOF = 'postern_proof'

/** Of the text a plugin has accepted. */
export function fingerprintOf(credential: string, { api, name }: LoadedPlugin): string {
  return digest(`${api.id}\0${name}\0${credential}`)
}

export function vouched(session: Session, fingerprint: string): Session {
  return Object.freeze({ ...session, extra: Object.freeze({ ...session.extra, [PROOF]: fingerprint }) })
}

export function isVouched({ session }: StoredSession, fingerprint: string): boolean {
  const stored = session.extra?.[PROOF]
  if (typeof stored !== 'string') return false
  const [proof, presented] = [Buffer.from(stored), Buffer.from(fingerprint)]
  return proof.length === presented.length && timingSafeEqual(proof, presented)
}
