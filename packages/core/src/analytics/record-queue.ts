import type { AnalyticsRecord } from './record.ts'

/** Few at first: most queues stay short. */
const FIRST_SLOTS = 16

/** The texts that make a record large. */
type Sized = Pick<AnalyticsRecord, 'originalUrl' | 'userAgent' | 'rawRequest' | 'rawResponse'>

/** Records in order, bounded in number and in bytes. */
export class RecordQueue<R extends Sized> {
  readonly #most: number
  readonly #mostBytes: number
  /** A circle that grows as long as it may. */
  #slots: (R | undefined)[] = Array.from({ length: FIRST_SLOTS })
  /** Where the oldest one is. */
  #head = 0
  #length = 0
  #bytes = 0

  constructor(most: number, mostBytes: number) {
    this.#most = most
    this.#mostBytes = mostBytes
  }

  get length(): number {
    return this.#length
  }

  /** False where there is no room for it; `instead`: then the oldest ones make room, as far as that helps. */
  add(record: R, instead: (() => void) | undefined): boolean {
    const bytes = bytesOf(record)
    while (this.#length >= this.#most || this.#bytes + bytes > this.#mostBytes) {
      if (instead === undefined || this.#length === 0) return false
      this.#drop()
      instead()
    }
    if (this.#length === this.#slots.length) this.#grow()
    this.#slots[(this.#head + this.#length) % this.#slots.length] = record
    this.#length += 1
    this.#bytes += bytes
    return true
  }

  /** The oldest ones. */
  take(most: number): R[] {
    const taken: R[] = []
    while (taken.length < most && this.#length > 0) taken.push(this.#drop())
    return taken
  }

  /** The oldest one. */
  shift(): R | undefined {
    return this.#length === 0 ? undefined : this.#drop()
  }

  list(): R[] {
    return Array.from({ length: this.#length }, (_, i) => this.#slots[(this.#head + i) % this.#slots.length]!)
  }

  #drop(): R {
    const record = this.#slots[this.#head]!
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) % this.#slots.length
    this.#length -= 1
    this.#bytes -= bytesOf(record)
    return record
  }

  #grow(): void {
    const records = this.list()
    records.length = Math.min(this.#most, 2 * records.length)
    this.#slots = records
    this.#head = 0
  }
}

/** What a record about holds of the memory: its long texts, and some hundred bytes for all others. */
function bytesOf({ originalUrl, userAgent, rawRequest, rawResponse }: Sized): number {
  return 1_024 + 3 * originalUrl.length + userAgent.length + rawRequest.length + rawResponse.length
}
