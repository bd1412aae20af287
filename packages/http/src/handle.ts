import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import {
  type Acceptance,
  type ExchangeAnswer,
  type GatewayCore,
  type GatewayResponse,
  HANDED_OVER,
  type HostCall,
} from '@postern/core/host'
import { announceToClient } from './announce.ts'
import { applyToHost } from './apply-to-host.ts'
import { type CapturedResponse, captureResponse } from './capture-response.ts'
import { endConnectionWith, isEnding, lingerAfter } from './ending.ts'
import { hostCall } from './host-call.ts'
import { mergeSmallWrites } from './merged-writes.ts'
import { checkServer } from './server-settings.ts'
import { writeLongWaiting, writeWaiting } from './turn-writes.ts'
import { causeOfBreak, isBrokenOff, writeResponse } from './write-response.ts'

/** What a host tells of a request beyond `req` and `res`. */
export interface HostContext {
  /** The request target as the client sent it. */
  readonly originalUrl: string
  /** The one the host routes by, the mount path included. */
  readonly target: string
  /** The mount path the host took off; empty at the root. */
  readonly basePath: string
  next(error?: unknown): void
  /** Whether `next` leads to an application that can answer. */
  readonly standsBehind: boolean
  /** Called after plugins changed the request target, before the host application sees it. */
  onMoved?(): void
}

/** One request of a host that answers through `res`. What the gateway does not take, and what is a bug, goes to `next`. */
export function handle(core: GatewayCore, req: IncomingMessage, res: ServerResponse, host: HostContext): void {
  const accepted = accept(core, hostCall(req, host), req, res)
  if (accepted === DROPPED) return
  if (accepted === undefined) {
    goOn(host)
    return
  }
  const exchange = new HostExchange(accepted, req, res, host)
  accepted.attach(exchange)
  exchange.run()
}

/** The host application has the request from here on, and may take long over it. */
function goOn(host: HostContext): void {
  writeWaiting()
  host.next()
}

/** What nobody answers: it was pipelined behind a request that ended its connection. */
export const DROPPED = 'dropped'

/** Asks the gateway, and ties what it takes to the client's connection. */
export function accept(
  core: GatewayCore,
  call: HostCall,
  req: IncomingMessage,
  res: ServerResponse,
): Acceptance | typeof DROPPED | undefined {
  // What came before that, and was kept back by a middleware above, is answered: it is its turn, and nothing has ended yet.
  if (isEnding(req) && res.socket?.writable !== true) return DROPPED
  checkServer(req)
  writeLongWaiting()
  const accepted = core.accept(call)
  if (accepted === undefined) return undefined
  if (accepted.closes) endConnectionWith(req, res)
  lingerAfter(res)
  mergeSmallWrites(req.socket)
  watch(req, res, accepted)
  return accepted
}

/** One accepted request between the gateway and a host that answers through `res`. */
class HostExchange {
  readonly #accepted: Acceptance
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #host: HostContext
  /** The host application's own answer, where it is caught. */
  #capture: CapturedResponse | undefined

  constructor(accepted: Acceptance, req: IncomingMessage, res: ServerResponse, host: HostContext) {
    this.#accepted = accepted
    this.#req = req
    this.#res = res
    this.#host = host
  }

  run(): void {
    try {
      const answer = this.#accepted.answer(this.#host.standsBehind ? () => this.#catchHost() : undefined)
      if (answer instanceof Promise)
        answer.then(
          (later) => this.#deliverSafely(later),
          (error: unknown) => this.#failed(error),
        )
      else this.#deliver(answer)
    } catch (error) {
      this.#failed(error)
    }
  }

  #deliverSafely(answer: ExchangeAnswer): void {
    try {
      this.#deliver(answer)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Response plugins want to see what the host application answers. */
  async #catchHost(): Promise<GatewayResponse> {
    await applyToHost(this.#accepted, this.#req, this.#host)
    this.#accepted.stopIfCancelled()
    const capture = captureResponse(this.#res, this.#accepted.maxBufferedBytes)
    this.#capture = capture
    try {
      goOn(this.#host)
    } catch (error) {
      // The host's error page is written to the `res` it knows, and nobody waits for it here.
      capture.release()
      throw error
    }
    return capture.response
  }

  #deliver(answer: ExchangeAnswer): void {
    if (this.#accepted.closes) endConnectionWith(this.#req, this.#res)
    if (answer === HANDED_OVER) this.#handOver()
    else this.#write(answer)
  }

  /** Past the capture, where there is one. */
  #write(answer: GatewayResponse): void {
    const capture = this.#capture
    if (capture?.isAwaited() === true) writeInPlace(this.#req, this.#res, answer, this.#accepted.method, capture)
    else writeResponse(this.#res, answer, this.#accepted.method, capture?.writerFor(answer))
  }

  #handOver(): void {
    announceToClient(this.#accepted, this.#res)
    const changes = applyToHost(this.#accepted, this.#req, this.#host)
    const handOver = (): void => this.#accepted.within(() => goOn(this.#host))
    if (changes === undefined) handOver()
    else changes.then(handOver, (error: unknown) => this.#failed(error))
  }

  #failed(error: unknown): void {
    if (this.#accepted.closes) endConnectionWith(this.#req, this.#res)
    const answer = this.#accepted.failure(error)
    if (answer === undefined) {
      announceToClient(this.#accepted, this.#res)
      this.#host.next(error ?? new Error('Rejected without an error.'))
    } else this.#write(answer)
  }
}

/**
 * Answers in place of a host application that takes too long. The connection ends with it: the application may end it later,
 * as Express does where something fails behind an answer.
 */
export function writeInPlace(
  req: IncomingMessage,
  res: ServerResponse,
  answer: GatewayResponse,
  method: string,
  capture: CapturedResponse,
): void {
  endConnectionWith(req, res)
  writeResponse(res, answer, method, capture.writerFor(answer))
  capture.giveUp()
}

/**
 * Ties the exchange to the client's connection: it ends with the answer, or with the client. A pipelined response gets its
 * socket, and so its `close`, only when its turn comes; until then the socket itself is asked.
 */
function watch(req: IncomingMessage, res: ServerResponse, accepted: Acceptance): void {
  const onClose = (): void => {
    const delivered = res.writableFinished
    // Asked first: what is cancelled breaks off as well, but it was the client who has left.
    const status = delivered || isBrokenOff(res) ? res.statusCode : 499
    if (!delivered) accepted.cancel()
    accepted.conclude(status, causeOfBreak(res))
  }
  if (res.closed || (res.socket === null && req.socket.destroyed)) {
    onClose()
    return
  }
  res.once('close', onClose)
  if (res.socket === null) onSocketClose(req.socket, res, onClose)
}

const waiting = new WeakMap<Socket, Set<() => void>>()

/** One listener for all responses of a connection that wait for their turn. */
function onSocketClose(socket: Socket, res: ServerResponse, onClose: () => void): void {
  const known = waiting.get(socket)
  const listeners = known ?? new Set()
  if (known === undefined) {
    waiting.set(socket, listeners)
    socket.once('close', () => {
      for (const listener of listeners) listener()
    })
  }
  listeners.add(onClose)
  res.once('close', () => listeners.delete(onClose))
}
