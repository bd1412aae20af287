import type { AnalyticsRecord } from './record.ts'

/** Records in order, bounded in number and in bytes. */
export class RecordQueue {
  readonly #most: number
  readonly #mostBytes: number
  #records: (AnalyticsRecord | undefined)[] = []
  /** Those before it are taken, and gone. */
  #head = 0
  #bytes = 0

  constructor(most: number, mostBytes: number) {
    this.#most = most
    this.#mostBytes = mostBytes
  }

  get length(): number {
    return this.#records.length - this.#head
  }

  hasRoomFor(record: AnalyticsRecord): boolean {
    return this.length < this.#most && this.#bytes + bytesOf(record) <= this.#mostBytes
  }

  /** Whoever adds one has asked whether there is room. */
  add(record: AnalyticsRecord): void {
    this.#records.push(record)
    this.#bytes += bytesOf(record)
  }

  /** The oldest ones. */
  take(most: number): AnalyticsRecord[] {
    const end = Math.min(this.#head + most, this.#records.length)
    const taken = this.#records.slice(this.#head, end) as AnalyticsRecord[]
    for (const record of taken) this.#bytes -= bytesOf(record)
    this.#records.fill(undefined, this.#head, end)
    this.#head = end
    // Moving the rest each time would be slow.
    if (this.#head * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#head)
      this.#head = 0
    }
    return taken
  }

  list(): readonly AnalyticsRecord[] {
    return this.#records.slice(this.#head) as AnalyticsRecord[]
  }
}

/** What a record about holds of the memory: its long texts, and some hundred bytes for all others. */
function bytesOf({ originalUrl, userAgent, rawRequest, rawResponse }: AnalyticsRecord): number {
  return 1_024 + 3 * originalUrl.length + userAgent.length + rawRequest.length + rawResponse.length
}
