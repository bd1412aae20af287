import { randomInt, randomUUID } from 'node:crypto'
import { type AnalyticsRecord, GatewayError, type RecordSink } from '@postern/core/store'
import { backoff } from './backoff.ts'
import { isAnswer, reasonOf, unavailable } from './failure.ts'
import { clientOf } from './own-client.ts'
import { checkedRecords, type RedisRecordsOptions } from './record-options.ts'
import { APPEND } from './record-script.ts'
import type { RedisClient } from './redis-client.ts'
import { type Outages, outageWarnings, reporter } from './reporter.ts'
import { runScript } from './script.ts'
import { encodeTykRecord, tykRecord } from './tyk-record.ts'

export interface RedisRecords extends RecordSink {
  readonly name: string
  /** Records, of this or of other processes, that this one has removed because a list was full. */
  readonly removed: number
  write(records: readonly AnalyticsRecord[]): Promise<void>
  close(): Promise<void>
}

/** How long Redis remembers which batch of a process was the last: no answer may be lost for longer. */
const MARK_SECONDS = 86_400

/** What passes without anybody having to change the records: then the batch is kept. */
const PASSING = /\b(OOM|READONLY|LOADING|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|MISCONF|BUSY|NOAUTH|WRONGPASS)\b/

/**
 * A sink that appends records to a Redis list, in the format and under the name of a real Tyk gateway, where tyk-pump reads
 * them. While Redis is away, full or read-only, the batch it has is kept, and others wait in the gateway's queue, which is
 * bounded and counts what it loses; each batch is appended once, however often it had to be sent. Wrong options throw
 * `PSTN_OPTIONS_INVALID`.
 *
 * @example
 * createGateway(definition, { sinks: [redisRecords({ url: 'redis://127.0.0.1:6379' })] })
 */
export function redisRecords(options: RedisRecordsOptions): RedisRecords {
  const settings = checkedRecords(options)
  const { name, list, multipleLists, expireSeconds, maxLength, commandTimeoutMs, onError } = settings
  const report = onError === undefined ? warn : reporter(onError)
  const outages: Outages =
    onError === undefined ? outageWarnings(undefined, 'redisRecords') : { failed: report, over: () => undefined }
  const own = clientOf(settings, outages, 'PSTN_SINK_FAILED')
  const { client, where } = own
  const writer = randomUUID()
  const ending = new AbortController()
  let batches = 0
  let removed = 0

  const failure = (reason: string): GatewayError => unavailable(where, 'store records', reason, 'PSTN_SINK_FAILED')

  /** One attempt, however long it takes: the next one is made only when the connection is done with this. */
  async function send(key: string, args: readonly (string | Buffer)[]): Promise<unknown> {
    const late = setTimeout(
      () => outages.failed(failure(own.lastError() ?? `no answer within ${commandTimeoutMs} ms`)),
      commandTimeoutMs,
    ).unref()
    try {
      // In one slot of a Cluster: what stands in braces is the list's name.
      return await runScript(client, APPEND, [key, `{${key}}:${writer}`], args)
    } finally {
      clearTimeout(late)
    }
  }

  async function append(key: string, args: readonly (string | Buffer)[]): Promise<number> {
    for (let attempt = 1; ; attempt += 1) {
      // A lazy client connects with its first command; on others it would fail, or wait unseen.
      if (client.status !== 'ready' && client.status !== 'wait') await pause(client, backoff(attempt), ending.signal)
      if (ending.signal.aborted) throw failure('the sink is closed')
      if (client.status === 'end') throw failure('the client has ended')
      try {
        const gone = await unlessEnded(send(key, args), ending.signal)
        outages.over()
        return Number(gone)
      } catch (error) {
        if (ending.signal.aborted) throw failure('the sink is closed')
        const why = failure(isAnswer(error) ? reasonOf(error) : (own.lastError() ?? reasonOf(error)))
        if (isAnswer(error) && !PASSING.test(String(error))) throw why
        outages.failed(why)
        await pause(client, backoff(attempt), ending.signal)
      }
    }
  }

  let closed: Promise<void> | undefined
  return {
    name,
    get removed() {
      return removed
    },
    async write(records) {
      if (records.length === 0) return
      batches += 1
      const key = multipleLists ? `${list}_${randomInt(10)}` : list
      const settled = [batches, expireSeconds, maxLength, MARK_SECONDS].map(String)
      const gone = await append(key, [...settled, ...records.map((record) => encodeTykRecord(tykRecord(record)))])
      if (gone === 0) return
      removed += gone
      const why = `"${key}" was full, ${gone} of its oldest records were removed: does tyk-pump read it?`
      report(new GatewayError('PSTN_SINK_FAILED', `Redis at ${where}: ${why}`))
    },
    close() {
      ending.abort()
      return (closed ??= own.close())
    },
  }
}

/** Ends early when there is a connection, or nothing more to do. */
function pause(client: RedisClient, ms: number, ending: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer)
      client.off('ready', over)
      ending.removeEventListener('abort', over)
      resolve()
    }
    const timer = setTimeout(over, ms)
    client.on('ready', over)
    ending.addEventListener('abort', over)
    if (ending.aborted) over()
  })
}

/** What becomes of `work`; a rejection at once when it ends before. A race would keep hold of every batch. */
function unlessEnded<T>(work: Promise<T>, ending: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = (): void => reject(new Error('the sink is closed'))
    ending.addEventListener('abort', over)
    work.finally(() => ending.removeEventListener('abort', over)).then(resolve, reject)
  })
}

let warnedAt = -Infinity

/** At most once a minute. */
function warn(error: GatewayError): void {
  if (performance.now() - warnedAt < 60_000) return
  warnedAt = performance.now()
  process.emitWarning(error.message, 'PosternWarning')
}
