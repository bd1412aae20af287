import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ByteProducer, ByteStream, GatewayError } from '@postern/core/host'
import { STALL_MS } from './ending.ts'

/**
 * What a client sends behind its upgrade request. Once open it is read, up to what a stream holds, also while nobody wants
 * it yet: a connection nobody reads does not tell that it is lost.
 */
export class SocketTunnel implements ByteProducer {
  readonly stream: ByteStream = new ByteStream(this)
  /** Whether the connection is a tunnel by now: then its end is the end of the connection. */
  switched = false
  readonly #socket: Duplex
  #head: Buffer | undefined

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket
    this.#head = head
  }

  open(): void {
    const head = this.#head
    if (head === undefined) return
    this.#head = undefined
    const socket = this.#socket
    const push = (chunk: Buffer): void => {
      if (!this.stream.push(chunk)) socket.pause()
    }
    if (head.length > 0) push(head)
    socket.on('data', push)
    socket.on('end', () => this.stream.end())
    socket.on('close', () =>
      this.stream.fail(new GatewayError('PSTN_CLIENT_CLOSED', 'The client broke the connection off.')),
    )
  }

  start(stream: ByteStream): void {
    this.open()
    stream.resume()
  }

  resume(): void {
    this.#socket.resume()
  }

  cancel(): void {
    const socket = this.#socket
    // Before, an answer is still to be read by the client, and what it sends is thrown away.
    if (!this.switched) socket.resume()
    else if (socket.writableFinished) socket.destroy()
    else {
      ;(socket as Socket).setTimeout(STALL_MS, () => socket.destroy())
      socket.end(() => socket.destroy())
    }
  }
}
