import type { Charge, Standing, Taken } from './charge.ts'
import type { Counter } from './counter.ts'
import { Gcra } from './gcra.ts'
import { FixedWindow, Quota } from './period.ts'
import { roundOf } from './round.ts'
import { SlidingWindow } from './sliding-window.ts'
import { type Clock, steadyClock } from './steady-clock.ts'

const KINDS: { readonly [K in Charge['kind']]: new (charge: Charge) => Counter } = {
  'sliding-window': SlidingWindow,
  'fixed-window': FixedWindow,
  gcra: Gcra,
  quota: Quota,
}

/** How many subjects are looked at, to forget what has ended, each time a counter is added: more than one, so that the end is reached. */
const SWEPT_EACH_TIME = 2

/** How many are looked at to choose which counter in use is forgotten. */
const CANDIDATES = 8

const NOTHING_PASSES: Standing = Object.freeze({ remaining: 0, resetMs: Infinity })

/** Counters of this process. Charges taken together name different counters. */
export class MemoryCounters {
  /** By subject: the first of its counters. */
  readonly #subjects = new Map<string, Counter>()
  readonly #nextSubject = roundOf(this.#subjects)
  readonly #capacity: number
  readonly #now: Clock
  #size = 0
  #evicted = 0

  constructor(capacity: number, clock: Clock) {
    this.#capacity = capacity
    this.#now = steadyClock(clock)
  }

  /** How many counters there are. Those that have ended are forgotten by and by. */
  get size(): number {
    return this.#size
  }

  /** How many counters were forgotten while in use, for want of room: each may have let too much pass. */
  get evicted(): number {
    return this.#evicted
  }

  /** Counts one request against every charge, or, if one of them refuses, against none. */
  take(charges: readonly Charge[]): Taken {
    const now = this.#now()
    const counters = charges.map((charge) => this.#counterOf(charge))
    const refusedBy = charges.findIndex(({ max }, i) => max < 1 || !counters[i]!.fits(now, max))
    if (refusedBy === -1) this.#countAll(charges, counters, now)
    const standings = charges.map(({ max }, i) => standing(counters[i]!, now, max))
    return { refusedBy, standings }
  }

  /** Where counters stand; counts nothing. */
  peek(charges: readonly Charge[]): readonly Standing[] {
    const now = this.#now()
    return charges.map((charge) => standing(this.#counterOf(charge), now, charge.max))
  }

  /** Sets counters back to nothing used. */
  reset(charges: readonly Charge[]): void {
    for (const charge of charges) this.#forget(charge.subject, (counter) => counter.counts(charge))
  }

  /** The counter of a charge; a new one is kept once it has counted. */
  #counterOf(charge: Charge): Counter {
    let counter = this.#subjects.get(charge.subject)
    while (counter !== undefined && !counter.counts(charge)) counter = counter.next
    return counter ?? new KINDS[charge.kind](charge)
  }

  #countAll(charges: readonly Charge[], counters: readonly Counter[], now: number): void {
    const before = this.#size
    charges.forEach((charge, i) => this.#count(counters[i]!, charge, now))
    // Only once all have counted: one that had ended is in use again by then.
    for (let added = this.#size - before; added > 0; added--) this.#sweep(now)
  }

  #count(counter: Counter, { subject, max }: Charge, now: number): void {
    const isNew = counter.endsAt === -Infinity
    counter.count(now, max)
    if (!isNew) return
    counter.next = this.#subjects.get(subject)
    this.#subjects.set(subject, counter)
    this.#size += 1
  }

  /** Forgets some of what has ended, and, where that does not make room, what would end soonest of what comes by. */
  #sweep(now: number): void {
    for (let i = 0; i < SWEPT_EACH_TIME; i++) this.#forgetEnded(this.#nextSubject(), now)
    if (this.#size <= this.#capacity) return
    let soonest: { readonly subject: string; readonly counter: Counter } | undefined
    for (let i = 0; i < CANDIDATES && this.#size > this.#capacity; i++) {
      const entry = this.#nextSubject()
      this.#forgetEnded(entry, now)
      if (entry === undefined) continue
      const [subject] = entry
      for (let counter = this.#subjects.get(subject); counter !== undefined; counter = counter.next) {
        if (soonest === undefined || counter.endsAt < soonest.counter.endsAt) soonest = { subject, counter }
      }
    }
    if (this.#size <= this.#capacity || soonest === undefined) return
    const { subject, counter } = soonest
    this.#forget(subject, (other) => other === counter)
    this.#evicted += 1
  }

  #forgetEnded(entry: readonly [string, Counter] | undefined, now: number): void {
    if (entry !== undefined) this.#forget(entry[0], (counter) => counter.endsAt <= now)
  }

  #forget(subject: string, matches: (counter: Counter) => boolean): void {
    let kept: Counter | undefined
    let last: Counter | undefined
    let counter = this.#subjects.get(subject)
    if (counter === undefined) return
    while (counter !== undefined) {
      const { next }: Counter = counter
      if (matches(counter)) {
        this.#size -= 1
        if (last !== undefined) last.next = next
      } else {
        kept ??= counter
        last = counter
      }
      counter = next
    }
    if (kept === undefined) this.#subjects.delete(subject)
    else this.#subjects.set(subject, kept)
  }
}

function standing(counter: Counter, now: number, max: number): Standing {
  return max < 1 ? NOTHING_PASSES : counter.standing(now, max)
}
