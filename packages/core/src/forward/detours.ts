import type { GatewayError } from '../errors.ts'
import type { UpstreamSettings } from '../definition/upstream-defaults.ts'
import type { Maybe } from '../hooks.ts'
import type { GatewayRequest } from '../http/request.ts'
import type { UpstreamUrl } from '../http/upstream-url.ts'
import type { Lease } from './lease.ts'
import { Targets } from './targets.ts'

/** A plugin that routes by what a client sends could otherwise make them without end. */
const MAX_ORIGINS = 1_000

const NOBODY = { circuitBreaker: () => undefined, targetHealth: () => undefined }

/** Where plugins route requests by themselves: no health and no retries elsewhere, but as many connections as a target. */
export class Detours {
  readonly #settings: UpstreamSettings
  /** Origins the operator has named: a plugin may choose among them freely. */
  readonly #named: ReadonlySet<string>
  readonly #origins = new Map<string, Targets>()

  constructor(settings: UpstreamSettings, named: readonly UpstreamUrl[]) {
    this.#settings = { ...settings, circuitBreaker: undefined }
    this.#named = new Set(named.map(({ origin }) => origin))
  }

  lease(request: GatewayRequest, url: UpstreamUrl): Maybe<Lease> {
    const lease = this.#at(url).lease(request)
    const guarded = !this.#named.has(url.origin)
    if (lease instanceof Promise) return lease.then((later) => new Detour(url, guarded, later))
    return new Detour(url, guarded, lease)
  }

  #at(url: UpstreamUrl): Targets {
    const known = this.#origins.get(url.origin)
    if (known !== undefined) return known
    if (this.#origins.size >= MAX_ORIGINS) this.#forgetOne()
    const targets = new Targets([{ url, weight: 1 }], this.#settings, NOBODY)
    this.#origins.set(url.origin, targets)
    return targets
  }

  /** One nobody uses, else the oldest: its requests keep what they have. */
  #forgetOne(): void {
    const [oldest] = this.#origins.keys()
    for (const [origin, targets] of this.#origins) {
      if (!targets.idle) continue
      this.#origins.delete(origin)
      return
    }
    if (oldest !== undefined) this.#origins.delete(oldest)
  }
}

class Detour implements Lease {
  readonly url: UpstreamUrl
  readonly guarded: boolean
  readonly #lease: Lease

  constructor(url: UpstreamUrl, guarded: boolean, lease: Lease) {
    this.url = url
    this.guarded = guarded
    this.#lease = lease
  }

  answered(status: number): void {
    this.#lease.answered(status)
  }

  failed(error: GatewayError): void {
    this.#lease.failed(error)
  }

  end(): void {
    this.#lease.end()
  }
}
