import type { Charge, Standing } from './charge.ts'

/** What was used of one limit. How many there may be is asked anew each time: it may change while a counter lives. */
export abstract class Counter {
  readonly kind: Charge['kind']
  readonly scope: string
  readonly endpoint: string
  readonly periodMs: number
  /** The next counter of the same subject: a list costs less memory than names of their own. */
  next: Counter | undefined = undefined

  constructor({ kind, scope, endpoint, periodMs }: Charge) {
    this.kind = kind
    this.scope = scope
    this.endpoint = endpoint
    this.periodMs = periodMs
  }

  /** Whether this counter counts that charge. One with another algorithm or period starts afresh. */
  counts({ kind, scope, endpoint, periodMs }: Charge): boolean {
    return this.kind === kind && this.scope === scope && this.endpoint === endpoint && this.periodMs === periodMs
  }

  /** When nothing is left of what was counted, in milliseconds of the clock; `-Infinity` before the first request. */
  abstract get endsAt(): number
  /** Whether one more request may pass; `max` is 1 or more here and below. */
  abstract fits(now: number, max: number): boolean
  /** Counts a request that fits. */
  abstract count(now: number, max: number): void
  abstract standing(now: number, max: number): Standing
}
