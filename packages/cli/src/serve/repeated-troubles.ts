import type { ServeLog, Trouble } from './log.ts'

/** How long the same trouble is only counted. */
const PAUSE_MS = 10_000

/** So many are told apart; what comes beside them is told each time. */
const MOST = 1_000

/** A change of state is news each time: the same one comes back only behind another. */
const NEWS = new Set(['circuitBreaker', 'targetHealth'])

interface Counted {
  readonly trouble: Trouble
  /** How often it came back since it was told last. */
  again: number
}

/** Tells a trouble at once, and how often the same came back after a while: an upstream that is down fails every request. */
export class RepeatedTroubles {
  readonly #tell: (trouble: Trouble) => void
  readonly #counted = new Map<string, Counted>()

  constructor(tell: (trouble: Trouble) => void) {
    this.#tell = tell
  }

  meet(trouble: Trouble): void {
    if (NEWS.has(trouble.event)) {
      this.#tell(trouble)
      return
    }
    const key = JSON.stringify(trouble)
    const known = this.#counted.get(key)
    if (known !== undefined) {
      known.again += 1
      return
    }
    this.#tell(trouble)
    if (this.#counted.size >= MOST) return
    this.#counted.set(key, { trouble, again: 0 })
    this.#pause(key)
  }

  /** Tells what was counted and not told yet. */
  end(): void {
    for (const counted of this.#counted.values()) this.#tellCount(counted)
    this.#counted.clear()
  }

  #pause(key: string): void {
    setTimeout(() => {
      const counted = this.#counted.get(key)
      if (counted === undefined) return
      if (counted.again === 0) this.#counted.delete(key)
      else {
        this.#tellCount(counted)
        this.#pause(key)
      }
    }, PAUSE_MS).unref()
  }

  #tellCount(counted: Counted): void {
    const { trouble, again } = counted
    counted.again = 0
    if (again > 0) this.#tell({ ...trouble, again })
  }
}

/** The same log, in which what goes wrong again and again is counted; at its end it says what it has counted. */
export function tellingRepeatedTroublesOnce(log: ServeLog): ServeLog {
  const troubles = new RepeatedTroubles((trouble) => log.trouble(trouble))
  return {
    ...log,
    trouble: (trouble) => troubles.meet(trouble),
    stopped(cut) {
      troubles.end()
      log.stopped(cut)
    },
  }
}
