import { Readable } from 'node:stream'
import { ByteStream, GatewayHeaders, GatewayResponse, isFramingField } from '@postern/core/host'
import { captureResponse, headerNames, type ResponseWriter } from '@postern/http/bridge'
import type { Context } from 'koa'

/** What the host application answered. With a writer, it wrote to `res` itself, and so must whoever answers. */
export interface HostAnswer {
  readonly response: GatewayResponse
  readonly writer: ResponseWriter | undefined
}

/**
 * Lets the rest of the Koa application answer and shows what it put on `ctx` to the response plugins. What it writes to
 * `ctx.res` behind Koa's back (`ctx.respond = false`) is caught as well.
 */
export async function answerOfHost(
  ctx: Context,
  letHostAnswer: () => Promise<void>,
  maxBufferedBytes: number,
): Promise<HostAnswer> {
  const capture = captureResponse(ctx.res, maxBufferedBytes)
  try {
    await letHostAnswer()
  } catch (error) {
    capture.release()
    throw error
  }
  if (ctx.respond === false || ctx.res.headersSent) return { response: await capture.response, writer: capture.writer }
  capture.release()
  const body = new ByteStream(new LazyBody(ctx.body))
  const response = new GatewayResponse(ctx.status, new GatewayHeaders(headerLines(ctx)), body, maxBufferedBytes)
  return { response, writer: undefined }
}

/** Puts status and headers of an answer whose body nobody touched back on `ctx`; the body is still there, as the host left it. */
export function applyHead(ctx: Context, response: GatewayResponse): void {
  if (ctx.status !== response.status) ctx.status = response.status
  for (const name of GatewayHeaders.touched(response.headers) ?? []) {
    if (isFramingField(name)) continue
    const values = response.headers.getAll(name)
    if (values.length === 0) ctx.remove(name)
    // Past `ctx.set`, which throws at a second Content-Type in Koa 3.
    else ctx.res.setHeader(name, values.length === 1 ? values[0]! : values)
  }
}

/** Shows a body nobody touched to whoever records it; false where that would take it away from the client. */
export function showBody(ctx: Context, response: GatewayResponse): boolean {
  if (typeof ctx.body !== 'string' && !Buffer.isBuffer(ctx.body) && !isData(ctx.body)) return false
  const content = GatewayResponse.body(response).content()
  if (content instanceof ByteStream) content.drain()
  return true
}

/** What Koa sends as JSON, or not at all. */
function isData(body: unknown): boolean {
  return (
    typeof body !== 'object' ||
    body === null ||
    [Object.prototype, Array.prototype, null].includes(Object.getPrototypeOf(body) as object | null)
  )
}

function headerLines(ctx: Context): string[] {
  return headerNames(ctx.res).flatMap((name) => {
    const value = ctx.res.getHeader(name)
    return (Array.isArray(value) ? value : [String(value)]).flatMap((line) => [name, line])
  })
}

/** `ctx.body` as bytes, worked out when a plugin reads it. */
class LazyBody {
  /** Of `ctx` by then something else may be the body: what is made of this one. */
  readonly #body: unknown
  #source: ByteStream | undefined

  constructor(body: unknown) {
    this.#body = body
  }

  start(stream: ByteStream): void {
    const readable = readableOf(this.#body)
    this.#source = ByteStream.from(readable)
    this.#source.consume({
      write: (chunk) => stream.push(chunk),
      end: () => stream.end(),
      fail: (error) => stream.fail(error),
    })
  }

  resume(): void {
    this.#source?.resume()
  }

  cancel(): void {
    if (this.#source !== undefined) this.#source.cancel()
    else if (this.#body instanceof Readable) this.#body.destroy()
  }
}

function readableOf(body: unknown): Readable {
  if (body instanceof Readable) return body
  if (body instanceof ReadableStream) return Readable.fromWeb(body)
  if (body instanceof Blob) return Readable.fromWeb(body.stream())
  if (body instanceof Response) return body.body === null ? Readable.from([]) : Readable.fromWeb(body.body)
  if (body === undefined || body === null) return Readable.from([])
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return Readable.from([Buffer.from(text)])
}
