import { Readable } from 'node:stream'
import { ByteStream, GatewayHeaders, GatewayResponse, isFramingField } from '@postern/core/host'
import { type CapturedResponse, headerNames } from '@postern/http/bridge'
import type { Context } from 'koa'

/** What the host application answered. */
export interface HostAnswer {
  readonly response: GatewayResponse
  /** It wrote to `res` itself, and so must whoever answers. */
  readonly written: boolean
  readonly capture: CapturedResponse
  /** Its body is the text of its status, which Koa writes when nobody else does, and types itself. */
  readonly ofStatus: boolean
}

/**
 * Lets the rest of the Koa application answer and shows what it put on `ctx` to the response plugins. What it writes to
 * `ctx.res` behind Koa's back (`ctx.respond = false`) is caught as well.
 */
export async function answerOfHost(
  ctx: Context,
  capture: CapturedResponse,
  letHostAnswer: () => Promise<void>,
  maxBufferedBytes: number,
): Promise<HostAnswer> {
  try {
    await letHostAnswer()
  } catch (error) {
    capture.release()
    throw error
  }
  if (ctx.respond === false || ctx.res.headersSent) {
    return { response: await capture.response, written: true, capture, ofStatus: false }
  }
  capture.release()
  const text = textOfStatus(ctx)
  const body = text === undefined ? new ByteStream(new LazyBody(ctx.body)) : Buffer.from(text)
  const response = new GatewayResponse(ctx.status, new GatewayHeaders(headerLines(ctx, text)), body, maxBufferedBytes)
  return { response, written: false, capture, ofStatus: text !== undefined }
}

/** Whether all there is to do is on the head: Koa sends the body as the application left it. */
export function isAsLeft(ctx: Context, { response, ofStatus }: HostAnswer, answer: GatewayResponse): boolean {
  if (answer !== response || !GatewayResponse.body(answer).untouched) return false
  return !ofStatus || (answer.status === ctx.status && GatewayHeaders.changed(answer.headers).size === 0)
}

/** Puts status and headers of an answer whose body nobody touched back on `ctx`; the body is still there, as the host left it. */
export function applyHead(ctx: Context, response: GatewayResponse): void {
  if (ctx.status !== response.status) ctx.status = response.status
  for (const name of GatewayHeaders.changed(response.headers)) {
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

/** The lines there are; of the text of a status Koa says the type, whatever was said before. */
function headerLines(ctx: Context, textOfIt: string | undefined): string[] {
  const lines = headerNames(ctx.res).flatMap((name) => {
    if (textOfIt !== undefined && name.toLowerCase() === 'content-type') return []
    const value = ctx.res.getHeader(name)
    return (Array.isArray(value) ? value : [String(value)]).flatMap((line) => [name, line])
  })
  return textOfIt === undefined ? lines : [...lines, 'Content-Type', 'text/plain; charset=utf-8']
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

/** What Koa answers when the application says nothing; undefined when it does, also where it says that there is nothing. */
function textOfStatus(ctx: Context): string | undefined {
  const silent = ctx.body === undefined || ctx.body === null
  const saidNothing = (ctx.response as { _explicitNullBody?: boolean })._explicitNullBody === true
  if (!silent || saidNothing || NO_TEXT.has(ctx.status)) return undefined
  return ctx.message === '' ? String(ctx.status) : ctx.message
}

const NO_TEXT = new Set([204, 205, 304])

function readableOf(body: unknown): Readable {
  if (body instanceof Readable) return body
  if (body instanceof ReadableStream) return Readable.fromWeb(body)
  if (body instanceof Blob) return Readable.fromWeb(body.stream())
  if (body instanceof Response) return body.body === null ? Readable.from([]) : Readable.fromWeb(body.body)
  if (body === undefined || body === null) return Readable.from([])
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return Readable.from([Buffer.from(text)])
}
