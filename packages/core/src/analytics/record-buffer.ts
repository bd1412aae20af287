import { KeptRecord } from './kept-record.ts'
import { type AnalyticsRecord, copyRecord } from './record.ts'
import { RecordQueue } from './record-queue.ts'

/** Records with requests and answers word for word are large: of those fewer are kept. */
const MOST_BYTES = 64 * 1024 * 1024

/** It was the oldest. */
const forgotten = (): void => undefined

/**
 * The last records, in memory. Once there are as many as may be, the oldest is written over and not replaced, as long as
 * nobody else has it: what lives for a thousand requests is moved twice by the garbage collector, which costs more than the
 * rest of a record.
 */
export class RecordBuffer {
  readonly #records: RecordQueue<AnalyticsRecord | KeptRecord>
  readonly #capacity: number

  constructor(capacity: number) {
    this.#records = new RecordQueue(capacity, MOST_BYTES)
    this.#capacity = capacity
  }

  /** A record to be written into and then kept: the oldest, taken out, where there are as many as may be. */
  blank(): KeptRecord {
    const oldest = this.#records.length === this.#capacity ? this.#records.shift() : undefined
    return oldest instanceof KeptRecord ? oldest : new KeptRecord()
  }

  /** Keeps what was a blank, or a record that others have as well: that one is never written over. */
  keep(record: KeptRecord | AnalyticsRecord): void {
    this.#records.add(record, forgotten)
  }

  /** Copies, oldest first. */
  list(): readonly AnalyticsRecord[] {
    return this.#records.list().map((record) => (record instanceof KeptRecord ? record.toRecord() : copyRecord(record)))
  }
}
