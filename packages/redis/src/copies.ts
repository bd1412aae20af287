import type { Session, StoredSession } from '@postern/core/store'

/** A session as this process saw it last. */
export interface Copy {
  readonly confirmed: StoredSession
  readonly unconfirmed: StoredSession
  /** When it was made, and when the store was last known to hold it; milliseconds. */
  readonly madeAt: number
  confirmedAt: number
  /** When this process' last `save` lets it end; `-Infinity` where another one saved. */
  endsAt: number
}

/** Both forms at once: a request takes one without making anything. */
export function copyOf(session: Session, revision: string, madeAt: number, confirmedAt: number): Copy {
  return {
    confirmed: Object.freeze({ session, revision, confirmed: true }),
    unconfirmed: Object.freeze({ session, revision, confirmed: false }),
    madeAt,
    confirmedAt,
    endsAt: -Infinity,
  }
}

/** A map that forgets what was not looked at for longest. */
export class RecentMap<V> {
  readonly #entries = new Map<string, V>()
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(id: string): V | undefined {
    const value = this.#entries.get(id)
    if (value !== undefined) {
      // A Map keeps insertion order: re-inserting makes the first entry the one to forget.
      this.#entries.delete(id)
      this.#entries.set(id, value)
    }
    return value
  }

  set(id: string, value: V): void {
    this.#entries.delete(id)
    this.#entries.set(id, value)
    if (this.#entries.size > this.#capacity) this.#entries.delete(this.#entries.keys().next().value!)
  }

  delete(id: string): void {
    this.#entries.delete(id)
  }
}
