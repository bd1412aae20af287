import type { Charge, Standing, Taken } from '../limits/charge.ts'
import type { KeyScheme } from './key-scheme.ts'
import type { Session } from './session.ts'

/** A value, or a promise of it. */
type Maybe<T> = T | Promise<T>

/** A session as the store holds it. */
export interface StoredSession {
  /** Frozen, metadata included. The same object as long as nothing changed, so that what was worked out from it may be kept. */
  readonly session: Session
  /** Changes whenever what is stored changes. */
  readonly revision: string
  /** False: a copy of this process, which `take` confirms while it counts. */
  readonly confirmed: boolean
}

/** What must be stored now for a `save` to happen. */
export type Expectation = { readonly revision: string } | 'absent' | 'present' | 'anything'

export interface SessionPage {
  readonly sessions: readonly { readonly id: string; readonly session: Session }[]
  /** For the next page; undefined after the last one. */
  readonly cursor: string | undefined
}

/**
 * Where sessions and counters live. Every method may answer at once or later; a store that cannot answer rejects with
 * `PSTN_STORE_UNAVAILABLE`, for a session it cannot read with `PSTN_SESSION_CORRUPT`, and never takes longer than it promises.
 */
export interface Store {
  /** True: every method answers at once, never with a promise. */
  readonly local: boolean
  /** How keys are made, and under which id their session is stored. */
  readonly keys: KeyScheme
  /** Rejects when the store was to be there at start and is not. */
  ready(): Maybe<void>
  /** `copy` allows an unconfirmed copy of this process; `confirmed` asks the store. */
  load(id: string, freshness: 'copy' | 'confirmed'): Maybe<StoredSession | undefined>
  /**
   * Counts one request against every charge, or, if one of them refuses, against none: atomic across all processes.
   * `'changed'` when `expected` is not what is stored under its id any more (then nothing was counted).
   */
  take(
    charges: readonly Charge[],
    expected?: { readonly id: string; readonly revision: string },
  ): Maybe<Taken | 'changed'>
  /** Where counters stand; counts nothing. */
  peek(charges: readonly Charge[]): Maybe<readonly Standing[]>
  /** Sets counters back to nothing used. */
  reset(charges: readonly Charge[]): Maybe<void>
  /**
   * False when what is stored is not what was expected. `lifetimeMs` from now; `Infinity` keeps it. With `'anything'` a
   * store may skip what it knows to hold already.
   */
  save(id: string, session: Session, lifetimeMs: number, expected: Expectation): Maybe<boolean>
  /** False when there was none. Takes effect everywhere on the next request. */
  remove(id: string): Maybe<boolean>
  /** About `limit` sessions, in no order. */
  list(cursor: string | undefined, limit: number): Maybe<SessionPage>
  /** Lets go of connections and timers. */
  close(): Maybe<void>
}
