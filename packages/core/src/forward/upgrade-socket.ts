import { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { GatewayError } from '../errors.ts'
import { ByteStream } from '../http/byte-stream.ts'

/**
 * The client's end of a tunnel, as the proxying library meets it. It writes a head of its own first, which is thrown away:
 * the client gets the one the gateway makes.
 */
export class UpgradeSocket extends Duplex {
  /** What the upstream sends. */
  readonly toClient: ByteStream
  readonly #fromClient: ByteStream
  #upstream: Socket | undefined
  #silence: NodeJS.Timeout | undefined
  #state: 'waiting' | 'head' | 'tunnel' = 'waiting'
  #reading = false
  #room: (() => void) | undefined

  constructor(fromClient: ByteStream) {
    super({ allowHalfOpen: true })
    this.#fromClient = fromClient
    this.toClient = new ByteStream({ resume: () => this.#hasRoom(), cancel: () => this.destroy() })
  }

  /** The upstream has switched protocols: from now on bytes pass, until both sides are silent for that long. */
  open(upstream: Socket, silenceMs: number): void {
    this.#upstream = upstream
    this.#state = 'head'
    this.#silence = setTimeout(() => {
      const message = `Nothing was sent either way for ${silenceMs} ms (upgradeIdleTimeoutMs).`
      this.destroy(new GatewayError('PSTN_UPSTREAM_TIMEOUT', message))
    }, silenceMs).unref()
    // Closed without having said goodbye both ways, the client must not take it for an orderly end.
    upstream.once('close', () => {
      if (!upstream.readableEnded || !upstream.writableFinished) this.destroy()
    })
    // What is still to be written when both sides have ended may not wait for ever either.
    this.once('close', () => upstream.setTimeout(silenceMs, () => upstream.destroy()))
  }

  override _read(): void {
    if (this.#reading) {
      this.#fromClient.resume()
      return
    }
    this.#reading = true
    this.#fromClient.consume({
      write: (chunk) => {
        this.#silence?.refresh()
        return this.push(chunk)
      },
      end: () => this.push(null),
      fail: (error) => this.destroy(error),
    })
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#silence?.refresh()
    if (this.#state === 'head') {
      if (chunk.includes('\r\n\r\n')) this.#state = 'tunnel'
      done()
    } else if (this.#state === 'waiting' || this.toClient.push(chunk)) done()
    else this.#room = done
  }

  override _final(done: () => void): void {
    this.toClient.end()
    done()
  }

  override _destroy(error: Error | null, done: () => void): void {
    clearTimeout(this.#silence)
    this.toClient.fail(
      error ??
        new GatewayError('PSTN_UPSTREAM_BROKE', 'The upstream broke off in the middle of an upgraded connection.'),
    )
    // Before, another attempt may still want it.
    if (this.#state !== 'waiting') this.#fromClient.cancel()
    // In an orderly end the library ends the upstream's side, behind what is still to be written.
    if (!this.readableEnded || !this.writableFinished) this.#upstream?.destroy()
    done()
  }

  #hasRoom(): void {
    const done = this.#room
    this.#room = undefined
    done?.()
  }

  /** What the library does to any socket; this one has neither timeouts nor packets. */
  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  destroySoon(): void {
    this.destroy()
  }
}
