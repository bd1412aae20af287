import { type AnalyticsRecord, copyRecord, isPlain, overwrite } from './record.ts'
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

  constructor(capacity: number) {
    this.#records = new RecordQueue(capacity, MOST_BYTES)
    this.#capacity = capacity
  }

  /** Keeps a copy: others may keep the record itself. */
  add(record: AnalyticsRecord): void {
    const oldest = this.#records.length === this.#capacity ? this.#records.shift() : undefined
    const reusable = oldest !== undefined && isPlain(oldest) && isPlain(record)
    if (reusable) overwrite(oldest, record)
    this.#records.add(reusable ? oldest : copyRecord(record), forgotten)
  }

  /** Copies, oldest first. */
  list(): readonly AnalyticsRecord[] {
    return this.#records.list().map(copyRecord)
  }
}
