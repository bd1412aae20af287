import type { KeptRecord } from './kept-record.ts'
import type { AnalyticsRecord } from './record.ts'
import { RecordBuffer } from './record-buffer.ts'
import { type QueueSettings, type RecordSink, type RecordsLost, sinkError } from './sink.ts'
import { SinkQueue } from './sink-queue.ts'
import type { GatewayError } from '../errors.ts'
import { LONGEST_TIMER_MS } from '../longest-timer.ts'

interface RecorderSettings {
  /** How many records stay in memory. */
  readonly capacity: number
  readonly sinks: readonly RecordSink[]
  readonly queue: QueueSettings
  readonly onLost: (loss: RecordsLost) => void
  /** A sink that could not be closed. */
  readonly onUnclosed: (sink: string, error: GatewayError) => void
}

/** Where the records of a gateway go, whatever becomes of its definitions. */
export class Recorder {
  readonly #buffer: RecordBuffer
  readonly #queues: readonly { readonly name: string; readonly queue: SinkQueue }[]
  readonly #onUnclosed: RecorderSettings['onUnclosed']
  #dropped = 0

  constructor({ capacity, sinks, queue, onLost, onUnclosed }: RecorderSettings) {
    this.#buffer = new RecordBuffer(capacity)
    this.#onUnclosed = onUnclosed
    this.#queues = sinks.map((sink, i) => {
      const name = sink.name ?? `sinks[${i}]`
      return { name, queue: new SinkQueue(sink, name, queue, onLost) }
    })
  }

  /** A record to be written into and given to `keep`. */
  blank(): KeptRecord {
    return this.#buffer.blank()
  }

  /** Keeps what was a blank. Never fails, never waits. */
  keep(record: KeptRecord): void {
    this.#buffer.keep(record)
  }

  get hasSinks(): boolean {
    return this.#queues.length > 0
  }

  /** Nobody may change the record any more. Never fails, never waits. */
  send(record: AnalyticsRecord): void {
    for (const { queue } of this.#queues) queue.add(record)
  }

  /** Keeps it as it is, and sends it. */
  add(record: AnalyticsRecord): void {
    this.#buffer.keep(record)
    this.send(record)
  }

  drop(): void {
    this.#dropped += 1
  }

  /** Records that were not stored because their analytics plugin failed. Those a plugin dropped on purpose do not count. */
  get dropped(): number {
    return this.#dropped
  }

  /** Records that were stored and did not reach a sink; one that two sinks did not get counts twice. */
  get lost(): number {
    return this.#queues.reduce((sum, { queue }) => sum + queue.lost, 0)
  }

  /** Copies of the stored records, oldest first. */
  list(): readonly AnalyticsRecord[] {
    return this.#buffer.list()
  }

  /** Sinks get what is still waiting for them, each at its own pace, and are closed. Never rejects. */
  async close(timeoutMs: number): Promise<void> {
    await Promise.all(
      this.#queues.map(async ({ name, queue }) => {
        const deadline = new Deadline(timeoutMs)
        try {
          await deadline.within(queue.flush())
          queue.abandon()
          await deadline.within(queue.close())
        } catch (error) {
          this.#onUnclosed(name, sinkError(name, error))
        }
        deadline.end()
      }),
    )
  }
}

/** Some milliseconds for several things one after another. */
class Deadline {
  readonly #late: Promise<void>
  #timer: NodeJS.Timeout | undefined

  constructor(ms: number) {
    this.#late = new Promise((resolve) => (this.#timer = setTimeout(resolve, Math.min(ms, LONGEST_TIMER_MS))))
  }

  async within(work: Promise<void>): Promise<void> {
    await Promise.race([work, this.#late])
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}
