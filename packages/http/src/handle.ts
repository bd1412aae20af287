import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type Acceptance,
  type ExchangeAnswer,
  type GatewayCore,
  HANDED_OVER,
  type HostForwarder,
} from '@postern/core/host'
import { applyToHost } from './apply-to-host.ts'
import { captureResponse, writerOf } from './capture-response.ts'
import { hostCall } from './host-call.ts'
import { isBrokenOff, writeResponse } from './write-response.ts'

/** What a host tells of a request beyond `req` and `res`. */
export interface HostContext {
  /** The request target before the host took a mount path off. */
  readonly originalUrl: string
  /** The mount path it took off; empty at the root. */
  readonly basePath: string
  readonly next: (error?: unknown) => void
  /** Whether `next` leads to an application that can answer. */
  readonly standsBehind: boolean
  /** Called after plugins changed the request, before the host application sees it. */
  readonly onChanged?: () => void
}

/** One request of a host that answers through `res`. What the gateway does not take, and what is a bug, goes to `next`. */
export function handle(core: GatewayCore, req: IncomingMessage, res: ServerResponse, host: HostContext): void {
  try {
    const accepted = core.accept(hostCall(req, host.originalUrl, host.basePath))
    if (accepted === undefined) {
      host.next()
      return
    }
    watch(res, accepted)
    const answer = accepted.answer(host.standsBehind ? hostForwarder(accepted, req, res, host) : undefined)
    if (answer instanceof Promise) answer.then((later) => deliver(later, accepted, req, res, host)).catch(host.next)
    else deliver(answer, accepted, req, res, host)
  } catch (error) {
    host.next(error)
  }
}

/** Response plugins want to see what the host application answers. */
function hostForwarder(
  accepted: Acceptance,
  req: IncomingMessage,
  res: ServerResponse,
  host: HostContext,
): HostForwarder {
  return async () => {
    await applyToHost(accepted, req)
    host.onChanged?.()
    const capture = captureResponse(res, accepted.maxBufferedBytes)
    host.next()
    return capture.response
  }
}

function deliver(
  answer: ExchangeAnswer,
  accepted: Acceptance,
  req: IncomingMessage,
  res: ServerResponse,
  host: HostContext,
): void {
  if (answer !== HANDED_OVER) {
    writeResponse(res, answer, accepted.method, writerOf(res))
    return
  }
  const handOver = (): void => {
    host.onChanged?.()
    host.next()
  }
  const changes = applyToHost(accepted, req)
  if (changes === undefined) handOver()
  else changes.then(handOver, host.next)
}

/** Ties the exchange to the client's connection: it ends with the answer, or with the client. */
export function watch(res: ServerResponse, accepted: Acceptance): void {
  const onClose = (): void => {
    const delivered = res.writableFinished
    if (!delivered) accepted.cancel()
    accepted.conclude(delivered || isBrokenOff(res) ? res.statusCode : 499)
  }
  if (res.closed) onClose()
  else res.once('close', onClose)
}
