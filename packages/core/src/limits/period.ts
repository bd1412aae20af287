import type { Standing } from './charge.ts'
import { Counter } from './counter.ts'

/** Counts to a limit within a period and then starts over; the period starts with the first request counted. */
export class Quota extends Counter {
  #start = -Infinity
  #used = 0

  /** When a period starts in which `now` lies. */
  protected startOf(now: number): number {
    return now
  }

  get endsAt(): number {
    // A period without end that never began is over nonetheless.
    return this.#start === -Infinity ? -Infinity : this.#start + this.periodMs
  }

  fits(now: number, max: number): boolean {
    return now >= this.endsAt || this.#used < max
  }

  count(now: number): void {
    if (now >= this.endsAt) {
      this.#start = this.startOf(now)
      this.#used = 0
    }
    this.#used += 1
  }

  standing(now: number, max: number): Standing {
    if (now >= this.endsAt) return { remaining: max, resetMs: this.startOf(now) + this.periodMs - now }
    return { remaining: Math.max(0, max - this.#used), resetMs: this.endsAt - now }
  }
}

/** Periods at whole multiples of their length since the Unix epoch: cheap, but twice the limit may pass around a boundary. */
export class FixedWindow extends Quota {
  protected override startOf(now: number): number {
    return now - (now % this.periodMs)
  }
}
