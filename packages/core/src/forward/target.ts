import type { GatewayError } from '../errors.ts'
import type { UpstreamUrl } from '../http/upstream-url.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import type { Ejection } from './ejection.ts'
import type { Lease } from './lease.ts'

/** Who has to know what became of a lease. */
export interface TargetKeeper {
  hasRoom(target: Target): boolean
  freed(): void
  /** The target has failed, or answered again after it had. */
  failed(target: Target): void
  recovered(target: Target): void
}

/** One place requests go to. It is its own lease: with nothing to remember about a request, nothing is allocated for one. */
export class Target implements Lease {
  readonly url: UpstreamUrl
  readonly weight: number
  readonly guarded = false
  readonly breaker: CircuitBreaker | undefined
  readonly ejection: Ejection | undefined
  readonly #keeper: TargetKeeper
  /** Connections in use. */
  pending = 0
  /** What the health checks say; true where there are none. */
  checked = true
  /** For the weighted rotation: how far it is behind its share. */
  credit = 0

  constructor(
    url: UpstreamUrl,
    weight: number,
    keeper: TargetKeeper,
    breaker: CircuitBreaker | undefined,
    ejection: Ejection | undefined,
  ) {
    this.url = url
    this.weight = weight
    this.#keeper = keeper
    this.breaker = breaker
    this.ejection = ejection
  }

  /** Whether neither checks nor requests say that it is down. */
  healthy(now: number): boolean {
    return this.checked && this.ejection?.ejected(now) !== true
  }

  /** Takes a connection; the circuit breaker has admitted it. */
  take(): Lease {
    this.pending += 1
    return this.breaker?.pass(performance.now()) === true ? new Probe(this, this.breaker) : this
  }

  answered(status: number): void {
    this.breaker?.count(status >= 500, performance.now())
    this.reached()
  }

  failed(error: GatewayError): void {
    if (!FAILURES.has(error.code)) return
    this.breaker?.count(true, performance.now())
    this.#keeper.failed(this)
  }

  /** It answers, whatever: the application's own errors do not say that the target is down. */
  reached(): void {
    if (this.ejection === undefined) return
    const doubted = this.ejection.doubted
    this.ejection.succeeded()
    if (doubted) this.#keeper.recovered(this)
  }

  missed(): void {
    this.#keeper.failed(this)
  }

  end(): void {
    // A connection needs a turn of the event loop before it is used again: whoever has waited for this one would be given
    // another beyond the limit.
    if (this.#keeper.hasRoom(this)) this.#freed()
    else process.nextTick(() => setImmediate(() => this.#freed()))
  }

  #freed(): void {
    this.pending -= 1
    this.#keeper.freed()
  }
}

/** A request that asks a target whether it works again. */
class Probe implements Lease {
  readonly url: UpstreamUrl
  readonly guarded = false
  readonly #target: Target
  readonly #breaker: CircuitBreaker
  #judged = false

  constructor(target: Target, breaker: CircuitBreaker) {
    this.url = target.url
    this.#target = target
    this.#breaker = breaker
  }

  answered(status: number): void {
    this.#judge(status >= 500)
    this.#target.reached()
  }

  failed(error: GatewayError): void {
    if (!FAILURES.has(error.code)) return
    this.#judge(true)
    this.#target.missed()
  }

  end(): void {
    this.#judge(undefined)
    this.#target.end()
  }

  #judge(failed: boolean | undefined): void {
    if (this.#judged) return
    this.#judged = true
    this.#breaker.probed(failed, performance.now())
  }
}

/** What speaks against the target; a client that hangs up, or sends half a body, does not. */
const FAILURES: ReadonlySet<string> = new Set([
  'PSTN_UPSTREAM_UNREACHABLE',
  'PSTN_UPSTREAM_INVALID',
  'PSTN_UPSTREAM_TIMEOUT',
  'PSTN_UPSTREAM_BROKE',
])
