import type { Attributes, Context, Histogram, Meter } from '@opentelemetry/api'

/** The boundaries the convention advises, in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/** The two metrics every implementation of the HTTP conventions has. */
export class Durations {
  readonly #server: Histogram
  readonly #client: Histogram

  constructor(meter: Meter) {
    const advice = { explicitBucketBoundaries: BUCKETS }
    this.#server = meter.createHistogram('http.server.request.duration', {
      description: 'Duration of HTTP server requests.',
      unit: 's',
      advice,
    })
    this.#client = meter.createHistogram('http.client.request.duration', {
      description: 'Duration of HTTP client requests.',
      unit: 's',
      advice,
    })
  }

  server(durationMs: number, attributes: Attributes, context: Context): void {
    this.#server.record(durationMs / 1000, attributes, context)
  }

  client(durationMs: number, attributes: Attributes, context: Context): void {
    this.#client.record(durationMs / 1000, attributes, context)
  }
}
