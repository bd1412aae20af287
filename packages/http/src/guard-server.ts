import { IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { GatewayError, namesBrokenHost, refuse } from '@postern/core/host'
import { cutLater, endConnectionWith, endGently, isEnding, lingerAfter } from './ending.ts'
import { refuseOnSocket } from './refuse-on-socket.ts'
import { asksForHost } from './server-settings.ts'
import { writeResponse } from './write-response.ts'

/** What is being worked on, by connection, in the order it came. */
type InFlight = WeakMap<Duplex, ServerResponse[]>

/** Puts a listener behind a server, past what Node's own defaults would let through. */
export function guardServer(server: Server, listener: RequestListener): void {
  const inFlight: InFlight = new WeakMap()
  const meet =
    (take: RequestListener): RequestListener =>
    (req, res) => {
      const run = (): void => {
        // Behind an answer that ends the connection, or behind a request that was refused: where it begins is the word of
        // somebody who lied about that. Node never closes a response whose turn does not come. Not at once: one piece
        // holds thousands, each of which closes the next, and they would fill the stack.
        if (isEnding(req) || !req.socket.writable) process.nextTick(() => res.emit('close'))
        else if (isUnroutable(req)) refuseRequest(req, res, 400, 'Malformed request')
        else take(req, res)
      }
      const before = track(inFlight, res)
      if (before === undefined) run()
      // One at a time: what ends the connection keeps what stands behind it from running (RFC 9112 9.3.2).
      else before.once('close', run)
    }
  asksForHost(server)
  server.on('request', meet(listener))
  server.on(
    'checkContinue',
    meet((req, res) => {
      continueOnRead(req, res)
      listener(req, res)
    }),
  )
  server.on(
    'checkExpectation',
    meet((req, res) => refuseRequest(req, res, 417, 'Expectation failed')),
  )
  server.on('connect', (_: IncomingMessage, socket: Duplex) => {
    const before = [...(inFlight.get(socket) ?? [])]
    if (before.length === 0) refuseOnSocket(socket, 405, 'Method not allowed')
    // Node has let go of the connection: an answer written now would be taken for the one to an earlier request, no end,
    // no deadline and no error of it is heard any more, and a request that was read does not take it along.
    else {
      for (const { req } of before) req.destroy()
      socket.destroy()
    }
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
    refuseClient(inFlight, error, socket as Socket),
  )
}

/** What Node would refuse and run what is pipelined behind, and what frameworks answer before any middleware sees it. */
function isUnroutable({ headers, httpVersion, url = '' }: IncomingMessage): boolean {
  return (headers.host === undefined && httpVersion === '1.1') || namesBrokenHost(url)
}

/** The request that came last, by connection; its answer may be out while its body still comes. */
const newest = new WeakMap<Duplex, IncomingMessage>()

/** More than any client pipelines; what waits for its turn is held in memory. */
const MOST_PIPELINED = 1_000

/** The response that has to be out before this one may begin. */
function track(inFlight: InFlight, res: ServerResponse): ServerResponse | undefined {
  const { socket } = res.req
  let responses = inFlight.get(socket)
  if (responses === undefined) {
    responses = []
    inFlight.set(socket, responses)
  }
  const before = responses.at(-1)
  responses.push(res)
  newest.set(socket, res.req)
  res.once('close', () => void responses.splice(responses.indexOf(res), 1))
  if (responses.length > MOST_PIPELINED) socket.destroy()
  return before
}

function refuseRequest(req: IncomingMessage, res: ServerResponse, status: number, message: string): void {
  endConnectionWith(req, res)
  lingerAfter(res)
  writeResponse(res, refuse(status, message, req.headers['content-type'] ?? null, 0), req.method ?? 'GET')
}

/**
 * 100 is sent when somebody wants the body, so that a refused upload is refused before it is sent (RFC 9110 10.1.1).
 * Refused without one, nobody knows whether the body comes: the connection ends with the answer.
 */
function continueOnRead(req: IncomingMessage, res: ServerResponse): void {
  const keepAlive = res.shouldKeepAlive
  res.shouldKeepAlive = false
  req._read = (size) => {
    req._read = (more) => IncomingMessage.prototype._read.call(req, more)
    if (!res.headersSent) {
      res.shouldKeepAlive = keepAlive
      res.writeContinue()
    }
    req._read(size)
  }
  lingerAfter(res)
}

const STATUS: Readonly<Record<string, readonly [status: number, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request header fields too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'Request body too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request timeout'],
}

/** Connections that were told already; their parser complains of every piece that still comes. */
const told = new WeakSet<Duplex>()

/**
 * What is no HTTP ends its connection. Where it came behind requests that are whole, those are answered first: Node would
 * cut them off.
 */
function refuseClient(inFlight: InFlight, error: NodeJS.ErrnoException, socket: Socket): void {
  const { code = '' } = error
  if (!socket.writable || !(code.startsWith('HPE_') || code === 'ERR_HTTP_REQUEST_TIMEOUT')) {
    socket.destroy()
    return
  }
  if (told.has(socket)) return
  told.add(socket)
  const last = inFlight.get(socket)?.at(-1)
  if (last === undefined && newest.get(socket)?.complete === false) {
    // Its request has its answer: another one would be taken for that of the next request.
    endGently(socket)
    socket.destroySoon()
    return
  }
  if (last === undefined) {
    refuseOnSocket(socket, ...(STATUS[code] ?? ([400, 'Malformed request'] as const)))
    return
  }
  // Half an answer is out: nothing can be put behind it.
  if (last.headersSent && !last.req.complete) {
    socket.destroy()
    return
  }
  endGently(socket)
  last.shouldKeepAlive = false
  last.once('close', () => socket.destroySoon())
  if (last.req.complete) return
  breakBody(last.req, bodyError(code, error))
  cutLater(socket)
}

function bodyError(code: string, cause: Error): GatewayError {
  const message = `The body is no HTTP: ${cause.message}.`
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new GatewayError('PSTN_BODY_TIMEOUT', 'The request took longer than the server allows (requestTimeoutMs).')
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return new GatewayError('PSTN_BODY_TOO_LARGE', message, { cause })
  return new GatewayError('PSTN_BODY_ABORTED', message, { cause })
}

/** Fails a body for whoever reads it, now or later, and leaves the connection to the answer; Node's own would cut that. */
function breakBody(req: IncomingMessage, error: Error): void {
  req._destroy = (reason, done) => {
    req.emit('aborted')
    done(reason)
  }
  // It may have no reader yet, and an error nobody hears would end the process.
  req.on('error', () => undefined)
  req.destroy(error)
}
