import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { isFramingField } from '@postern/core/host'
import type { ResponseWriter } from './write-response.ts'

type Loose = (...args: readonly unknown[]) => unknown

/** The writing side of a `res` as it was at one moment: later replacements of its methods do not matter to it. */
export interface OwnResponse {
  readonly writeHead: Loose
  readonly write: Loose
  readonly end: Loose
  readonly flushHeaders: Loose
  readonly addTrailers: Loose
  headersSent(): boolean
  writableEnded(): boolean
}

export function ownResponse(res: ServerResponse): OwnResponse {
  const bound = (name: 'writeHead' | 'write' | 'end' | 'flushHeaders' | 'addTrailers'): Loose =>
    (res[name] as Loose).bind(res)
  return {
    writeHead: bound('writeHead'),
    write: bound('write'),
    end: bound('end'),
    flushHeaders: bound('flushHeaders'),
    addTrailers: bound('addTrailers'),
    headersSent: getterOf(res, 'headersSent'),
    writableEnded: getterOf(res, 'writableEnded'),
  }
}

/** Writes an answer with those methods, once `prepare` has made the headers of `res` ready for it. */
export function writerFor(
  own: OwnResponse,
  prepare: NonNullable<ResponseWriter['prepare']>,
  trailers: () => OutgoingHttpHeaders | undefined,
): ResponseWriter {
  return {
    prepare,
    writeHead: (status, headers) => void own.writeHead(status, headers),
    write: (chunk) => own.write(chunk) as boolean,
    end: (chunk) => {
      const last = trailers()
      if (last !== undefined) own.addTrailers(last)
      own.end(chunk)
    },
    flushHeaders: () => void own.flushHeaders(),
  }
}

/** Header fields of a `res`. */
export type HostFields = readonly (readonly [name: string, value: number | string | readonly string[]])[]

/** What middleware above has set by now, for whatever answer there will be. */
export function fieldsOf(res: ServerResponse): HostFields {
  return headerNames(res)
    .filter((name) => !isFramingField(name.toLowerCase()))
    .map((name) => [name, res.getHeader(name)!])
}

/** Takes off all there is but these; `framed`: the answer has a length. */
export function resetFields(res: ServerResponse, fields: HostFields, framed = true): void {
  // Chunking gives way to a length only: removed, Node would never frame the answer by chunks again.
  for (const name of res.getHeaderNames()) if (framed || name !== 'transfer-encoding') res.removeHeader(name)
  for (const [name, value] of fields) res.setHeader(name, value)
}

/** Header names with their spelling; Node has this on every outgoing message, its types only on requests. */
export function headerNames(res: ServerResponse): string[] {
  return (res as ServerResponse & { getRawHeaderNames(): string[] }).getRawHeaderNames()
}

function getterOf(res: ServerResponse, name: 'headersSent' | 'writableEnded'): () => boolean {
  let holder: object | null = res
  while (holder !== null) {
    const descriptor = Object.getOwnPropertyDescriptor(holder, name)
    if (descriptor !== undefined)
      return () => Boolean(descriptor.get === undefined ? descriptor.value : descriptor.get.call(res))
    holder = Object.getPrototypeOf(holder) as object | null
  }
  return () => false
}
