import type { Session } from './session.ts'

/** How long an API keeps sessions that do not say it themselves. */
export interface Keeping {
  /** Seconds; 0: for ever. */
  readonly sessionLifetime: number
  /** One that expires later is kept until then. */
  readonly keepUntilExpiry: boolean
}

/** Nobody but the session itself says how long it is kept. */
export const KEPT_FOR_EVER: Keeping = Object.freeze({ sessionLifetime: 0, keepUntilExpiry: false })

/**
 * Milliseconds a session is kept from now on: by what becomes of it after it expired where it says so, else by its own
 * lifetime, else by the API's. Never shorter than its extracted id vouches for its caller.
 */
export function remainingLifetime(session: Session, keeping: Keeping, now = Date.now()): number {
  const seconds = now / 1000
  return Math.max(ownLifetime(session, keeping, seconds), session.idExtractorDeadline - seconds) * 1000
}

function ownLifetime(session: Session, keeping: Keeping, now: number): number {
  const { expires, postExpiryAction, postExpiryGracePeriod: grace, sessionLifetime } = session
  if (postExpiryAction === 'delete' || (postExpiryAction === 'retain' && grace !== 0)) {
    if (expires <= 0 || (postExpiryAction === 'retain' && grace < 0)) return Number.POSITIVE_INFINITY
    return Math.max(1, expires - now + (postExpiryAction === 'retain' ? grace : 0))
  }
  const lifetime = sessionLifetime > 0 ? sessionLifetime : keeping.sessionLifetime
  if (lifetime <= 0 || (keeping.keepUntilExpiry && expires <= 0)) return Number.POSITIVE_INFINITY
  return keeping.keepUntilExpiry ? Math.max(lifetime, expires - now) : lifetime
}
