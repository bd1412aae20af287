import type { Writable } from 'node:stream'
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
  // Whoever waits for a batch is told by its callback; unheard, the event would end the process.
  stream.on('error', () => undefined)
  return {
    name,
    write: (records) =>
      new Promise((resolve, reject) => {
        stream.write(records.map(line).join(''), (error) => {
          if (error === undefined || error === null) resolve()
          else reject(error)
        })
      }),
    close: () => (end ? new Promise((resolve) => stream.end(resolve)) : undefined),
  }
}

function line(record: AnalyticsRecord): string {
  return `${JSON.stringify(record)}\n`
}
