import type { Socket } from 'node:net'
import { AnswerStart } from './answer-start.ts'
import { isHangUp } from './upstream-error.ts'

/** How long a connection that takes no more bytes may still bring an answer. */
const LAST_WORDS_MS = 1_000

type Done = (error?: Error | null) => void

/**
 * Prepares a connection for the client library, which writes and reads it as it pleases:
 *
 * - A failed write does not end it at once. An upstream that answers before a body is through, and closes, has often said
 *   why: what it sent lies in the buffer, and the error would win over it.
 * - Its answers begin as `AnswerStart` allows.
 * - One whose request is not through when the answer comes is not used again: the next request would wait behind the rest.
 * - A reset is an error whatever was said before: undici takes one for the end of a body that has no length. One behind an
 *   interim answer is not taken for a connection that has brought nothing, after which a request may be sent again.
 * - It ends when the library has asked for more, not while it is paused because a client is slow: then it would throw where
 *   nobody can catch it (nodejs/undici#5360).
 */
export function upstreamSocket(socket: Socket): Socket {
  const start = new AnswerStart()
  // Heard before the library hears it.
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (start.interrupted && isHangUp(error)) error.code = 'ERR_INTERIM_ANSWER'
    else if (error.code === 'ECONNRESET') error.code = 'UND_ERR_SOCKET'
  })
  const write = socket._write.bind(socket)
  const writeMany = socket._writev?.bind(socket)
  const readable = untilAskedFor(socket)

  const patient =
    (done: Done): Done =>
    (error) => {
      if (error === undefined || error === null || socket.readableEnded) return done(error)
      // The end of what can be read ends the connection; this is for the case that none comes.
      const timer = setTimeout(() => start.expected && done(error), LAST_WORDS_MS).unref()
      socket.once('close', () => clearTimeout(timer))
    }

  socket._write = (chunk: unknown, encoding, done) => {
    if (isHead(chunk)) start.expect()
    write(chunk, encoding, patient(done))
  }
  if (writeMany !== undefined)
    socket._writev = (chunks: { chunk: unknown; encoding: BufferEncoding }[], done) => {
      if (chunks.some(({ chunk }) => isHead(chunk))) start.expect()
      writeMany(chunks, patient(done))
    }
  socket.read = (size?: number): unknown => {
    for (;;) {
      const chunk: unknown = readable(size)
      if (!start.expected || !(chunk instanceof Buffer)) return chunk
      try {
        const rest = start.take(chunk, socket.writableLength > 0)
        if (rest !== undefined) return rest
      } catch (error) {
        socket.destroy(error as Error)
        return null
      }
    }
  }
  return socket
}

/** Reads without ending the stream before somebody has found that there is no more. */
function untilAskedFor(socket: Socket): (size?: number) => unknown {
  const push = socket.push.bind(socket)
  const read: (size?: number) => unknown = socket.read.bind(socket)
  let over = false
  socket.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk === null) over = true
    return push(chunk, encoding)
  }
  return (size) => {
    if (!over) return read(size)
    // Node asks so by itself when the other side has ended.
    if (size === 0) return null
    // All there is, by its number: asked for without one, the end would come with the last bytes.
    return socket.readableLength > 0 ? read(size ?? socket.readableLength) : read(size)
  }
}

/** Bodies are bytes; text is a head, or the frame of a chunk. */
function isHead(chunk: unknown): boolean {
  return typeof chunk === 'string' && !chunk.startsWith('\r\n')
}
