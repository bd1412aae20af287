import { isGatewayError } from '../errors.ts'
import type { Charge } from '../limits/charge.ts'
import { quotaCharge } from '../limits/rate.ts'
import { mayUseApi } from '../session/access.ts'
import { limitsOf } from '../session/effective-limits.ts'
import type { Session } from '../session/session.ts'
import type { CompiledApi } from './compiled-api.ts'
import { underPolicies } from './let-in.ts'

/** The quotas of a key, each with the APIs that count against it. */
export function quotasOf(session: Session, id: string, apis: readonly CompiledApi[]): Map<Charge, string[]> {
  const quotas = new Map<string, readonly [Charge, string[]]>()
  for (const api of apis) {
    const charge = quotaOf(session, id, api)
    if (charge === undefined) continue
    const known = quotas.get(charge.scope)
    if (known === undefined) quotas.set(charge.scope, [charge, [api.info.id]])
    else known[1].push(api.info.id)
  }
  return new Map(quotas.values())
}

function quotaOf(session: Session, id: string, api: CompiledApi): Charge | undefined {
  const counted = underPolicies(session, api)
  // Policies that cannot be applied to this API keep the key out of it: there it has no quota.
  if (isGatewayError(counted) || !mayUseApi(counted, api.info.id, '')) return undefined
  const { quota } = limitsOf(counted, api.info.id, '', '/')
  return quota === undefined || !api.definition.limits.keyQuota
    ? undefined
    : quotaCharge(quota, { subject: id, scope: quota.scope })
}
