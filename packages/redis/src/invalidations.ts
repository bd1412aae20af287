import { randomBytes } from 'node:crypto'
import type { GatewayError } from '@postern/core/store'
import { backoff } from './backoff.ts'
import { reasonOf, unavailable } from './failure.ts'
import { mastersOf, type RedisClient, type Subscriber } from './redis-client.ts'

/** Names a process in what it publishes, so that it can tell its own changes from those of others. */
export function processName(): string {
  return randomBytes(6).toString('hex')
}

/** What every change of a session publishes. */
export function changeMessage(process: string, id: string): string {
  return `${process} ${id}`
}

export interface Invalidations {
  /** Since when every change has been heard of, in milliseconds of `performance.now()`; undefined while none are. */
  readonly since: number | undefined
  close(): void
}

export interface Listening {
  readonly client: RedisClient
  readonly channel: string
  readonly where: string
  /** Whose messages are not news. */
  readonly process: string
  readonly onChange: (id: string) => void
  readonly onError: (error: GatewayError) => void
}

/** Hears which sessions other processes change, on a connection of its own that comes back by itself. */
export function listen({ client, channel, where, process, onChange, onError }: Listening): Invalidations {
  let since: number | undefined
  let closed = false
  let attempt = 0
  let current: Subscriber | undefined
  let timer: NodeJS.Timeout | undefined

  const failed = (error: unknown): void => {
    if (!closed) onError(unavailable(where, 'tell of changed sessions', reasonOf(error)))
  }
  const again = (): void => {
    since = undefined
    if (!closed) timer = setTimeout(open, backoff((attempt += 1)))
  }

  function open(): void {
    const masters = mastersOf(client)
    const source = masters[Math.floor(Math.random() * masters.length)]
    // A Cluster that is not connected knows no server yet.
    if (source === undefined) return again()
    const subscriber = source.duplicate({ lazyConnect: true, retryStrategy: null, enableOfflineQueue: true })
    current = subscriber
    subscriber.on('error', failed)
    subscriber.on('end', again)
    subscriber.on('message', (_channel, message) => {
      const [sender, id] = split(message)
      if (sender !== process) onChange(id)
    })
    subscriber
      .connect()
      .then(() => subscriber.subscribe(channel))
      .then(
        () => {
          since = performance.now()
          attempt = 0
        },
        (error: unknown) => {
          failed(error)
          // Ends the connection, which starts over.
          subscriber.disconnect()
        },
      )
  }

  open()
  return {
    get since() {
      return since
    },
    close() {
      closed = true
      clearTimeout(timer)
      current?.disconnect()
    },
  }
}

function split(message: string): readonly [sender: string, id: string] {
  const space = message.indexOf(' ')
  return [message.slice(0, space), message.slice(space + 1)]
}
