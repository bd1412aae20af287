import type { Writable } from 'node:stream'
import { describe, GatewayError } from '../errors.ts'
import { isFunction } from '../functions.ts'
import type { AnalyticsRecord } from './record.ts'
import type { RecordSink } from './sink.ts'

interface JsonLinesOptions {
  /** What events call it. Default `jsonLines`. */
  readonly name?: string | undefined
  /** Ends the stream when the gateway is closed. Default false: whoever made it ends it. */
  readonly end?: boolean | undefined
}

/**
 * A sink that writes one JSON object a line to a stream: a file, a pipe, `process.stdout`. Dates are ISO 8601. The next batch
 * waits until the stream has taken the one before, however long that takes.
 *
 * @example
 * createGateway(definition, { sinks: [jsonLines(createWriteStream('records.jsonl', { flags: 'a' }), { end: true })] })
 */
export function jsonLines(stream: Writable, { name = 'jsonLines', end = false }: JsonLinesOptions = {}): RecordSink {
  if (!isStream(stream))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `jsonLines takes a stream, not ${describe(stream)}; expected one such as createWriteStream('records.jsonl', { flags: 'a' }).`,
    )
  // Unheard, it would end the process; what comes after it only says that the stream is gone.
  let first: Error | undefined
  stream.on('error', (error: Error) => void (first ??= error))
  return {
    name,
    write: (records) =>
      new Promise((resolve, reject) => {
        stream.write(records.map(line).join(''), (error) => {
          if (error === undefined || error === null) resolve()
          else reject(first ?? error)
        })
      }),
    close: () => (end ? new Promise((resolve) => stream.end(resolve)) : undefined),
  }
}

function line(record: AnalyticsRecord): string {
  return `${JSON.stringify(record)}\n`
}

/** Not by its class: a response of Node's, and streams of libraries, are none of `Writable`. */
function isStream(value: unknown): value is Writable {
  const { write, on } = (value ?? {}) as { readonly write?: unknown; readonly on?: unknown }
  return isFunction(write) && isFunction(on)
}
