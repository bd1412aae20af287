import type { ApiDefinition } from '../api.ts'
import type { RateLimitInput } from '../api-input.ts'
import { ignoresCase } from '../definition/loose-case.ts'
import type { GatewayRequest } from '../http/request.ts'
import type { Charge } from '../limits/charge.ts'
import { quotaCharge, rateCharge } from '../limits/rate.ts'
import { type EffectiveLimits, limitsOf } from '../session/effective-limits.ts'
import type { Caller } from './caller.ts'
import { EndpointTree } from './endpoint-tree.ts'
import type { Exchange } from './exchange.ts'

interface Made {
  /** Whose counters, and beside which limits of the API. */
  readonly id: string
  readonly ofApi: readonly Charge[]
  readonly charges: readonly Charge[]
}

/** What one request of an API counts against. Charges of a stored session are made once. */
export class Charging {
  readonly #definition: ApiDefinition
  readonly #api: readonly Charge[]
  readonly #endpoints: EndpointTree<readonly Charge[]>
  readonly #ofLimits = new WeakMap<EffectiveLimits, Made>()

  constructor(definition: ApiDefinition) {
    this.#definition = definition
    const { api, endpoints } = definition.limits
    this.#api = api === undefined ? [] : [this.#apiCharge(api, '')]
    this.#endpoints = new EndpointTree(ignoresCase(definition), definition.endpointOrder)
    for (const [key, limit] of Object.entries(endpoints)) this.#endpoints.add(key, [this.#apiCharge(limit, key)])
  }

  /** Nothing is ever counted here: nobody has a key, and all callers together have no limit. */
  get idle(): boolean {
    return this.#definition.keyless && this.#api.length + this.#endpoints.size === 0
  }

  of({ caller, request }: Exchange): readonly Charge[] {
    const ofApi = this.ofApi(request.method, request.path)
    if (caller === undefined) return ofApi
    const limits = limitsOfKey(caller, request, this.#definition)
    const known = this.#ofLimits.get(limits)
    if (known?.id === caller.id && known.ofApi === ofApi) return known.charges
    const charges = [...this.#keyCharges(caller, limits), ...ofApi]
    this.#ofLimits.set(limits, { id: caller.id, ofApi, charges })
    return charges
  }

  /** For all callers together; an endpoint's own limit takes the place of the API's. */
  ofApi(method: string, path: string): readonly Charge[] {
    if (this.#endpoints.size === 0) return this.#api
    return this.#endpoints.find(method, path)?.value ?? this.#api
  }

  #keyCharges({ id }: Caller, { rate, quota }: EffectiveLimits): Charge[] {
    const { algorithm, keyRate, keyQuota } = this.#definition.limits
    return [
      ...(rate === undefined || !keyRate
        ? []
        : [rateCharge(rate, algorithm, { subject: id, scope: rate.scope, endpoint: rate.endpoint })]),
      ...(quota === undefined || !keyQuota ? [] : [quotaCharge(quota, { subject: id, scope: quota.scope })]),
    ]
  }

  #apiCharge(limit: RateLimitInput, endpoint: string): Charge {
    const { id, limits } = this.#definition
    return rateCharge(limit, limits.algorithm, { subject: `api:${id}`, scope: '', endpoint })
  }
}

/** What limits the caller of this request. */
export function limitsOfKey(
  { session }: Caller,
  { method, path }: Pick<GatewayRequest, 'method' | 'path'>,
  definition: ApiDefinition,
): EffectiveLimits {
  return limitsOf(session, definition.id, method, path, ignoresCase(definition))
}
