import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Gateway, UpgradeOptions } from '@postern/core'
import {
  type Acceptance,
  type ExchangeAnswer,
  type GatewayCore,
  GatewayError,
  GatewayRequest,
  GatewayResponse,
  HANDED_OVER,
  type OutgoingMessage,
  refuse,
  takeOutgoing,
} from '@postern/core/host'
import { applyToHost } from './apply-to-host.ts'
import { isEnding } from './ending.ts'
import { hostCall } from './host-call.ts'
import { checkServer, connectionEvent, isTruncated } from './server-settings.ts'
import { answerOnSocket, switchProtocols } from './socket-answer.ts'
import { SocketTunnel } from './socket-tunnel.ts'

/** Connections a gateway has taken, and by how many others were passed by. */
const taken = new WeakSet<Duplex>()
const passed = new WeakMap<Duplex, number>()

/** The listener for `upgrade` of a gateway, on any host: no framework knows of upgrades. */
export function upgradeListener(core: GatewayCore): Gateway['upgrade'] {
  const warned = new Set<string>()
  return (req, socket, head, { next, basePath = '' }: UpgradeOptions = {}) => {
    // Node has taken its own listener off, and a reset nobody hears would end the process.
    socket.on('error', unheard)
    if (taken.has(socket) || isEnding(req)) return
    // Pipelined behind a request without its answer yet: one of ours would be taken for that.
    const { _httpMessage: before = null } = socket as Duplex & { readonly _httpMessage?: ServerResponse | null }
    if (before !== null) {
      socket.destroy()
      return
    }
    checkServer(req)
    const switching = !isIgnorable(req)
    if (!switching && !isTruncated(req) && giveBack(req, head)) return
    const tunnel = new SocketTunnel(socket, head)
    const url = req.url ?? '/'
    const call = hostCall(req, { originalUrl: url, target: url, basePath })
    const accepted = core.accept({ ...call, body: () => undefined, tunnel: switching ? tunnel.stream : undefined })
    if (accepted === undefined) {
      passOn(req, socket, next)
      return
    }
    const alone = next === undefined && listenersOf(req) > 1
    const exchange = new UpgradeExchange(accepted, req, socket, tunnel)
    if (alone && accepted.leadsToHost === 'guarded') {
      taken.add(socket)
      warnOfOthers(warned)
      exchange.refuse()
    } else if (alone && accepted.leadsToHost === 'freely') {
      // Another listener may have begun to answer: an answer of ours would stand in the middle of that.
      if (accepted.closes) exchange.refuse()
      else exchange.run(() => undefined)
    } else {
      taken.add(socket)
      // A host application that takes upgrades has no answer to an ordinary request.
      exchange.run(switching ? next : undefined)
    }
  }
}

/**
 * Clients of Java ask for h2c or TLS with every first request and do not mind being refused: answered without an upgrade
 * (RFC 9110 7.8), as Node does where nobody listens for one. Not with a body, which no parser reads any more.
 */
function isIgnorable({ headers }: IncomingMessage): boolean {
  const bodyless = headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'
  return bodyless && IGNORABLE.test(headers.upgrade ?? '')
}

/**
 * Gives a connection back to its server, which reads the request again without what it offers, and what follows it. False, and
 * nothing is done, beside other listeners, which may have begun to answer.
 */
function giveBack(req: IncomingMessage, head: Buffer): boolean {
  const socket = req.socket as Socket & { readonly server?: Server | undefined }
  const { server } = socket
  if (server === undefined || server.listenerCount('upgrade') > 1 || server.listenerCount('request') === 0) return false
  const lines = req.rawHeaders.flatMap((name, i, all) => {
    if (i % 2 !== 0 || OFFER.has(name.toLowerCase())) return []
    const value = name.toLowerCase() === 'connection' ? withoutOffer(all[i + 1]!) : all[i + 1]!
    return `${name}: ${value}\r\n`
  })
  const again = `${req.method ?? ''} ${req.url ?? ''} HTTP/${req.httpVersion}\r\n${lines.join('')}\r\n`
  socket.off('error', unheard)
  socket.unshift(Buffer.concat([Buffer.from(again, 'latin1'), head]))
  // As documented for connections a server did not accept by itself.
  server.emit(connectionEvent(server), socket)
  return true
}

const unheard = (): void => undefined

const OFFER: ReadonlySet<string> = new Set(['upgrade', 'http2-settings'])

/** What else a client says of its connection. */
function withoutOffer(connection: string): string {
  const options = connection.split(',').map((option) => option.trim())
  return options.filter((option) => !OFFER.has(option.toLowerCase())).join(', ')
}

const IGNORABLE = /^(?:h2c|tls\/\d\.\d)(?: *, *(?:h2c|tls\/\d\.\d))*$/i

/** Whoever else listens has got the same connection already, whatever the chain would say. */
function warnOfOthers(warned: Set<string>): void {
  if (warned.has('others')) return
  warned.add('others')
  process.emitWarning(
    "An upgrade for an API without an upstream was refused: the server has other 'upgrade' listeners, which get the connection before the gateway has decided. Call gateway.upgrade(req, socket, head, { next }) from one listener, and the others from next. (warned once)",
    'PosternWarning',
  )
}

/** No API listens there: somebody else may, and if all who listen are gateways the last one says so. */
function passOn(req: IncomingMessage, socket: Duplex, next: (() => void) | undefined): void {
  if (next !== undefined) {
    next()
    return
  }
  const count = (passed.get(socket) ?? 0) + 1
  passed.set(socket, count)
  if (count < listenersOf(req)) return
  const answer = takeOutgoing(refuse(404, 'Not Found', req.headers['content-type'] ?? null, 0), 'GET')
  if (answer instanceof Promise || !socket.writable) socket.destroy()
  else answerOnSocket(socket, answer)
}

/** 0 where the connection was not accepted by a server of Node's. */
function listenersOf(req: IncomingMessage): number {
  return (req.socket as Socket & { readonly server?: Server | undefined }).server?.listenerCount('upgrade') ?? 0
}

/** One accepted upgrade between the gateway and the client's connection. */
class UpgradeExchange {
  readonly #accepted: Acceptance
  readonly #req: IncomingMessage
  readonly #socket: Duplex
  readonly #tunnel: SocketTunnel
  /** What the client got; 499 as long as that is nothing. */
  #status = 499
  #answering = false
  #handedOver = false

  constructor(accepted: Acceptance, req: IncomingMessage, socket: Duplex, tunnel: SocketTunnel) {
    this.#accepted = accepted
    this.#req = req
    this.#socket = socket
    this.#tunnel = tunnel
  }

  /** Ends it before anything was decided. */
  refuse(): void {
    this.#socket.destroy()
    this.#over()
  }

  run(next: (() => void) | undefined): void {
    const socket = this.#socket
    if (socket.destroyed) {
      this.#over()
      return
    }
    socket.once('close', () => this.#over())
    // What a host application is to read stays unread.
    if (this.#accepted.leadsToHost === 'never' || next === undefined) this.#listen()
    try {
      const answer = this.#accepted.answer(next === undefined ? undefined : neverCaught)
      if (answer instanceof Promise)
        answer.then((later) => this.#deliver(later, next)).catch((error: unknown) => this.#failed(error))
      else this.#deliver(answer, next)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** As for any request: a client that ends its side before it has an answer has hung up. */
  #listen(): void {
    this.#socket.once('end', () => {
      if (!this.#answering) this.#socket.destroy()
    })
    this.#tunnel.open()
  }

  #deliver(answer: ExchangeAnswer, next: (() => void) | undefined): void {
    if (answer !== HANDED_OVER) this.#write(answer)
    else if (next !== undefined) this.#handOver(next)
  }

  /** From now on the connection is the host application's, until the gateway is closed. */
  #handOver(next: () => void): void {
    const { request } = this.#accepted
    if (request !== undefined) GatewayRequest.onCancel(request, () => this.#socket.destroy())
    const goOn = (): void => {
      if (this.#socket.destroyed) return
      this.#handedOver = true
      this.#status = 101
      this.#accepted.within(next)
    }
    const changes = applyToHost(this.#accepted, this.#req)
    if (changes === undefined) goOn()
    else changes.then(goOn).catch((error: unknown) => this.#failed(error))
  }

  #write(response: GatewayResponse): void {
    const message = takeOutgoing(response, this.#accepted.method)
    if (!(message instanceof Promise)) this.#send(response, message)
    else
      message.then(
        (later) => this.#send(response, later),
        // A plugin began to read the body, did not wait for it, and it failed meanwhile.
        () => this.#write(refuse(500, 'Middleware error', null, 0)),
      )
  }

  #send(response: GatewayResponse, message: OutgoingMessage): void {
    const socket = this.#socket
    const { status } = message
    const tunnel = GatewayResponse.tunnel(response)
    this.#answering = true
    if (!socket.writable) {
      GatewayResponse.discard(response)
      socket.destroy()
    } else if (status === 101 && tunnel !== undefined) {
      this.#status = status
      this.#tunnel.switched = true
      ;(socket as Socket).setTimeout(0)
      switchProtocols(socket, message, tunnel)
    } else {
      // Neither side has switched protocols: what they send beyond this answer is nobody's.
      tunnel?.cancel()
      this.#tunnel.open()
      this.#tunnel.stream.cancel()
      socket.once('finish', () => this.#accepted.conclude(status))
      answerOnSocket(socket, message, () => (this.#status = status))
    }
  }

  #failed(error: unknown): void {
    const answer = this.#accepted.failure(error)
    if (answer === undefined)
      process.emitWarning(
        error instanceof Error ? error : 'A host application failed without an Error.',
        'PosternWarning',
      )
    // What a host application has begun to write nobody can take back.
    if (this.#handedOver) this.#socket.destroy()
    else this.#write(answer ?? refuse(500, 'Internal Server Error', null, 0))
  }

  #over(): void {
    const { readableEnded, writableFinished } = this.#socket
    // In an orderly end some of what the client has sent may still be on its way.
    if (!(this.#tunnel.switched && readableEnded && writableFinished)) this.#accepted.cancel()
    this.#accepted.conclude(this.#status)
  }
}

/** Asked for an upgrade, the gateway hands over and catches nothing. */
function neverCaught(): Promise<GatewayResponse> {
  return Promise.reject(new GatewayError('PSTN_INTERNAL', 'The answer to an upgrade was to be caught.'))
}
