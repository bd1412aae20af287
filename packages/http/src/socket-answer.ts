import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ByteStream, type HeaderLine, type OutgoingMessage } from '@postern/core/host'
import { cutLater, STALL_MS } from './ending.ts'

/** Writes the 101 that makes a connection a tunnel, and lets the upstream's bytes follow. */
export function switchProtocols(socket: Duplex, { status, lines }: OutgoingMessage, tunnel: ByteStream): void {
  socket.write(headOf(status, lines, ['Connection', 'Upgrade', 'Upgrade', 'websocket']))
  socket.on('drain', () => tunnel.resume())
  tunnel.consume({
    write: (chunk) => socket.write(chunk),
    end: () => void socket.end(),
    fail: () => socket.destroy(),
  })
}

/**
 * Writes an ordinary answer where there is no response object to write it with; the connection ends behind it.
 * `onBroken` is called when its body breaks off.
 */
export function answerOnSocket(
  socket: Duplex,
  { status, lines, body }: OutgoingMessage,
  onBroken: () => void = () => undefined,
): void {
  // A 426 says to what (RFC 9110 15.5.22).
  const fields = status === 426 ? ['Connection', 'close, Upgrade', 'Upgrade', 'websocket'] : ['Connection', 'close']
  if (!has(lines, 'date')) fields.push('Date', new Date().toUTCString())
  if (body instanceof ByteStream) {
    const chunked = !has(lines, 'content-length')
    if (chunked) fields.push('Transfer-Encoding', 'chunked')
    socket.write(headOf(status, lines, fields))
    stream(socket, body, chunked, onBroken)
  } else {
    endWith(socket, Buffer.concat([headOf(status, lines, fields), body ?? NOTHING]))
  }
}

function has(lines: readonly HeaderLine[], lowerCaseName: string): boolean {
  return lines.some((name, i) => i % 2 === 0 && String(name).toLowerCase() === lowerCaseName)
}

const NOTHING = Buffer.alloc(0)

function stream(socket: Duplex, body: ByteStream, chunked: boolean, onBroken: () => void): void {
  socket.on('drain', () => body.resume())
  socket.once('close', () => body.cancel())
  body.consume({
    write: (chunk) => {
      if (!chunked || chunk.length === 0) return socket.write(chunk)
      return socket.write(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, CRLF]))
    },
    end: () => endWith(socket, chunked ? LAST_CHUNK : NOTHING),
    // Half an answer must not end as if it were whole.
    fail: () => {
      onBroken()
      socket.destroy()
    },
  })
}

const CRLF = Buffer.from('\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/** What the client still sends is thrown away: closed at once, the connection would be reset and the answer lost. */
function endWith(socket: Duplex, bytes: Buffer): void {
  ;(socket as Socket).setTimeout(STALL_MS, () => socket.destroy())
  // Until it is out the client has to read: what it sends would count as life.
  socket.pause()
  socket.end(bytes)
  socket.once('finish', () => {
    socket.resume()
    cutLater(socket as Socket)
  })
}

function headOf(status: number, lines: readonly HeaderLine[], fields: readonly HeaderLine[]): Buffer {
  const all = [...lines, ...fields]
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let i = 0; i < all.length; i += 2) {
    for (const value of [all[i + 1]!].flat()) head += `${String(all[i])}: ${value}\r\n`
  }
  return Buffer.from(`${head}\r\n`, 'latin1')
}
