import type { GatewayErrorCode } from '../errors.ts'
import type { Maybe } from '../hooks.ts'
import { mayUseApi, mayUseUrl } from '../session/access.ts'
import { isKeyId } from '../session/session-id.ts'
import type { Session } from '../session/session.ts'
import type { Caller } from './caller.ts'
import type { Step } from './chain.ts'
import type { Exchange } from './exchange.ts'
import { type Ended, errorAnswer } from './verdicts.ts'

/** What a caller may be refused for; undefined when there is nothing. */
type Check = (caller: Caller, exchange: Exchange) => GatewayErrorCode | undefined

/** The key must be active and unexpired. */
export const activeKey: Check = ({ session: { isInactive, expires } }) => {
  if (isInactive) return 'PSTN_KEY_INACTIVE'
  return expires >= 1 && Date.now() / 1000 > expires ? 'PSTN_KEY_EXPIRED' : undefined
}

/** Its access rights must name this API, and this version of it; it must be of its organisation, where both have one. */
export const apiAllowed: Check = ({ id, session }, { api: { info, definition } }) => {
  const foreign = isKeyId(id) && session.orgId !== '' && info.orgId !== '' && session.orgId !== info.orgId
  const allowed = !foreign && !isBound(session) && mayUseApi(session, info.id, definition.version)
  return allowed ? undefined : 'PSTN_API_DISALLOWED'
}

/** A key that a real gateway takes with a client certificate only is more than nobody here can check. */
function isBound({ certificate, mtlsStaticCertificateBindings }: Session): boolean {
  return certificate !== '' || mtlsStaticCertificateBindings.length > 0
}

/** And this path with this method, where they name any. */
export const urlAllowed: Check = ({ session }, { request, api: { info, definition } }) => {
  const { listenPath } = definition
  const fullPath = listenPath === '/' ? request.path : listenPath + request.path
  return mayUseUrl(session, info.id, request.method, request.path, fullPath) ? undefined : 'PSTN_URL_DISALLOWED'
}

/**
 * A check of everybody who was let in, as a step. Before somebody is refused by a copy of this process, the store is asked
 * whether it still holds: a key that was renewed elsewhere a moment ago counts as it is now.
 */
export function checked(check: Check, reauthenticate: Step): Step {
  const refused = (exchange: Exchange): Ended | 'unconfirmed' => {
    const { caller, others } = exchange
    if (caller === undefined) return errorAnswer('PSTN_SESSION_MISSING', exchange)
    let ended = refusedFor(caller, exchange)
    for (const other of others) ended ??= refusedFor(other, exchange)
    return ended
  }
  const refusedFor = (caller: Caller, exchange: Exchange): Ended | 'unconfirmed' => {
    const code = check(caller, exchange)
    if (code === undefined) return undefined
    if (!caller.confirmed) return 'unconfirmed'
    announce(code, caller, exchange)
    return errorAnswer(code, exchange)
  }
  const settled = (exchange: Exchange): Maybe<Ended> => {
    const answer = refused(exchange)
    if (answer !== 'unconfirmed') return answer
    const again = reauthenticate(exchange)
    return again instanceof Promise ? again.then((ended) => ended ?? settled(exchange)) : (again ?? settled(exchange))
  }
  return settled
}

function announce(code: GatewayErrorCode, caller: Caller, { api, request }: Exchange): void {
  if (code !== 'PSTN_KEY_INACTIVE' && code !== 'PSTN_KEY_EXPIRED') return
  api.services.events.emit('keyExpired', {
    api: api.info,
    key: caller.masked,
    reason: code === 'PSTN_KEY_INACTIVE' ? 'inactive' : 'expired',
    method: request.method,
    path: request.path,
    clientAddress: request.clientAddress,
  })
}
