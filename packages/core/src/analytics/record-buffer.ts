import { type AnalyticsRecord, copyRecord } from './record.ts'
import { RecordQueue } from './record-queue.ts'

/** Records with requests and answers word for word are large: of those fewer are kept. */
const MOST_BYTES = 64 * 1024 * 1024

/** It was the oldest. */
const forgotten = (): void => undefined

/** The last records, in memory. */
export class RecordBuffer {
  readonly #records: RecordQueue

  constructor(capacity: number) {
    this.#records = new RecordQueue(capacity, MOST_BYTES)
  }

  add(record: AnalyticsRecord): void {
    this.#records.add(record, forgotten)
  }

  /** Copies, oldest first. */
  list(): readonly AnalyticsRecord[] {
    return this.#records.list().map(copyRecord)
  }
}
