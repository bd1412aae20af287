import type { GatewayErrorCode } from '../errors.ts'

/** What is kept of one request. An `analytics` plugin may rewrite or empty any field before it is stored. */
export interface AnalyticsRecord {
  timestamp: Date
  apiId: string
  apiName: string
  orgId: string
  /** The session's key id; empty on a keyless API. Mask it in an analytics plugin before it leaves the process. */
  apiKey: string
  alias: string
  tags: string[]
  /** As the request was when it left for the upstream, or when it was ended. */
  method: string
  host: string
  path: string
  /** The request target as the client sent it. */
  originalUrl: string
  userAgent: string
  clientAddress: string
  /** What the client got; 499 when it hung up first. */
  responseCode: number
  /** Why the gateway itself answered, such as `PSTN_RATE_LIMITED`; empty when it did not. */
  code: GatewayErrorCode | ''
  latency: {
    /** Milliseconds from accepting the request to the end of the answer. */
    totalMs: number
    /** Milliseconds from handing the request to the upstream until its headers arrived; 0 when it was not asked. */
    upstreamMs: number
  }
}

/** The last records, in memory. */
export class RecordBuffer {
  readonly #capacity: number
  readonly #records: AnalyticsRecord[] = []
  #next = 0
  #dropped = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  add(record: AnalyticsRecord): void {
    if (this.#capacity === 0) return
    this.#records[this.#next] = record
    this.#next = (this.#next + 1) % this.#capacity
  }

  drop(): void {
    this.#dropped += 1
  }

  /** Records that were not stored because their analytics plugin failed. Those a plugin dropped on purpose do not count. */
  get dropped(): number {
    return this.#dropped
  }

  /** The stored records, oldest first. */
  list(): readonly AnalyticsRecord[] {
    return [...this.#records.slice(this.#next), ...this.#records.slice(0, this.#next)]
  }
}
