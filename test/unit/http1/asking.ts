import type { Socket } from 'node:net'
import { connector } from '../../../packages/core/src/forward/connector.ts'
import type { Asker, Exchange, Message } from '../../../packages/core/src/forward/exchange.ts'
import { Deadlines } from '../../../packages/core/src/forward/http1/deadlines.ts'
import { Http1Pool } from '../../../packages/core/src/forward/http1/pool.ts'
import { SpareBuffers } from '../../../packages/core/src/forward/http1/read-buffer.ts'
import type { ReceivedHead } from '../../../packages/core/src/forward/received-head.ts'
import { closeLater } from '../../support/cleanup.ts'
import { listenRaw } from '../../support/server.ts'

const inside = (work: () => void): void => work()

/** Connections to an upstream that does what it likes with each of its own. */
export async function poolTo(onSocket: (socket: Socket, turn: number) => void): Promise<{
  readonly pool: Http1Pool
  readonly origin: string
  readonly connections: () => number
}> {
  let turn = 0
  const upstream = await listenRaw((socket) => onSocket(socket.setNoDelay(), (turn += 1)))
  return { pool: poolAt(upstream.url), origin: upstream.url, connections: upstream.connections }
}

export function poolAt(origin: string, connectTimeoutMs = 1_000): Http1Pool {
  const connect = connector({ connectTimeoutMs, verifyTls: true }, false, inside)
  const pool = new Http1Pool(origin, connect, new Deadlines(inside), new SpareBuffers(), inside)
  closeLater(() => pool.destroy())
  return pool
}

/** Everything a request is told. */
export class Recorded implements Asker {
  readonly said: string[] = []
  body = ''
  readonly holds: boolean
  /** The very bytes it was told, if it holds them. */
  readonly kept: Buffer[] = []
  exchange: Exchange | undefined
  /** How many pieces it takes before it has enough. */
  takes = Number.POSITIVE_INFINITY
  onConnected: (exchange: Exchange) => void = () => undefined
  readonly over: Promise<this>
  #end: (recorded: this) => void = () => undefined

  constructor(holds = false) {
    this.holds = holds
    this.over = new Promise((resolve) => (this.#end = resolve))
  }

  connected(exchange: Exchange): void {
    this.exchange = exchange
    this.said.push('connected')
    this.onConnected(exchange)
  }

  started(): void {
    this.said.push('started')
  }

  head({ status }: ReceivedHead, body: Buffer | undefined): void {
    this.said.push(`${status}${body === undefined ? '' : ' whole'}`)
    this.body += body?.toString('latin1') ?? ''
    if (this.holds && body !== undefined) this.kept.push(body)
  }

  data(chunk: Buffer): boolean {
    this.body += chunk.toString('latin1')
    if (this.holds) this.kept.push(chunk)
    this.takes -= 1
    return this.takes > 0
  }

  end(): void {
    this.said.push('end')
    this.#end(this)
  }

  error(cause: Error & { readonly code?: string }): void {
    this.said.push(cause.code ?? cause.message)
    this.#end(this)
  }
}

export function ask(pool: Http1Pool, message: Partial<Message> = {}, asker = new Recorded()): Recorded {
  pool.dispatch(
    {
      origin: '',
      serverName: undefined,
      method: 'GET',
      target: '/',
      headers: ['Host', 'a'],
      body: undefined,
      length: undefined,
      headersTimeoutMs: 10_000,
      bodyTimeoutMs: 10_000,
      ...message,
    },
    asker,
  )
  return asker
}

export const answer = (body: string, fields = ''): string =>
  `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`
