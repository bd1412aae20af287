import { type AnalyticsRecord, copyRecord } from './record.ts'
import { RecordQueue } from './record-queue.ts'
import { type LossReason, type QueueSettings, type RecordSink, type RecordsLost, sinkError } from './sink.ts'

/**
 * Stands between requests and one sink: takes records at once and without fail, hands them on in batches, one at a time, and
 * counts exactly those that never arrive.
 */
export class SinkQueue {
  readonly #sink: RecordSink
  readonly #name: string
  readonly #settings: QueueSettings
  readonly #onLost: (loss: RecordsLost) => void
  readonly #queue: RecordQueue<AnalyticsRecord>
  #lost = 0
  /** Told together: a sink that stands still may lose thousands in a second. */
  readonly #untold = new Map<LossReason, number>()
  #telling: NodeJS.Timeout | undefined
  #timer: NodeJS.Timeout | undefined
  #turn: NodeJS.Immediate | undefined
  /** The batch that is being written. */
  #writing: Promise<void> | undefined
  #unconfirmed = 0
  #over = false

  constructor(sink: RecordSink, name: string, settings: QueueSettings, onLost: (loss: RecordsLost) => void) {
    this.#sink = sink
    this.#name = name
    this.#settings = settings
    this.#onLost = onLost
    this.#queue = new RecordQueue(settings.maxQueued, settings.maxQueuedBytes)
  }

  /** Records that never reached the sink. */
  get lost(): number {
    return this.#lost
  }

  /** Nobody may change the record any more. */
  add(record: AnalyticsRecord): void {
    if (this.#over) {
      this.#lose(1, 'closed')
      return
    }
    if (this.#queue.add(record, this.#settings.overflow === 'drop-oldest' ? this.#overflow : undefined))
      this.#schedule()
    else this.#overflow()
  }

  readonly #overflow = (): void => this.#lose(1, 'overflow')

  /** Never at once: who adds a record is a request. */
  #schedule(): void {
    if (this.#writing !== undefined || this.#queue.length === 0) return
    if (this.#queue.length >= this.#settings.batchSize) this.#turn ??= setImmediate(() => this.#next())
    else this.#timer ??= setTimeout(() => this.#next(), this.#settings.flushMs).unref()
  }

  #unschedule(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#turn)
    this.#timer = undefined
    this.#turn = undefined
  }

  #next(): void {
    this.#unschedule()
    if (this.#writing !== undefined || this.#queue.length === 0 || this.#over) return
    this.#writing = this.#write().then(() => {
      this.#writing = undefined
      this.#schedule()
    })
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    const batch = this.#queue.take(this.#settings.batchSize)
    this.#unconfirmed = batch.length
    try {
      await this.#sink.write(batch.map(copyRecord))
    } catch (error) {
      // Given up by `abandon`, it is counted already.
      if (this.#unconfirmed > 0) {
        this.#lost += batch.length
        this.#onLost({
          sink: this.#name,
          count: batch.length,
          reason: 'failed',
          error: sinkError(this.#name, error),
        })
      }
    }
    this.#unconfirmed = 0
  }

  /** Resolves when nothing is left to write. */
  async flush(): Promise<void> {
    while (!this.#over && (this.#writing !== undefined || this.#queue.length > 0)) {
      this.#next()
      await this.#writing
    }
  }

  /** What is not confirmed by now is lost, and what comes later. */
  abandon(): void {
    if (this.#over) return
    this.#over = true
    this.#unschedule()
    this.#lose(this.#queue.take(this.#queue.length).length + this.#unconfirmed, 'closed')
    this.#unconfirmed = 0
    this.#tell()
  }

  async close(): Promise<void> {
    await this.#sink.close?.()
  }

  #lose(count: number, reason: LossReason): void {
    if (count === 0) return
    this.#lost += count
    this.#untold.set(reason, (this.#untold.get(reason) ?? 0) + count)
    this.#telling ??= setTimeout(() => this.#tell(), this.#settings.flushMs).unref()
  }

  #tell(): void {
    clearTimeout(this.#telling)
    this.#telling = undefined
    const losses = [...this.#untold]
    this.#untold.clear()
    for (const [reason, count] of losses) this.#onLost({ sink: this.#name, count, reason })
  }
}
