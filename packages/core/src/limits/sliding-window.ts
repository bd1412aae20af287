import type { Standing } from './charge.ts'
import { Counter } from './counter.ts'

/**
 * The times of the requests that passed in the last period: exact, at 8 bytes and at most 16 for each of them. Refused
 * requests leave no trace, so a client that keeps trying gets in as soon as its oldest request is a period old.
 */
export class SlidingWindow extends Counter {
  /** A ring; its length is a power of two. */
  #times: number[] = []
  #oldest = 0
  #length = 0

  get endsAt(): number {
    return this.#length === 0 ? -Infinity : this.#at(this.#length - 1) + this.periodMs
  }

  fits(now: number, max: number): boolean {
    return this.#length < max || this.#at(this.#length - max) <= now - this.periodMs
  }

  count(now: number): void {
    const live = this.#live(now)
    if (live === 0) {
      this.#times = [now]
      this.#oldest = 0
      this.#length = 1
      return
    }
    this.#oldest += this.#length - live
    this.#length = live
    // Twice the ring after itself: what had wrapped round follows on where the old ring ended.
    if (live === this.#times.length) this.#times = this.#times.concat(this.#times)
    this.#times[this.#index(live)] = now
    this.#length += 1
  }

  standing(now: number, max: number): Standing {
    const live = this.#live(now)
    if (live === 0) return { remaining: max, resetMs: this.periodMs }
    // With more in the window than may be (the limit was lowered), several have to leave before one may pass.
    const leaves = this.#at(this.#length - Math.min(live, max))
    return { remaining: Math.max(0, max - live), resetMs: leaves + this.periodMs - now }
  }

  #index(age: number): number {
    return (this.#oldest + age) & (this.#times.length - 1)
  }

  /** The time of a request; 0 is the oldest. */
  #at(age: number): number {
    return this.#times[this.#index(age)]!
  }

  /** How many of the times lie in the period that ends now. */
  #live(now: number): number {
    const start = now - this.periodMs
    let [low, high] = [0, this.#length]
    if (high === 0 || this.#at(0) > start) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#at(middle) > start) high = middle
      else low = middle + 1
    }
    return this.#length - low
  }
}
