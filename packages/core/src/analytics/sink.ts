import { describe, GatewayError } from '../errors.ts'
import type { AnalyticsRecord } from './record.ts'

/** Where records go beside the memory of the process. */
export interface RecordSink {
  /** What events call it; its place among the sinks when left out. */
  readonly name?: string | undefined
  /**
   * Stores records that are final, in order; one call at a time. They are copies: what is done to them concerns nobody else.
   * A rejection loses this batch: it is counted and reported, never tried again.
   */
  write(records: readonly AnalyticsRecord[]): void | Promise<void>
  /** The gateway is closed, and nothing more comes. */
  close?(): void | Promise<void>
}

/** A sink that has nothing to close. */
export type RecordWriter = (records: readonly AnalyticsRecord[]) => void | Promise<void>

/** What waits for a sink. */
export interface RecordQueueInput {
  /** Records that wait for one sink, at most. Default 10,000. */
  readonly maxQueued?: number | undefined
  /** Bytes that they hold of the memory, at most. Default 64 MiB. */
  readonly maxQueuedBytes?: number | undefined
  /** Records in one call, at most. Default 500. */
  readonly batchSize?: number | undefined
  /** Milliseconds a record waits for others to come along. Default 200. */
  readonly flushMs?: number | undefined
  /** Which records are lost when there is no room. Default `drop-oldest`. */
  readonly overflow?: 'drop-oldest' | 'drop-newest' | undefined
}

export type QueueSettings = { readonly [K in keyof RecordQueueInput]-?: NonNullable<RecordQueueInput[K]> }

export const QUEUE_DEFAULTS: QueueSettings = {
  maxQueued: 10_000,
  maxQueuedBytes: 64 * 1024 * 1024,
  batchSize: 500,
  flushMs: 200,
  overflow: 'drop-oldest',
}

/** Why records never reached a sink: there was no room, it failed, or the gateway was closed before. */
export type LossReason = 'overflow' | 'failed' | 'closed'

export interface RecordsLost {
  readonly sink: string
  readonly count: number
  readonly reason: LossReason
  /** What the sink failed with. */
  readonly error?: GatewayError | undefined
}

export function sinkError(sink: string, cause: unknown): GatewayError {
  return new GatewayError('PSTN_SINK_FAILED', `The record sink "${sink}" failed: ${describe(cause)}.`, { cause })
}
