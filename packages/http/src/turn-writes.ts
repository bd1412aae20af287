import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { Socket } from 'node:net'

/** What is ready does not wait longer than this for what becomes ready later in the same turn. */
const LONGEST_WAIT_MS = 1

let waiting: TurnWrite[] = []
let written: TurnWrite[] = []
let waitingSince = 0
let turning = false

/** The end of a turn belongs to none of the requests in it. */
const outside = AsyncLocalStorage.snapshot()

/** A write that waits for the end of its turn, on the connection it is for. */
const PENDING = Symbol('postern.pending')

type Written = (error?: Error | null) => void
type Connection = Socket & { [PENDING]?: TurnWrite | undefined }

/**
 * Writes a text with all others of this turn of the event loop: each write wakes who waits for it, on another core as often as
 * not, and writes in a row wake him once (bench/NOTES.md). `done` hears of it where it was asked for; until then nothing else
 * may be written to this connection.
 */
export function writeThisTurn(socket: Connection, text: string, done: Written): void {
  const now = performance.now()
  if (waiting.length === 0) waitingSince = now
  const write = new TurnWrite(socket, text, done)
  socket[PENDING] = write
  waiting.push(write)
  if (now - waitingSince > LONGEST_WAIT_MS) writeWaiting()
  if (turning) return
  turning = true
  outside(() => setImmediate(endTurn))
}

/** What waits on this connection is written, and done, at once. */
export function writeNow(socket: Connection): void {
  socket[PENDING]?.write()
  socket[PENDING]?.conclude()
}

function writeWaiting(): void {
  const all = waiting
  waiting = []
  for (const each of all) each.write()
  written = written.length === 0 ? all : [...written, ...all]
}

function endTurn(): void {
  turning = false
  writeWaiting()
  const all = written
  written = []
  for (const each of all) each.conclude()
}

const MANUALLY = { requireManualDestroy: true }

class TurnWrite extends AsyncResource {
  readonly #socket: Connection
  readonly #text: string
  readonly #done: Written
  #error: Error | null | undefined
  #begun = false
  #out = false
  #concluded = false

  constructor(socket: Connection, text: string, done: Written) {
    super('PosternWrite', MANUALLY)
    this.#socket = socket
    this.#text = text
    this.#done = done
  }

  write(): void {
    if (this.#begun) return
    this.#begun = true
    try {
      this.#socket._write(this.#text, 'latin1', (error) => this.#settle(error))
    } catch (error) {
      // Whoever has put himself in between fails this connection, and not those behind it.
      this.#settle(error as Error)
    }
  }

  #settle(error?: Error | null): void {
    this.#error = error
    this.#out = true
    if (this.#concluded) this.#tell()
  }

  /** All texts of the turn are written: what is done behind this one, now or when it is out, holds up none of them. */
  conclude(): void {
    if (this.#concluded) return
    this.#concluded = true
    if (this.#out) this.#tell()
  }

  #tell(): void {
    this.#socket[PENDING] = undefined
    try {
      this.runInAsyncScope(this.#done, undefined, this.#error)
    } catch (error) {
      // A listener's own mistake is the process's to hear, and not the next one's to suffer from.
      setImmediate(() => {
        throw error
      })
    } finally {
      this.emitDestroy()
    }
  }
}
