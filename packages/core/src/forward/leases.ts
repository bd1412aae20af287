import type { ApiDefinition } from '../api.ts'
import { UPSTREAM_DEFAULTS } from '../definition/upstream-defaults.ts'
import { GatewayError } from '../errors.ts'
import type { Maybe } from '../hooks.ts'
import { GatewayRequest } from '../http/request.ts'
import { parseUpstreamUrl, type UpstreamUrl } from '../http/upstream-url.ts'
import { Detours } from './detours.ts'
import { type CheckTarget, HealthChecks } from './health-checks.ts'
import type { Lease } from './lease.ts'
import { type TargetReport, Targets, type Tried } from './targets.ts'

/** Where the requests of one API go, and when they may: what every forwarder asks before it connects. */
export class Leases {
  /** Where a request goes unless a plugin says otherwise; with several targets the first stands for all. */
  readonly own: UpstreamUrl | undefined
  readonly #definition: ApiDefinition
  readonly #targets: Targets | undefined
  readonly #detours: Detours
  #checks: HealthChecks | undefined

  constructor(definition: ApiDefinition, report: TargetReport) {
    const { upstream } = definition
    const urls = (upstream?.targets ?? []).map(({ url, weight }) => ({ url: parseUpstreamUrl(url), weight }))
    this.#definition = definition
    this.own = urls[0]?.url
    this.#targets = upstream === undefined ? undefined : new Targets(urls, upstream, report)
    this.#detours = new Detours(
      upstream ?? UPSTREAM_DEFAULTS,
      urls.map(({ url }) => url),
    )
  }

  /** A promise only where it has to wait. Throws, or rejects with, `PSTN_UPSTREAM_BUSY` and `PSTN_UPSTREAM_OPEN`. */
  lease(request: GatewayRequest, tried?: Tried): Maybe<Lease> {
    const url = GatewayRequest.upstreamUrl(request)
    if (url === this.own && this.#targets !== undefined) return this.#targets.lease(request, tried)
    if (url === undefined) throw new GatewayError('PSTN_INTERNAL', 'A request without an upstream was forwarded.')
    return this.#detours.lease(request, url)
  }

  /** Whether a request has not been everywhere yet. */
  hasOthers(request: GatewayRequest, tried: Tried): boolean {
    if (GatewayRequest.upstreamUrl(request) !== this.own) return false
    return this.#targets?.all.some(({ url }) => !tried.includes(url)) === true
  }

  /** Begins to check the health of the targets, where the definition asks for it. */
  watch(check: CheckTarget): void {
    const health = this.#definition.upstream?.health
    if (health !== undefined && this.#targets !== undefined)
      this.#checks = new HealthChecks(this.#targets, health, check)
  }

  close(): void {
    this.#checks?.stop()
  }
}
