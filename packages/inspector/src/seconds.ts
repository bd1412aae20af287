import { monitorEventLoopDelay } from 'node:perf_hooks'

/** One second of the process. */
export interface Second {
  /** Requests that ended. */
  requests: number
  /** Of those, refused or broken by the gateway, or 5xx from behind it. */
  bad: number
  /** Milliseconds the event loop was late: half of the time, and at worst. */
  delay: number
  worst: number
}

const KEPT = 120
const RESOLUTION_MS = 20

/** The last two minutes, second by second. */
export class Seconds {
  #past: Second[] = []
  #now = newSecond()
  #histogram: ReturnType<typeof monitorEventLoopDelay> | undefined
  #timer: NodeJS.Timeout | undefined

  get list(): readonly Second[] {
    return this.#past
  }

  start(): void {
    this.#past = []
    this.#now = newSecond()
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.#histogram.enable()
    this.#timer = setInterval(() => this.#next(), 1_000).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#histogram?.disable()
  }

  count(bad: boolean): void {
    this.#now.requests += 1
    if (bad) this.#now.bad += 1
  }

  #next(): void {
    const histogram = this.#histogram
    if (histogram !== undefined && histogram.max > 0) {
      // The histogram measures its own timer, which is not due before its resolution is over.
      this.#now.delay = late(histogram.percentile(50))
      this.#now.worst = late(histogram.max)
      histogram.reset()
    }
    this.#past.push(this.#now)
    if (this.#past.length > KEPT) this.#past.shift()
    this.#now = newSecond()
  }
}

function late(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
}

function newSecond(): Second {
  return { requests: 0, bad: 0, delay: 0, worst: 0 }
}
