import { copyData } from '../session/data.ts'
import { arePolicies } from '../session/apply-policies.ts'
import { maskKey } from '../session/key-scheme.ts'
import type { KnownSession, Session, SessionMetadata, SessionView } from '../session/session.ts'
import { ShapeError } from '../session/shape-error.ts'
import type { StoredSession } from '../session/store.ts'

/** Who is calling: made when authentication has let somebody in. */
export interface Identity {
  /** Under which the session is stored, and whose counters these are. Never the credential. */
  readonly id: string
  /** What the session itself calls its caller: the key, `metadata.token`, or the extracted id. */
  readonly keyId: string
  /** What is stored: the session without its policies. */
  readonly session: Session
  /** Undefined for a session the `auth` plugin has just made and nobody has stored. */
  readonly stored: StoredSession | undefined
}

const NO_CHANGES: ReadonlyMap<string, unknown> = new Map()

export class Caller {
  readonly id: string
  readonly keyId: string
  readonly own: Session
  readonly stored: StoredSession | undefined
  /** With its policies: what counts. Policies are never written back into the key. */
  readonly session: Session
  /** What is left of the quota, once it was counted. */
  quota: { readonly remaining: number; readonly renews: number } | undefined
  #view: SessionView | undefined
  #metadata: SessionMetadata | undefined

  constructor({ id, keyId, session, stored }: Identity, effective: Session) {
    this.id = id
    this.keyId = keyId
    this.own = session
    this.stored = stored
    this.session = effective
  }

  /** A copy of this process is enough to go on with, until the store has confirmed it. */
  get confirmed(): boolean {
    return this.stored === undefined || this.stored.confirmed
  }

  get masked(): string {
    return maskKey(this.id)
  }

  /** What plugins are shown; made when the first one looks. */
  get view(): SessionView {
    if (this.#view !== undefined) return this.#view
    const view = { ...this.session, keyId: this.keyId }
    // A hook that runs before the quota is counted sees what the session says, one that runs later what is left.
    Object.defineProperties(view, {
      metadata: { get: () => this.#writable(), enumerable: true },
      quotaRemaining: { get: () => this.quota?.remaining ?? this.session.quotaRemaining, enumerable: true },
      quotaRenews: { get: () => this.quota?.renews ?? this.session.quotaRenews, enumerable: true },
    })
    this.#view = Object.freeze(view)
    return this.#view
  }

  /** What plugins changed in the metadata, by name; undefined for what they took out. Throws for what is no JSON data. */
  metadataChanges(): ReadonlyMap<string, unknown> {
    if (this.#metadata === undefined) return NO_CHANGES
    const before = this.session.metadata
    const now = copyData(this.#metadata, 'metadata')
    const names = new Set([...Object.keys(before), ...Object.keys(now)])
    const changed = [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(now[name]))
    // Written out here, policies would set limits and rights: a note must not become a right.
    if (changed.includes('policies') && arePolicies(now['policies']))
      throw new ShapeError('metadata.policies', 'holds policies, which only whoever makes the session may write')
    return new Map(changed.map((name) => [name, now[name]]))
  }

  /** Goes on with what was noted on another copy of the same caller's session. */
  takeOver(before: Caller): void {
    if (before.#metadata === undefined) return
    const noted = this.#writable()
    for (const [name, value] of before.#noted()) if (name !== 'token') noted[name] = value
  }

  /** What cannot be read as data stays noted as it is: that it cannot be saved is said when it is saved. */
  #noted(): Iterable<readonly [string, unknown]> {
    try {
      return this.metadataChanges()
    } catch {
      const noted = this.#metadata ?? {}
      return Object.keys(noted).flatMap((name) => {
        const value: unknown = Object.getOwnPropertyDescriptor(noted, name)?.value
        return value === undefined ? [] : [[name, value] as const]
      })
    }
  }

  #writable(): SessionMetadata {
    if (this.#metadata !== undefined) return this.#metadata
    const copy: SessionMetadata = copyData(this.session.metadata, 'metadata')
    // It names the session: the limits of this request are counted under it.
    if (copy.token !== undefined) Object.defineProperty(copy, 'token', { writable: false, configurable: false })
    this.#metadata = copy
    return copy
  }
}

/** What an `auth` plugin is shown of a session the store holds. */
export function knownSession({ session }: StoredSession, keyId: string): KnownSession {
  return Object.freeze({ ...session, keyId })
}
