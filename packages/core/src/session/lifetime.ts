import type { Session } from './session.ts'

/**
 * Milliseconds a session is kept from now on: by what becomes of it after it expired where it says so, else by its own
 * lifetime, else by `defaultSeconds` (0: for ever). Never shorter than its extracted id vouches for its caller.
 */
export function remainingLifetime(session: Session, defaultSeconds: number, now = Date.now()): number {
  const seconds = now / 1000
  return Math.max(ownLifetime(session, defaultSeconds, seconds), session.idExtractorDeadline - seconds) * 1000
}

function ownLifetime(session: Session, defaultSeconds: number, now: number): number {
  const { expires, postExpiryAction, postExpiryGracePeriod: grace, sessionLifetime } = session
  if (postExpiryAction === 'delete' || (postExpiryAction === 'retain' && grace !== 0)) {
    if (expires <= 0 || (postExpiryAction === 'retain' && grace < 0)) return Number.POSITIVE_INFINITY
    return Math.max(1, expires - now + (postExpiryAction === 'retain' ? grace : 0))
  }
  const lifetime = sessionLifetime > 0 ? sessionLifetime : defaultSeconds
  return lifetime > 0 ? lifetime : Number.POSITIVE_INFINITY
}
