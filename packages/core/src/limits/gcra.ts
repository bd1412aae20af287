import type { Standing } from './charge.ts'
import { Counter } from './counter.ts'

/**
 * Every request takes its share of the period, `periodMs / max`, and time gives it back: after a burst of `max`, one
 * more passes each share. Takes the same memory whatever the limit.
 */
export class Gcra extends Counter {
  /** What is not given back yet, in milliseconds, as of `#at`: kept apart from the time of day, it stays exact for tiny shares. */
  #owed = 0
  #at = -Infinity

  get endsAt(): number {
    // A millisecond late: a tiny share added to the time of day would be rounded away, and with it the counter.
    return this.#at + this.#owed + 1
  }

  fits(now: number, max: number): boolean {
    return this.#spare(now, max) >= 1
  }

  count(now: number, max: number): void {
    this.#owed = this.#owedAt(now) + this.periodMs / max
    this.#at = now
  }

  standing(now: number, max: number): Standing {
    const owed = this.#owedAt(now)
    if (owed === 0) return { remaining: max, resetMs: this.periodMs }
    const remaining = Math.max(0, Math.floor(this.#spare(now, max)))
    return { remaining, resetMs: Math.max(0, owed - this.periodMs + ((remaining + 1) * this.periodMs) / max) }
  }

  /** How many shares fit, with a millionth forgiven: a sum of fractions may come out above what it stands for. */
  #spare(now: number, max: number): number {
    return (1 - this.#owedAt(now) / this.periodMs) * max + 1e-6
  }

  #owedAt(now: number): number {
    return Math.max(0, this.#owed - (now - this.#at))
  }
}
