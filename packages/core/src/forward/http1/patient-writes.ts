import type { Socket } from 'node:net'

/** How long a connection that takes no more bytes may still bring an answer. */
const LAST_WORDS_MS = 1_000

type Done = (error?: Error | null) => void

/**
 * A failed write does not end the connection at once. An upstream that answers before a body is through, and closes, has
 * often said why: what it sent lies in the buffer, and the error would win over it. `waits`: no answer has begun.
 */
export function writePatiently(socket: Socket, waits: () => boolean): void {
  const write = socket._write.bind(socket)
  const writeMany = socket._writev?.bind(socket)
  let given: Done | undefined
  let patient: Done = () => undefined

  // A stream has one such function for all its writes.
  const patiently = (done: Done): Done => {
    if (done !== given) {
      given = done
      patient = (error) => {
        if (error === undefined || error === null || socket.readableEnded) return done(error)
        // The end of what can be read ends the connection; this is for the case that none comes.
        const timer = setTimeout(() => waits() && done(error), LAST_WORDS_MS).unref()
        socket.once('close', () => clearTimeout(timer))
      }
    }
    return patient
  }

  socket._write = (chunk, encoding, done) => write(chunk, encoding, patiently(done))
  if (writeMany !== undefined) socket._writev = (chunks, done) => writeMany(chunks, patiently(done))
}
