import type { Charge, KeyScheme } from '@postern/core/store'

/** How the script counts a charge; see `take-script.ts`. */
export type CounterKind = 's' | 'p' | 'w' | 'g' | 'z' | 'i'

/** What sessions and counters are called. */
export interface Layout {
  readonly keys: KeyScheme
  /** The name of a session. */
  session(id: string): string
  /** The id of a session's name; undefined for other names. */
  idOf(name: string): string | undefined
  /** A glob for the names of all sessions, and of few other things. */
  readonly allSessions: string
  counter(charge: Charge): { readonly name: string; readonly kind: CounterKind }
  /** Milliseconds names are kept beyond their use. */
  readonly slackMs: number
}
