import type { UpstreamSettings } from '../definition/upstream-defaults.ts'
import type { Maybe } from '../hooks.ts'
import type { GatewayRequest } from '../http/request.ts'
import type { UpstreamUrl } from '../http/upstream-url.ts'
import { CircuitBreaker, type CircuitState } from './circuit-breaker.ts'
import { Ejection } from './ejection.ts'
import type { Lease } from './lease.ts'
import { Target } from './target.ts'
import { Unavailable } from './unavailable.ts'
import { WaitingLine } from './waiting-line.ts'

/** What those who run the gateway are told about targets. */
export interface TargetReport {
  circuitBreaker(target: string, state: CircuitState): void
  /** `requests` failed in a row, or `checks` say so. */
  targetHealth(target: string, healthy: boolean, reason: 'requests' | 'checks'): void
}

export interface WeightedUrl {
  readonly url: UpstreamUrl
  readonly weight: number
}

/** Those a request has been to already. */
export type Tried = readonly UpstreamUrl[]

const NONE: Tried = []

/** The targets of one API: which one is asked next, and how many are asked at once. */
export class Targets {
  readonly all: readonly Target[]
  readonly #maxConnections: number
  readonly #leastPending: boolean
  readonly #report: TargetReport
  readonly #line: WaitingLine<Tried>

  constructor(urls: readonly WeightedUrl[], settings: UpstreamSettings, report: TargetReport) {
    this.#maxConnections = settings.maxConnections
    this.#leastPending = settings.balance === 'least-pending'
    this.#report = report
    this.#line = new WaitingLine(settings.maxQueued, settings.queueTimeoutMs)
    this.all = urls.map(({ url, weight }) => {
      const breaker =
        settings.circuitBreaker &&
        new CircuitBreaker(settings.circuitBreaker, (state) => report.circuitBreaker(url.href, state))
      const ejection = urls.length > 1 ? new Ejection(settings.ejectAfter, settings.ejectMs) : undefined
      return new Target(url, weight, this, breaker, ejection)
    })
  }

  get idle(): boolean {
    return this.#line.empty && this.all.every(({ pending }) => pending === 0)
  }

  /** A promise only where it has to wait for a connection. Throws where nobody may be asked, or too many wait. */
  lease(request: GatewayRequest, tried: Tried = NONE): Maybe<Lease> {
    // Time makes targets available again as well: then those who wait come first.
    if (!this.#line.empty) this.freed()
    const lease = this.#line.empty ? this.#give(tried) : undefined
    return lease ?? this.#line.join(request, tried)
  }

  freed(): void {
    if (!this.#line.empty) this.#line.serve((tried) => this.#give(tried))
  }

  failed(target: Target): void {
    const now = performance.now()
    const spare = (): boolean => this.all.some((other) => other !== target && other.healthy(now))
    if (target.ejection?.failed(now, spare) === true) this.#report.targetHealth(target.url.href, false, 'requests')
  }

  recovered(target: Target): void {
    this.#report.targetHealth(target.url.href, true, 'requests')
  }

  /** What a health check has found. */
  checked(target: Target, healthy: boolean): void {
    if (target.checked === healthy) return
    target.checked = healthy
    this.#report.targetHealth(target.url.href, healthy, 'checks')
    if (healthy) this.freed()
  }

  /** Undefined: those that may be asked have all connections in use. */
  #give(tried: Tried): Lease | undefined {
    const only = this.all[0]
    if (this.all.length === 1 && only !== undefined && only.breaker === undefined)
      return this.hasRoom(only) ? only.take() : undefined
    const now = performance.now()
    const admitted = this.all.filter(({ breaker }) => breaker?.admits(now) !== false)
    if (admitted.length === 0) throw this.#allOpen(now)
    const free = this.#free(admitted, tried, now)
    if (free.length === 0) return undefined
    return (this.#leastPending ? leastPending(free) : nextInTurn(free)).take()
  }

  /** A request that would rather go elsewhere does not wait for that: everybody behind it would have to wait as well. */
  #free(admitted: readonly Target[], tried: Tried, now: number): readonly Target[] {
    const free = preferred(admitted, tried, now).filter((target) => this.hasRoom(target))
    return free.length > 0 || tried.length === 0 ? free : this.#free(admitted, NONE, now)
  }

  hasRoom({ pending }: Target): boolean {
    return pending < this.#maxConnections
  }

  #allOpen(now: number): Unavailable {
    const wait = Math.min(...this.all.map(({ breaker }) => breaker?.waitMs(now) ?? 0))
    return new Unavailable(
      'PSTN_UPSTREAM_OPEN',
      'The circuit breaker of every target is open.',
      Math.max(1, Math.ceil(wait / 1_000)),
    )
  }
}

/** New ones before tried ones, healthy ones before others: checks that are wrong must not take everything down. */
function preferred(targets: readonly Target[], tried: Tried, now: number): readonly Target[] {
  const fresh = tried.length === 0 ? targets : targets.filter(({ url }) => !tried.includes(url))
  const healthy = fresh.filter((target) => target.healthy(now))
  if (healthy.length > 0) return healthy
  return fresh.length > 0 ? fresh : targets
}

/** In turn by weight, spread evenly: with 2 and 1 it is a, b, a, not a, a, b. */
function nextInTurn(targets: readonly Target[]): Target {
  let next = targets[0]!
  let total = 0
  for (const target of targets) {
    total += target.weight
    target.credit += target.weight
    if (target.credit > next.credit) next = target
  }
  next.credit -= total
  return next
}

/** The one with the fewest requests under way for its weight; equal ones in turn. */
function leastPending(targets: readonly Target[]): Target {
  const fewest = Math.min(...targets.map(({ pending, weight }) => pending / weight))
  return nextInTurn(targets.filter(({ pending, weight }) => pending / weight === fewest))
}
