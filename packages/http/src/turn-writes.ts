import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { Socket } from 'node:net'
// Of their own: where tests replace the global ones, answers leave all the same.
import { setImmediate } from 'node:timers'

/** What has waited for longer is written as soon as anybody asks. */
const LONG_MS = 1

/** A write that waits for the end of its turn, on the connection it is for. */
const PENDING = Symbol('postern.pending')

/** Told when it is out, or why it never will be. */
export type Written = (error?: Error | null) => void
type Connection = Socket & { [PENDING]?: TurnWrite | undefined }

let waiting: TurnWrite[] = []
let written: TurnWrite[] = []
let waitingSince = 0
let turning = false
let exits = false

/** The end of a turn belongs to none of the requests in it. */
const outside = AsyncLocalStorage.snapshot()

/**
 * Writes a text with all others of this turn of the event loop: each write wakes who waits for it, on another core as often as
 * not, and writes in a row wake him once (bench/NOTES.md). `done` hears of it where it was asked for; until then nothing else
 * may be written to this connection.
 */
export function writeThisTurn(socket: Connection, text: string, done: Written): void {
  if (waiting.length === 0) waitingSince = performance.now()
  else writeLongWaiting()
  const write = new TurnWrite(socket, text, done)
  socket[PENDING] = write
  waiting.push(write)
  if (turning) return
  turning = true
  outside(() => setImmediate(endTurn))
  if (exits) return
  exits = true
  // What has been answered is answered, also where the process ends in the same turn.
  process.on('exit', writeAll)
}

/** Whether something waits to be written on this connection; `then` is called when it is. */
export function whenWritten(socket: Connection, then: () => void): boolean {
  const write = socket[PENDING]
  if (write === undefined) return false
  write.onWrite = then
  return true
}

/** Writes now what waits: before work that may take long, and is not of this package. */
export function writeWaiting(): void {
  if (waiting.length > 0) outside(writeAndConclude)
}

/** Writes now what has waited for long. */
export function writeLongWaiting(): void {
  if (waiting.length > 0 && performance.now() - waitingSince > LONG_MS) outside(writeAndConclude)
}

/** What waits on this connection is written at once, and what stands behind it on its stream may follow. */
export function writeNow(socket: Connection): void {
  socket[PENDING]?.hurry()
}

/** Whoever is answered may ask again before this turn is over: nothing of the last answer may be left to do by then. */
function writeAndConclude(): void {
  writeAll()
  process.nextTick(conclude)
}

function writeAll(): void {
  const all = waiting
  waiting = []
  for (const each of all) {
    each.write()
    written.push(each)
  }
}

function conclude(): void {
  const all = written
  written = []
  for (const each of all) each.conclude()
}

function endTurn(): void {
  turning = false
  writeAll()
  conclude()
}

/** Otherwise it is destroyed when it is collected, which has to be watched for. */
const MANUALLY = { requireManualDestroy: true }

/** First it is written, and out at once or later; when it is both out and concluded, it is told. */
class TurnWrite extends AsyncResource {
  readonly #socket: Connection
  readonly #text: string
  readonly #done: Written
  onWrite: (() => void) | undefined
  #error: Error | null | undefined
  #begun = false
  #out = false
  #concluded = false
  #told = false

  constructor(socket: Connection, text: string, done: Written) {
    super('PosternWrite', MANUALLY)
    this.#socket = socket
    this.#text = text
    this.#done = done
  }

  write(): void {
    if (this.#begun) return
    this.#begun = true
    this.onWrite?.()
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
    this.#concluded = true
    if (this.#out) this.#tell()
  }

  /** Its connection is about to be destroyed. An error of this write is no news then: whoever destroys it has his own. */
  hurry(): void {
    this.write()
    if (this.#error === undefined || this.#error === null) this.conclude()
    else this.#leave()
  }

  #tell(): void {
    if (this.#told) return
    this.#leave()
    try {
      this.runInAsyncScope(this.#done, undefined, this.#error)
    } catch (error) {
      // A listener's own mistake is the process's to hear, and not the next one's to suffer from.
      this.runInAsyncScope(setImmediate, undefined, () => {
        throw error
      })
    }
  }

  #leave(): void {
    this.#told = true
    this.#socket[PENDING] = undefined
    this.emitDestroy()
  }
}
