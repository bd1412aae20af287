import type { CircuitBreakerSettings } from '../api.ts'

export type CircuitState = 'open' | 'half-open' | 'closed'

const BUCKETS = 10

/**
 * Keeps a target that mostly fails from being asked. All times are milliseconds of one steady clock, given by the caller.
 * Closed it counts over a rolling window; open nobody passes; half-open one probe does, and another one whenever its time
 * is over again: a client that takes for ever to send its body must not keep everybody else away.
 */
export class CircuitBreaker {
  readonly #settings: CircuitBreakerSettings
  readonly #changed: (state: CircuitState) => void
  readonly #asked = new Uint32Array(BUCKETS)
  readonly #failed = new Uint32Array(BUCKETS)
  /** The newest slice of the window that has been counted in. */
  #slice = 0
  #state: CircuitState = 'closed'
  /** Open: when a probe may pass; half-open: when another one may. */
  #waitUntil = 0
  #probing = false

  constructor(settings: CircuitBreakerSettings, changed: (state: CircuitState) => void) {
    this.#settings = settings
    this.#changed = changed
  }

  admits(now: number): boolean {
    if (this.#state === 'closed') return true
    return now >= this.#waitUntil || (this.#state === 'half-open' && !this.#probing)
  }

  /** Milliseconds until somebody may pass, as far as anybody knows. */
  waitMs(now: number): number {
    return this.admits(now) ? 0 : this.#waitUntil - now
  }

  /** Lets one pass that is admitted. True: it is the probe, and `probed` has to be called. */
  pass(now: number): boolean {
    if (this.#state === 'closed') return false
    this.#probing = true
    this.#waitUntil = now + this.#settings.openMs
    if (this.#state === 'open') this.#become('half-open')
    return true
  }

  /** What became of a request that was no probe. Those that began before it opened say nothing new. */
  count(failed: boolean, now: number): void {
    if (this.#state !== 'closed') return
    const bucket = this.#advance(now)
    this.#asked[bucket]! += 1
    if (failed) this.#failed[bucket]! += 1
    const asked = sum(this.#asked)
    if (asked >= this.#settings.minRequests && sum(this.#failed) >= asked * this.#settings.failureRatio) this.#open(now)
  }

  /** What became of a probe; undefined where nobody can say, because its client has gone. The first to end decides. */
  probed(failed: boolean | undefined, now: number): void {
    this.#probing = false
    if (this.#state !== 'half-open') return
    if (failed === true) this.#open(now)
    else if (failed === false) this.#become('closed')
  }

  #open(now: number): void {
    this.#waitUntil = now + this.#settings.openMs
    this.#asked.fill(0)
    this.#failed.fill(0)
    this.#become('open')
  }

  #become(state: CircuitState): void {
    this.#state = state
    this.#changed(state)
  }

  /** The bucket of now, rid of what has left the window. */
  #advance(now: number): number {
    const slice = Math.floor(now / (this.#settings.windowMs / BUCKETS))
    for (let gone = Math.max(this.#slice + 1, slice - BUCKETS + 1); gone <= slice; gone += 1) {
      this.#asked[gone % BUCKETS] = 0
      this.#failed[gone % BUCKETS] = 0
    }
    this.#slice = Math.max(this.#slice, slice)
    return this.#slice % BUCKETS
  }
}

function sum(counts: Uint32Array): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
