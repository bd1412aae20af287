import { connect, type Socket } from 'node:net'
import { closeLater } from './cleanup.ts'
import type { Line } from './lines.ts'

/** A client that speaks bytes. */
export class RawClient {
  readonly socket: Socket
  /** How the server ended the connection. */
  readonly closed: Promise<'end' | 'reset'>
  #received = Buffer.alloc(0)
  #wake: () => void = () => undefined
  #over = false

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    closeLater(() => this.socket.destroy())
    this.closed = new Promise((resolve) => {
      let how: 'end' | 'reset' = 'end'
      this.socket.on('error', () => (how = 'reset'))
      this.socket.on('close', () => {
        this.#over = true
        this.#wake()
        resolve(how)
      })
    })
    this.socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(bytes)
  }

  get received(): string {
    return this.#received.toString('latin1')
  }

  /** Waits until the text has arrived and takes everything up to its end; fails when the connection ends before. */
  async until(text: string): Promise<string> {
    for (;;) {
      const at = this.#received.indexOf(text)
      if (at !== -1) return this.#take(at + text.length)
      if (this.#over) throw new Error(`The connection ended before ${JSON.stringify(text)} in: ${this.received}`)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async bytes(count: number): Promise<string> {
    while (this.#received.length < count) {
      if (this.#over) throw new Error(`The connection ended before ${count} bytes: ${this.received}`)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    return this.#take(count)
  }

  /** Reads one answer by its framing. `method` says whether it can have a body. */
  async answer(method = 'GET'): Promise<RawAnswer> {
    const head = await this.until('\r\n\r\n')
    const [statusLine = '', ...fields] = head.trimEnd().split('\r\n')
    const lines = fields.map((field): Line => {
      const colon = field.indexOf(':')
      return [field.slice(0, colon), field.slice(colon + 1).trim()]
    })
    const status = Number(statusLine.split(' ')[1])
    return { statusLine, status, lines, body: await this.#body(lines, status, method) }
  }

  async #body(lines: readonly Line[], status: number, method: string): Promise<string> {
    const field = (name: string): string | undefined => lines.find((line) => line[0].toLowerCase() === name)?.[1]
    if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return ''
    if (field('transfer-encoding') === 'chunked') return this.#chunks()
    const length = field('content-length')
    if (length !== undefined) return this.bytes(Number(length))
    await this.closed
    return this.#take(this.#received.length)
  }

  async #chunks(): Promise<string> {
    let body = ''
    for (;;) {
      const size = Number.parseInt(await this.until('\r\n'), 16)
      const chunk = await this.bytes(size + 2)
      if (size === 0) return body
      body += chunk.slice(0, -2)
    }
  }

  #take(count: number): string {
    const taken = this.#received.subarray(0, count).toString('latin1')
    this.#received = this.#received.subarray(count)
    return taken
  }
}

/** An answer as it was on the wire; the body with its chunks put together. */
export interface RawAnswer {
  readonly statusLine: string
  readonly status: number
  readonly lines: readonly Line[]
  readonly body: string
}

/** Writes one request on a connection of its own and reads the answer. */
export async function rawExchange(port: number, request: string | Uint8Array, method = 'GET'): Promise<RawAnswer> {
  const client = new RawClient(port)
  client.write(request)
  const answer = await client.answer(method)
  client.socket.destroy()
  return answer
}
