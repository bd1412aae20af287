import { isIP } from 'node:net'
// Of its own: where tests replace the global one, requests leave all the same.
import { setImmediate } from 'node:timers'
import type { Connector, Outside } from '../connector.ts'
import type { Asker, Message, UpstreamPool } from '../exchange.ts'
import { Connection, type ConnectionKeeper } from './connection.ts'
import type { Deadlines } from './deadlines.ts'
import { HeadReader } from './head-reader.ts'
import { ReadBuffer, type SpareBuffers } from './read-buffer.ts'

/** A class, not a literal: V8 may keep those beyond the time of what they hold (bench/NOTES.md). */
class Waiting {
  readonly message: Message
  readonly asker: Asker

  constructor(message: Message, asker: Asker) {
    this.message = message
    this.asker = asker
  }
}

/**
 * Connections of our own to one origin. How many there may be is the affair of leases: whoever asks gets the one that was
 * used last, or a new one.
 */
export class Http1Pool implements UpstreamPool, ConnectionKeeper {
  readonly #origin: URL
  readonly #connect: Connector
  readonly #deadlines: Deadlines
  readonly #spares: SpareBuffers
  readonly #outside: Outside
  readonly heads = new HeadReader()
  readonly #all = new Set<Connection>()
  /** The last one was used last. */
  readonly #idle: Connection[] = []
  #resting: Connection[] = []
  #freed: Connection[] = []
  readonly #waiting: Waiting[] = []
  #connecting = 0
  #turning = false
  #closing = false
  #destroyed: Error | undefined
  #onEmpty: (() => void) | undefined

  constructor(origin: string, connect: Connector, deadlines: Deadlines, spares: SpareBuffers, outside: Outside) {
    this.#origin = new URL(origin)
    this.#connect = connect
    this.#deadlines = deadlines
    this.#spares = spares
    this.#outside = outside
  }

  dispatch(message: Message, asker: Asker): void {
    if (this.#destroyed !== undefined) {
      asker.error(this.#destroyed)
      return
    }
    this.#waiting.push(new Waiting(message, asker))
    this.#turnSoon()
  }

  #turnSoon(): void {
    if (this.#turning) return
    this.#turning = true
    this.#outside(() => setImmediate(this.#turn))
  }

  /**
   * The sockets of this turn of the event loop have been read. What an upstream has said to nobody must not be there when a
   * request leaves, and one that closes a connection behind its answer must not get it: so nothing leaves before, and a
   * connection that was freed rests until all sockets have been looked at once more.
   */
  readonly #turn = (): void => {
    this.#turning = false
    this.#idle.push(...this.#resting)
    this.#resting = this.#freed
    this.#freed = []
    if (this.#resting.length > 0) this.#turnSoon()
    this.#serve()
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const connection = this.#idle.pop()
      if (connection === undefined) break
      if (!connection.usable) continue
      const { message, asker } = this.#waiting.shift()!
      connection.ask(message, asker)
    }
    // Those that rest are worth to be waited for.
    const expected = this.#resting.length + this.#freed.length
    while (this.#connecting + expected < this.#waiting.length)
      this.#open(this.#waiting[this.#connecting + expected]!.message)
    if (this.#closing && this.#waiting.length === 0) this.#endIdle()
  }

  #open({ serverName }: Message): void {
    this.#connecting += 1
    const { hostname, protocol, port } = this.#origin
    const bare = hostname.replaceAll(/[[\]]/g, '')
    const reading = new ReadBuffer(this.#spares)
    this.#connect(
      {
        hostname: isIP(bare) === 0 ? hostname : bare,
        protocol,
        port,
        onread: reading.onread,
        // The certificate is the upstream's, whatever host the client asked for.
        ...(serverName !== undefined && { servername: serverName }),
      },
      (...[error, socket]) => {
        this.#connecting -= 1
        if (error !== null) {
          reading.close()
          this.#unreached(error)
        } else if (this.#destroyed !== undefined) {
          reading.close()
          socket.on('error', () => undefined).destroy()
        } else {
          const connection = new Connection(socket, reading, this, this.#deadlines)
          this.#all.add(connection)
          this.#idle.push(connection)
          this.#serve()
        }
        this.#settle()
      },
    )
  }

  /** For every one that waits there is an attempt: another one's may be its own. */
  #unreached(error: Error): void {
    if (this.#waiting.length > this.#connecting) this.#waiting.shift()!.asker.error(error)
  }

  onFree(connection: Connection): void {
    this.#freed.push(connection)
    this.#turnSoon()
  }

  onGone(connection: Connection): void {
    for (const some of [this.#idle, this.#resting, this.#freed]) {
      const at = some.lastIndexOf(connection)
      if (at !== -1) some.splice(at, 1)
    }
    if (this.#waiting.length > 0) this.#turnSoon()
  }

  onClosed(connection: Connection): void {
    this.#all.delete(connection)
    this.#settle()
  }

  close(): Promise<void> {
    this.#closing = true
    this.#endIdle()
    return this.#emptied()
  }

  #endIdle(): void {
    for (const connection of [...this.#idle, ...this.#resting, ...this.#freed]) connection.destroy()
  }

  destroy(): Promise<void> {
    const error = Object.assign(new Error('The gateway was closed.'), { code: 'ERR_POOL_CLOSED' })
    this.#destroyed = error
    for (const connection of this.#all) connection.destroy(error)
    for (const { asker } of this.#waiting.splice(0)) asker.error(error)
    return this.#emptied()
  }

  #emptied(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#onEmpty
      this.#onEmpty = () => {
        before?.()
        resolve()
      }
      this.#settle()
    })
  }

  /** Nobody is under way any more. */
  #settle(): void {
    if (this.#all.size > 0 || (this.#destroyed === undefined && this.#connecting + this.#waiting.length > 0)) return
    this.#onEmpty?.()
    this.#onEmpty = undefined
  }
}
