import { type AnalyticsRecord, copyRecord } from './record.ts'
import { RecordQueue } from './record-queue.ts'

/** Records with requests and answers word for word are large: of those fewer are kept. */
const MOST_BYTES = 64 * 1024 * 1024

/** The last records, in memory. */
export class RecordBuffer {
  readonly #capacity: number
  readonly #records: RecordQueue

  constructor(capacity: number) {
    this.#capacity = capacity
    this.#records = new RecordQueue(capacity, MOST_BYTES)
  }

  add(record: AnalyticsRecord): void {
    if (this.#capacity === 0) return
    while (this.#records.length > 0 && !this.#records.hasRoomFor(record)) this.#records.take(1)
    this.#records.add(record)
  }

  /** Copies, oldest first. */
  list(): readonly AnalyticsRecord[] {
    return this.#records.list().map(copyRecord)
  }
}
