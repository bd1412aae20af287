import type { IncomingMessage } from 'node:http'
import { type BodyLimits, ByteStream, firstValue, GatewayError } from '@postern/core/host'

/** What body parsers leave on a request: Express on `req`, Koa on `ctx.request`, which its adapter passes on. */
export interface ParsedRequest {
  body?: unknown
  rawBody?: unknown
}

/** Where the parser of this request's host leaves what it read. */
export function parsedRequest(req: IncomingMessage): ParsedRequest {
  return (req as Marked)[PARSED] ?? (req as ParsedRequest)
}

/** On the request itself: a `WeakMap` with an entry for each keeps those that are over, as a `Set` does. */
const PARSED = Symbol('postern.parsed')

type Marked = IncomingMessage & { [PARSED]?: ParsedRequest }

/** Says where a parser of this host leaves what it read. */
export function setParsedRequest(req: IncomingMessage, parsed: ParsedRequest): void {
  ;(req as Marked)[PARSED] = parsed
}

/**
 * The body of a request: its stream, or, where a parser above has read that, the raw bytes it kept, or else the parsed
 * value written out again. A request without a body has none.
 */
export function requestBody(
  req: IncomingMessage,
  { maxBodyBytes, bodyTimeoutMs }: BodyLimits,
): Buffer | ByteStream | undefined {
  const chunked = firstValue(req.rawHeaders, 'transfer-encoding') !== undefined
  if (!chunked && (firstValue(req.rawHeaders, 'content-length') ?? '0') === '0') return undefined
  if (!req.readableDidRead)
    return ByteStream.from(req, { release: 'drain', limitBytes: maxBodyBytes, pauseTimeoutMs: bodyTimeoutMs })
  const { body, rawBody } = parsedRequest(req)
  return writtenOut(rawBody ?? body, req.headers['content-type'] ?? '') ?? consumed()
}

let told = false

function writtenOut(value: unknown, contentType: string): Buffer | undefined {
  if (Buffer.isBuffer(value)) return value
  const encoding = encodingOf(contentType)
  if (encoding === undefined) return undefined
  if (typeof value === 'string') return Buffer.from(value, encoding)
  if (typeof value !== 'object' || value === null) return undefined
  const text = /[/+]json\b/i.test(contentType) ? jsonOf(value) : formText(value, contentType)
  if (text === undefined) return undefined
  tellOnce()
  return Buffer.from(text, encoding)
}

/** How text is written so that it is what its content type says; undefined for a character set Node cannot write. */
function encodingOf(contentType: string): BufferEncoding | undefined {
  const charset = /;\s*charset="?([^\s;"]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8'
  return ENCODINGS.get(charset)
}

const ENCODINGS: ReadonlyMap<string, BufferEncoding> = new Map([
  ['utf-8', 'utf8'],
  ['utf8', 'utf8'],
  ['us-ascii', 'utf8'],
  ['iso-8859-1', 'latin1'],
  ['utf-16le', 'utf16le'],
])

/** A parsed value the application has changed meanwhile may be no JSON any more. */
function jsonOf(value: object): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

function tellOnce(): void {
  if (told) return
  told = true
  process.emitWarning(
    'A body parser above the gateway has read a request body; postern writes it out again from the parsed value. Mount the gateway above the parser to forward the very bytes.',
    'PosternWarning',
  )
}

/** Only flat forms have one spelling; how nested ones were written is the parser's secret. */
function formText(value: object, contentType: string): string | undefined {
  if (!/^application\/x-www-form-urlencoded\b/i.test(contentType)) return undefined
  const form = new URLSearchParams()
  for (const [name, entry] of Object.entries(value)) {
    for (const item of Array.isArray(entry) ? (entry as unknown[]) : [entry]) {
      if (typeof item !== 'string') return undefined
      form.append(name, item)
    }
  }
  return form.toString()
}

/** Fails for whoever wants the body, and for nobody else: the host application may still use what its parser made of it. */
function consumed(): ByteStream {
  return new ByteStream({
    start: (stream) =>
      stream.fail(
        new GatewayError(
          'PSTN_BODY_CONSUMED',
          'The request body was read above the gateway and cannot be written out again; mount the gateway above the body parser.',
        ),
      ),
    resume: () => undefined,
    cancel: () => undefined,
  })
}
