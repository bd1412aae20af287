import type { KnownSession } from './session.ts'

/** Where sessions live between requests. */
export interface SessionStore {
  get(keyId: string): KnownSession | undefined
  set(keyId: string, session: KnownSession): void
}

/** A token names a session within one API: another API's caller of that name is somebody else. */
export function storeKey(apiId: string, token: string): string {
  return `${apiId}\0${token}`
}

/** Sessions of this process; beyond `capacity` the one unused for longest goes. */
export function memoryStore(capacity = 100_000): SessionStore {
  const sessions = new Map<string, KnownSession>()
  return {
    get(keyId) {
      const session = sessions.get(keyId)
      if (session !== undefined) {
        // A Map keeps insertion order: re-inserting makes the first key the least recently used one.
        sessions.delete(keyId)
        sessions.set(keyId, session)
      }
      return session
    },
    set(keyId, session) {
      sessions.delete(keyId)
      sessions.set(keyId, session)
      if (sessions.size > capacity) sessions.delete(sessions.keys().next().value!)
    },
  }
}
