import { GatewayError, isGatewayError } from '../errors.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import { applyPolicies, hasPolicies } from '../session/apply-policies.ts'
import type { Policy } from '../session/policy.ts'
import type { Session } from '../session/session.ts'
import type { CompiledApi } from './compiled-api.ts'
import { Caller, type Identity } from './caller.ts'
import type { Exchange } from './exchange.ts'
import { type Ended, refuseCaller } from './verdicts.ts'

/**
 * Somebody may come in: with their policies, as the base identity or beside it. Policies that cannot be applied keep them
 * out: a key is refused as an unknown one is, a plugin has named nobody who could be let in.
 */
export function letIn(exchange: Exchange, by: LoadedPlugin<'auth'> | 'token', identity: Identity): Ended {
  const { api } = exchange
  try {
    const caller = new Caller(identity, effective(identity.session, api))
    const asked = by === 'token' ? 'token' : 'plugin'
    if (api.definition.authentication.baseIdentity === asked) exchange.caller = caller
    else exchange.others = [...exchange.others, caller]
    return undefined
  } catch (error) {
    if (!isGatewayError(error) || error.code !== 'PSTN_POLICY_INVALID') throw error
    api.services.events.warn(`policy ${api.info.id} ${error.message}`, `[${error.code}] ${error.message}`)
    return by === 'token'
      ? refuseCaller(error.code, exchange)
      : refuseCaller(error.code, exchange, by, 'PSTN_SESSION_MISSING')
  }
}

/** Whether the session's policies can be applied; where it has none they can. */
export function canApplyPolicies(session: Session, api: CompiledApi): boolean {
  try {
    effective(session, api)
    return true
  } catch (error) {
    if (isGatewayError(error) && error.code === 'PSTN_POLICY_INVALID') return false
    throw error
  }
}

/** A stored session is one object as long as nothing changes: its policies are applied once for each API. */
export function effective(session: Session, api: CompiledApi): Session {
  if (!hasPolicies(session)) return session
  const known = api.effective.get(session)
  if (known !== undefined) return known
  const applied = applyPolicies(
    session,
    (id) => policyOf(id, api),
    api.info.orgId,
    (id) => warnOfUnknown(id, api),
  )
  api.effective.set(session, applied)
  return applied
}

function policyOf(id: string, { definition, services }: CompiledApi): Policy | undefined {
  if (Object.hasOwn(definition.policies, id)) return definition.policies[id]
  return Object.hasOwn(services.policies, id) ? services.policies[id] : undefined
}

function warnOfUnknown(id: string, { info, services }: CompiledApi): void {
  const error = new GatewayError(
    'PSTN_POLICY_INVALID',
    `A key of API "${info.name}" names the policy "${id}", which nobody defined.`,
  )
  services.events.warn(`policy ${info.id} ${id}`, `[${error.code}] ${error.message}`)
}
