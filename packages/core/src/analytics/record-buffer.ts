import { type AnalyticsRecord, copyRecord, overwrite } from './record.ts'
import { RecordQueue } from './record-queue.ts'

/** Records with requests and answers word for word are large: of those fewer are kept. */
const MOST_BYTES = 64 * 1024 * 1024

/** It was the oldest. */
const forgotten = (): void => undefined

/**
 * The last records, in memory. Once there are as many as may be, the oldest is written over and not replaced: what lives
 * for a thousand requests is moved twice by the garbage collector, which costs more than the rest of a record.
 */
export class RecordBuffer {
  readonly #records: RecordQueue
  readonly #capacity: number
  /** Those that plugins have seen, who may have added to them. */
  readonly #seen = new WeakSet<AnalyticsRecord>()

  constructor(capacity: number) {
    this.#records = new RecordQueue(capacity, MOST_BYTES)
    this.#capacity = capacity
  }

  /** Keeps a copy: others may keep the record itself. `seen`: by plugins. */
  add(record: AnalyticsRecord, seen: boolean): void {
    const oldest = this.#records.length === this.#capacity ? this.#records.shift() : undefined
    if (seen) {
      const copy = copyRecord(record)
      this.#seen.add(copy)
      this.#records.add(copy, forgotten)
    } else if (oldest === undefined || this.#seen.has(oldest)) this.#records.add(copyRecord(record), forgotten)
    else {
      overwrite(oldest, record)
      this.#records.add(oldest, forgotten)
    }
  }

  /** Copies, oldest first. */
  list(): readonly AnalyticsRecord[] {
    return this.#records.list().map(copyRecord)
  }
}
