import type { Outside } from '../connector.ts'

const TICK_MS = 250

/** Something that has until a tick. */
export interface Watched {
  /** The tick by which something has to have happened. */
  readonly deadline: number
  /** It has passed. */
  overdue(): void
  /** Told with every tick on which it has not. */
  onTick(): void
}

/** A tick that does not come. */
export const NEVER = 0x3fffffff

/**
 * The time connections have, one timer for all of them: a deadline is a number that is written, a quarter of a second
 * wide. Ticks are counted, not told by the clock: whoever had to wait for a busy process is not late.
 */
export class Deadlines {
  readonly #outside: Outside
  readonly #watched = new Set<Watched>()
  #timer: NodeJS.Timeout | undefined
  #tick = 0

  constructor(outside: Outside) {
    this.#outside = outside
  }

  /** Not before `ms` have passed, and within half a second after that. */
  after(ms: number): number {
    return Math.min(this.#tick + Math.ceil(ms / TICK_MS) + 1, NEVER)
  }

  /** At the latest when `ms` have passed. */
  within(ms: number): number {
    return Math.min(this.#tick + Math.floor(ms / TICK_MS), NEVER)
  }

  watch(one: Watched): void {
    this.#watched.add(one)
    if (this.#timer !== undefined) return
    this.#outside(() => {
      this.#timer = setInterval(() => this.#turn(), TICK_MS).unref()
    })
  }

  forget(one: Watched): void {
    this.#watched.delete(one)
    if (this.#watched.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #turn(): void {
    this.#tick += 1
    for (const one of this.#watched) {
      if (one.deadline <= this.#tick) one.overdue()
      else one.onTick()
    }
  }
}
