import { connect, type Socket } from 'node:net'

/** What one request of the mix is, and what it may become. */
export interface Kind {
  readonly name: string
  /** Of a hundred. */
  readonly share: number
  readonly text: (path: string, key: string) => string
  /** 0: the connection is cut. */
  readonly allowed: readonly number[]
  /** The client hangs up before the answer. */
  readonly aborts?: boolean
}

const head = (method: string, path: string, ...lines: readonly string[]): string =>
  `${[`${method} ${path} HTTP/1.1`, 'Host: a', ...lines].join('\r\n')}\r\n\r\n`
const post = (path: string, bytes: number, ...lines: readonly string[]): string =>
  head('POST', path, `Content-Length: ${bytes}`, ...lines) + 'x'.repeat(bytes)
const chunked = (path: string): string =>
  `${head('POST', path, 'Transfer-Encoding: chunked')}5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n`

const DEAD = [502, 504]

/** Mostly what clients do, 5 % who hang up, 5 % broken plugins, 5 % broken upstreams. */
const MIX: readonly Kind[] = [
  { name: 'GET', share: 30, text: (path) => head('GET', `/open${path}`), allowed: [200] },
  {
    name: 'GET with a key',
    share: 20,
    text: (path, key) => head('GET', `/keys${path}`, `Authorization: ${key}`),
    allowed: [200, 429],
  },
  { name: 'POST', share: 15, text: (path) => post(`/open${path}`, 200), allowed: [200] },
  { name: 'chunked POST', share: 5, text: (path) => chunked(`/open${path}`), allowed: [200] },
  {
    name: 'POST of 64 KiB with a key',
    share: 5,
    text: (path, key) => post(`/keys${path}`, 65_536, `Authorization: ${key}`),
    allowed: [200, 429],
  },
  {
    name: 'unknown key',
    share: 5,
    text: (path) => head('GET', `/keys${path}`, 'Authorization: nobody'),
    allowed: [403],
  },
  { name: 'malformed', share: 5, text: (path) => head('GET', `/open${path}/%zz`), allowed: [400] },
  { name: 'abort', share: 3, text: (path) => head('GET', `/open/fault/silent${path}`), allowed: [0], aborts: true },
  {
    name: 'abort in a body',
    share: 2,
    text: (path) => head('POST', `/open${path}`, 'Content-Length: 9000'),
    allowed: [0],
    aborts: true,
  },
  {
    name: 'plugin that throws',
    share: 3,
    text: (path) => head('GET', `/open${path}`, 'X-Plugin: throws'),
    allowed: [500],
  },
  {
    name: 'plugin that rejects',
    share: 1,
    text: (path) => head('GET', `/open${path}`, 'X-Plugin: rejects later'),
    allowed: [500],
  },
  {
    name: 'plugin with nonsense',
    share: 1,
    text: (path) => head('GET', `/open${path}`, 'X-Plugin: returns nonsense'),
    allowed: [500],
  },
  { name: 'upstream that resets', share: 2, text: (path) => head('GET', `/open/fault/reset${path}`), allowed: DEAD },
  { name: 'upstream that breaks off', share: 2, text: (path) => head('GET', `/open/fault/half${path}`), allowed: [0] },
  { name: 'upstream that is none', share: 1, text: (path) => head('GET', `/open/fault/garbage${path}`), allowed: DEAD },
]

/** By shares, and so that every run has all of them. */
export const ORDER: readonly Kind[] = MIX.flatMap((kind) => Array.from({ length: kind.share }, () => kind))

/** A connection that sends one request after another, and opens another where one is lost. */
export class Sender {
  readonly #port: number
  #socket: Socket | undefined
  #received = ''
  #settle: ((status: number) => void) | undefined

  constructor(port: number) {
    this.#port = port
  }

  /** The status of the answer; 0 when the connection is cut instead. */
  send(text: string, aborts: boolean): Promise<number> {
    return new Promise((resolve) => {
      this.#settle = resolve
      this.#received = ''
      const socket = (this.#socket ??= this.#open())
      socket.write(text, 'latin1')
      if (aborts) setTimeout(() => socket.destroy(), 2)
    })
  }

  close(): void {
    this.#socket?.destroy()
  }

  #open(): Socket {
    const socket = connect(this.#port, '127.0.0.1').setEncoding('latin1')
    socket.on('error', () => undefined)
    socket.on('data', (text: string) => {
      this.#received += text
      const end = this.#received.indexOf('\r\n\r\n')
      if (end === -1) return
      const fields = this.#received.slice(0, end)
      const length = /\r\ncontent-length: *(\d+)/i.exec(fields)?.[1]
      if (length === undefined || this.#received.length < end + 4 + Number(length)) return
      if (/\r\nconnection: *close/i.test(fields)) this.#forget(socket)
      this.#answered(Number(this.#received.slice(9, 12)))
    })
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#forget(socket)
      this.#answered(0)
    })
    return socket
  }

  #forget(socket: Socket): void {
    if (this.#socket === socket) this.#socket = undefined
  }

  #answered(status: number): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.(status)
  }
}
