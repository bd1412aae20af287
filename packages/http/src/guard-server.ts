import { IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { isEnding } from './ending.ts'
import { refuseOnSocket } from './refuse-on-socket.ts'

/** What is being worked on, by connection. */
type InFlight = WeakMap<Duplex, Set<IncomingMessage>>

/** Puts a listener behind a server, past what Node's own defaults would let through. */
export function guardServer(server: Server, listener: RequestListener): void {
  const inFlight: InFlight = new WeakMap()
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    // Pipelined behind a request that was refused: where it begins is the word of somebody who lied about that.
    if (isEnding(req)) return
    track(inFlight, req, res)
    listener(req, res)
  }
  server.on('request', onRequest)
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    continueOnRead(req, res)
    onRequest(req, res)
  })
  server.on('connect', (_: IncomingMessage, socket: Duplex) => refuseOnSocket(socket, 405, 'Method not allowed'))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => refuseClient(inFlight, error, socket))
}

function track(inFlight: InFlight, req: IncomingMessage, res: ServerResponse): void {
  const requests = inFlight.get(req.socket) ?? new Set()
  inFlight.set(req.socket, requests)
  requests.add(req)
  res.once('close', () => requests.delete(req))
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
}

const STATUS: Readonly<Record<string, readonly [status: number, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request header fields too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'Request body too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request timeout'],
}

/**
 * What is no HTTP ends its connection. Where it came behind requests that are whole, those are answered first: Node would
 * cut them off.
 */
function refuseClient(inFlight: InFlight, error: NodeJS.ErrnoException, socket: Duplex): void {
  const before = [...(inFlight.get(socket) ?? [])]
  if (before.length > 0 && before.every((req) => req.complete)) {
    waitFor(before, inFlight, socket)
    return
  }
  // Half an answer may be out: nothing can be put behind it.
  const { _httpMessage: current } = socket as Duplex & { readonly _httpMessage?: ServerResponse | null }
  const [status, message] = STATUS[error.code ?? ''] ?? [400, 'Malformed request']
  if (current?.headersSent === true || error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
  else refuseOnSocket(socket, status, message)
}

function waitFor(requests: readonly IncomingMessage[], inFlight: InFlight, socket: Duplex): void {
  const { _httpMessage: current } = socket as Socket & { readonly _httpMessage?: ServerResponse | null }
  if (current?.headersSent === false) current.shouldKeepAlive = requests.length > 1
  const check = setInterval(() => {
    if (socket.destroyed || (inFlight.get(socket)?.size ?? 0) === 0) {
      clearInterval(check)
      ;(socket as Socket).destroySoon()
    }
  }, 10).unref()
}
