import { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import {
  type Acceptance,
  ByteStream,
  changesForHost,
  GatewayError,
  GatewayRequest,
  type HostChanges,
  linesOf,
} from '@postern/core/host'
import { markReplaced } from './ending.ts'
import { parsedRequest } from './request-body.ts'

/**
 * Shows the host application what plugins changed, on its own `req`. What nobody touched stays exactly as it was.
 * Undefined when that could be done at once.
 */
export function applyToHost(
  accepted: Acceptance,
  req: IncomingMessage,
  host?: { onMoved?(): void },
): Promise<void> | undefined {
  const { request } = accepted
  if (request === undefined) return undefined
  const target = accepted.hostTarget()
  if (target !== undefined) {
    req.url = target
    host?.onMoved?.()
  }
  const changes = changesForHost(request)
  if (!(changes instanceof Promise)) {
    apply(changes, req, accepted)
    return undefined
  }
  return changes.then((later) => apply(later, req, accepted))
}

function apply(
  { method, touchedHeaders, headerLines, body }: HostChanges,
  req: IncomingMessage,
  { request, maxBodyBytes, watchBody }: Acceptance,
): void {
  req.method = method
  if (touchedHeaders.size > 0) applyHeaders(touchedHeaders, headerLines, req)
  if (body === undefined) {
    limitBody(req, maxBodyBytes)
    if (watchBody !== undefined && request !== undefined) showBody(req, request, watchBody)
    return
  }
  // A parser above has run already and will not run again.
  if (body.replacedBy !== undefined && parsedRequest(req).body !== undefined) parsedRequest(req).body = body.replacedBy
  // What a plugin still reads of the old one must not be bytes of the new one.
  if (request !== undefined) GatewayRequest.body(request).settle()
  putBack(req, body.content, maxBodyBytes)
}

function applyHeaders(touched: ReadonlySet<string>, lines: readonly string[], req: IncomingMessage): void {
  for (const name of touched) {
    const values = lines.filter((_, i) => i % 2 === 1 && lines[i - 1]!.toLowerCase() === name)
    if (values.length === 0) delete req.headers[name]
    else if (name === 'set-cookie') req.headers[name] = values
    else req.headers[name] = values.join(name === 'cookie' ? '; ' : ', ')
  }
  // What plugins do not see is the application's all the same, here as in `req.headers`.
  const isTouched = (name: string): boolean => touched.has(name)
  req.rawHeaders = [...linesOf(req.rawHeaders, isTouched, false), ...linesOf(lines, isTouched, true)]
}

/**
 * A body of undeclared length is counted as it comes in. What is too long already is refused; what becomes so ends the
 * connection, and with it the host's reading.
 */
function limitBody(req: IncomingMessage, limitBytes: number): void {
  if (limitBytes === Number.POSITIVE_INFINITY || req.readableEnded) return
  let bytes = req.readableLength
  if (bytes > limitBytes) throw tooLarge(limitBytes)
  const push = req.push.bind(req)
  req.push = (chunk: Uint8Array | null, encoding) => {
    bytes += chunk?.length ?? 0
    if (bytes <= limitBytes) return push(chunk, encoding)
    req.destroy(tooLarge(limitBytes))
    return false
  }
}

function tooLarge(limitBytes: number): GatewayError {
  return new GatewayError('PSTN_BODY_TOO_LARGE', `The body is larger than ${limitBytes} bytes (maxBodyBytes).`)
}

/** Shows a body that the host application reads by itself, without reading it. */
function showBody(req: IncomingMessage, request: GatewayRequest, watch: (chunk: Uint8Array) => void): void {
  if (req.readableDidRead) {
    // A parser above has it: what it kept is shown when it is asked for.
    void GatewayRequest.body(request).content()
    return
  }
  const waiting: unknown = req.readableLength > 0 ? req.read() : null
  if (waiting instanceof Uint8Array) {
    watch(waiting)
    req.unshift(waiting)
  }
  const push = req.push.bind(req)
  req.push = (chunk: Uint8Array | null, encoding) => {
    if (chunk !== null) watch(chunk)
    return push(chunk, encoding)
  }
}

/**
 * Gives a request whose stream was read, or is not wanted, a new one, for the host's own parsers. Running the constructor again
 * resets the reading side and nothing else: listeners, headers and the socket stay.
 */
function putBack(req: IncomingMessage, content: Buffer | ByteStream, limitBytes: number): void {
  const restart = Readable as unknown as (this: Readable, options: object) => void
  restart.call(req, { autoDestroy: false })
  const push = Readable.prototype.push.bind(req)
  if (!req.complete) discardRest(req, limitBytes)
  if (content instanceof ByteStream) {
    let started = false
    req._read = () => {
      if (started) content.resume()
      else
        content.consume({
          write: (chunk) => push(chunk),
          end: () => push(null),
          fail: (error) => req.destroy(error),
        })
      started = true
    }
    return
  }
  req._read = () => undefined
  push(content)
  push(null)
}

/** Node's parser still has the old body to give, and its end; the connection needs both to be read. */
function discardRest(req: IncomingMessage, limitBytes: number): void {
  markReplaced(req)
  // Once it is, Node does not tell a request any more that all of it is here.
  Object.defineProperty(req, 'readableEnded', { configurable: true, value: false })
  let bytes = 0
  req.push = (chunk: Uint8Array | null) => {
    if (chunk === null) Reflect.deleteProperty(req, 'readableEnded')
    bytes += chunk?.length ?? 0
    if (bytes > limitBytes) req.destroy(tooLarge(limitBytes))
    return true
  }
  IncomingMessage.prototype._read.call(req, 0)
}
