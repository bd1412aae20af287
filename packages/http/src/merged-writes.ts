import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { writeNow, writeThisTurn, type Written } from './turn-writes.ts'

/** What a stream gathers while it is corked. */
interface Gathered {
  readonly chunk: string | Buffer
  readonly encoding: BufferEncoding
}

type Merging = Socket & {
  _writev?: ((gathered: readonly Gathered[], done: Written) => void) | null
  [MERGES]?: boolean
}

const MERGES = Symbol('postern.merges')

/** One text costs less than several buffers; a long one would be copied more often than it is worth. */
const LONGEST_TEXT = 16_384

/**
 * What was written to a client's connection in small pieces at one time, such as a head and its body, leaves as one text, and
 * with those of other connections: several pieces take a dearer system call. Nothing that is written to it is changed.
 */
export function mergeSmallWrites(socket: Socket): void {
  const merging = socket as Merging
  // Any duplex may stand in for a connection, and not all of them take text.
  if (merging[MERGES] === true || !(socket instanceof Socket)) return
  merging[MERGES] = true
  const writev = merging._writev
  if (typeof writev !== 'function') return
  // Of a TLS connection the one below may be destroyed, and nobody here would hear of it.
  let atOnce = socket instanceof TLSSocket
  merging._writev = (gathered, done) => {
    const text = textOf(gathered)
    if (text === undefined) writev.call(socket, gathered, done)
    else if (atOnce) socket._write(text, 'latin1', done)
    else writeThisTurn(socket, text, done)
  }
  const destroy = socket.destroy.bind(socket)
  socket.destroy = (...reason) => {
    // Whoever has answered and then cuts the connection means the answer to leave, and what was written behind it as well.
    atOnce = true
    writeNow(socket)
    return destroy(...reason)
  }
}

/** As latin1, in which each character is a byte; undefined where that is too long, or some of it is text of another encoding. */
function textOf(gathered: readonly Gathered[]): string | undefined {
  let length = 0
  for (const { chunk, encoding } of gathered) {
    length += chunk.length
    if (length > LONGEST_TEXT || (typeof chunk === 'string' && encoding !== 'latin1')) return undefined
  }
  let text = ''
  for (const { chunk } of gathered) text += typeof chunk === 'string' ? chunk : chunk.toString('latin1')
  return text
}
