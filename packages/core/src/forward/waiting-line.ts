import { GatewayError, isGatewayError } from '../errors.ts'
import { GatewayRequest } from '../http/request.ts'
import type { Lease } from './lease.ts'
import { Unavailable } from './unavailable.ts'

/** Tries to give somebody what they wait for; undefined: not yet. Throws what they are to be told instead. */
export type Serve<T> = (wish: T) => Lease | undefined

interface Waiter<T> {
  readonly wish: T
  readonly resolve: (lease: Lease) => void
  readonly reject: (error: unknown) => void
  readonly timer: NodeJS.Timeout
}

/** Requests that wait for a connection, first come, first served; those whose client has gone leave. */
export class WaitingLine<T> {
  readonly #maxQueued: number
  readonly #timeoutMs: number
  /** Iterates in the order of insertion. */
  readonly #waiting = new Set<Waiter<T>>()

  constructor(maxQueued: number, timeoutMs: number) {
    this.#maxQueued = maxQueued
    this.#timeoutMs = timeoutMs
  }

  get empty(): boolean {
    return this.#waiting.size === 0
  }

  /** Throws when the line is full. */
  join(request: GatewayRequest, wish: T): Promise<Lease> {
    if (this.#waiting.size >= this.#maxQueued) throw busy(`${this.#maxQueued} requests wait already (maxQueued).`)
    return new Promise((resolve, reject) => {
      const leave = (error: Error): void => {
        if (!this.#waiting.delete(waiter)) return
        clearTimeout(timer)
        reject(error)
      }
      const late = (): void => leave(busy(`None became free within ${this.#timeoutMs} ms (queueTimeoutMs).`))
      const timer = setTimeout(late, this.#timeoutMs).unref()
      const waiter = { wish, resolve, reject, timer }
      this.#waiting.add(waiter)
      GatewayRequest.onCancel(request, () => leave(goneWith(request)))
    })
  }

  /** Serves from the front until somebody has to go on waiting. */
  serve(give: Serve<T>): void {
    for (const waiter of this.#waiting) {
      try {
        const lease = give(waiter.wish)
        if (lease === undefined) return
        waiter.resolve(lease)
      } catch (error) {
        waiter.reject(error)
      }
      clearTimeout(waiter.timer)
      this.#waiting.delete(waiter)
    }
  }
}

function busy(why: string): Unavailable {
  return new Unavailable('PSTN_UPSTREAM_BUSY', `Every connection to the upstream is in use. ${why}`, 1)
}

/** Why a request is not to be answered any more. */
export function goneWith(request: GatewayRequest): GatewayError {
  const reason = GatewayRequest.cancelReason(request)
  if (isGatewayError(reason)) return reason
  return new GatewayError('PSTN_CLIENT_CLOSED', reason?.message ?? 'The client hung up.', { cause: reason })
}
