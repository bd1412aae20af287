import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Family, labelText, type Sample } from './exposition.ts'

const RESOLUTION_MS = 20
const QUANTILES = [0.5, 0.9, 0.99, 1]

/** By how much the event loop was late, from one look to the next. */
export class EventLoopDelay implements Family {
  readonly name = 'postern_event_loop_delay_seconds'
  readonly help = 'By how much timers were late; the quantiles are those since the text was last made.'
  readonly type = 'summary'
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  #sum = 0
  #count = 0

  constructor() {
    this.#histogram.enable()
  }

  readonly samples = (): Sample[] => {
    const histogram = this.#histogram
    const { count } = histogram
    const samples = QUANTILES.map((quantile) => ({
      suffix: '',
      labels: labelText(['quantile'], [String(quantile)]),
      value: count === 0 ? Number.NaN : delaySeconds(histogram.percentile(quantile * 100)),
    }))
    if (count > 0) this.#sum += delaySeconds(histogram.mean) * count
    this.#count += count
    histogram.reset()
    return [
      ...samples,
      { suffix: '_sum', labels: '', value: this.#sum },
      { suffix: '_count', labels: '', value: this.#count },
    ]
  }

  stop(): void {
    this.#histogram.disable()
  }
}

/** Node measures from one tick of its timer to the next: what is above the interval is delay. */
function delaySeconds(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3)
}
