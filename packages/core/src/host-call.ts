import type { ApiDefinition } from './api.ts'
import type { ByteStream } from './http/byte-stream.ts'
import type { Peer } from './http/client.ts'

/** A request as an adapter hands it over: the host's own values, nothing worked out. */
export interface HostCall {
  readonly method: string
  /** `1.1` */
  readonly httpVersion: string
  /** The request target as the client sent it. */
  readonly originalUrl: string
  /** The one the host routes by, the mount path included: another one where a middleware above rewrote it. */
  readonly target: string
  /** What the host has taken off the path before it asked the gateway; empty at the root. */
  readonly basePath: string
  /** Flat `[name, value, ...]`, as Node has it. */
  readonly rawHeaders: readonly string[]
  readonly peer: Peer
  /** Some fields are not in `rawHeaders` because the server shows no more. */
  readonly truncated: boolean
  /** Called once, when somebody needs it. */
  readonly body: (limits: BodyLimits) => Buffer | ByteStream | undefined
  /** What the client sends once its connection is upgraded; undefined for a request that asks for no upgrade. */
  readonly tunnel?: ByteStream | undefined
}

/** What a request body may cost. */
export type BodyLimits = Pick<ApiDefinition, 'maxBodyBytes' | 'bodyTimeoutMs'>
