import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { refuse, takeOutgoing } from '@postern/core/host'
import { cutLater } from './ending.ts'

/** An answer where there is no response object to write it with; the connection ends behind it. */
export function refuseOnSocket(socket: Duplex, status: number, message: string): void {
  const answer = takeOutgoing(refuse(status, message, null, 0), 'GET')
  // Node hands a socket over without a listener, and a reset would end the process.
  socket.on('error', () => undefined)
  if (!socket.writable || answer instanceof Promise || !(answer.body instanceof Buffer)) {
    socket.destroy()
    return
  }
  const { lines, body } = answer
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\n`
  for (let i = 0; i < lines.length; i += 2) head += `${String(lines[i])}: ${String(lines[i + 1])}\r\n`
  socket.end(Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), body]))
  socket.resume()
  cutLater(socket as Socket)
}
