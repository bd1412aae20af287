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
  const session = underPolicies(identity.session, api)
  if (isGatewayError(session)) {
    api.services.events.warn(`policy ${api.info.id} ${session.message}`, `[${session.code}] ${session.message}`)
    return by === 'token'
      ? refuseCaller(session.code, exchange)
      : refuseCaller(session.code, exchange, by, 'PSTN_SESSION_MISSING')
  }
  const caller = new Caller(identity, session)
  const asked = by === 'token' ? 'token' : 'plugin'
  if (api.definition.authentication.baseIdentity === asked) exchange.caller = caller
  else exchange.others = [...exchange.others, caller]
  return undefined
}

/** The session as it counts for an API, or the `PSTN_POLICY_INVALID` that says why its policies cannot be applied there. */
export function underPolicies(session: Session, api: CompiledApi): Session | GatewayError {
  try {
    return effective(session, api)
  } catch (error) {
    if (isGatewayError(error) && error.code === 'PSTN_POLICY_INVALID') return error
    throw error
  }
}

/** Whether the session's policies can be applied; where it has none they can. */
export function canApplyPolicies(session: Session, api: CompiledApi): boolean {
  return !isGatewayError(underPolicies(session, api))
}

/** A stored session is one object as long as nothing changes: its policies are applied once for each API. */
function effective(session: Session, api: CompiledApi): Session {
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
