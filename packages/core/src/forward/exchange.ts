import type { ByteStream } from '../http/byte-stream.ts'
import type { ReceivedHead } from './received-head.ts'

/** Methods whose body everybody expects: an empty one is announced, so that no server waits for it (RFC 9110 8.6). */
export const EXPECTS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

/** A request as it leaves on a connection. */
export interface Message {
  readonly origin: string
  /** What the certificate is for; undefined without TLS. */
  readonly serverName: string | undefined
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** Flat `[name, value, ...]`, complete but for the framing. */
  readonly headers: readonly string[]
  readonly body: Buffer | ByteStream | undefined
  /** The length that is announced; undefined: none is, and a stream is chunked. */
  readonly length: number | undefined
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
}

/** One who asks, and is told what becomes of it. After `end` or `error` nothing is told any more. */
export interface Asker {
  /** A connection is there, and nothing has left on it yet. */
  connected(exchange: Exchange): void
  /** The first bytes that may be an answer are here. */
  started(): void
  /** The head of the answer, checked as far as framing goes; its body too, where that came along whole. */
  head(head: ReceivedHead, body: Buffer | undefined): void
  /** False: no more until `exchange.resume`. */
  data(chunk: Buffer): boolean
  /** Whether bytes it was told by `data` may still be in use: then their memory is not read into again. */
  readonly holds: boolean
  end(): void
  error(cause: Error): void
}

/** What a request has of its connection, from `connected` on. Who is not its asker any more changes nothing. */
export interface Exchange {
  abort(asker: Asker): void
  resume(asker: Asker): void
  /** `chunk`, which was told and held last, is not in use any more, nor is what was told before it. */
  release?(chunk: Uint8Array): void
}

/** Connections to one origin. */
export interface UpstreamPool {
  dispatch(message: Message, asker: Asker): void
  /** Takes no more requests; those under way finish. */
  close(): Promise<void>
  /** Ends all connections, idle or not. */
  destroy(): Promise<void>
}
