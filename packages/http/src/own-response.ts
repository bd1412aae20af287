import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
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

/** Writes an answer with those methods; `trailers` are the host's own, for as long as its body is the one that is sent. */
export function writerFor(
  res: ServerResponse,
  own: OwnResponse,
  trailers: () => OutgoingHttpHeaders | undefined,
): ResponseWriter {
  return {
    writeHead: (status, headers) => {
      // The host's own reason phrase is for the host's own status.
      if (status !== res.statusCode) res.statusMessage = ''
      const names = Array.isArray(headers) ? headers.filter((_, i) => i % 2 === 0) : Object.keys(headers)
      const framed = names.some((name) => String(name).toLowerCase() === 'content-length')
      // What the host set after its head has met no plugin; its chunking gives way to a length only.
      for (const name of res.getHeaderNames()) if (framed || name !== 'transfer-encoding') res.removeHeader(name)
      own.writeHead(status, headers)
    },
    write: (chunk) => own.write(chunk) as boolean,
    end: (chunk) => {
      const last = trailers()
      if (last !== undefined) own.addTrailers(last)
      own.end(chunk)
    },
    flushHeaders: () => void own.flushHeaders(),
  }
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
