import { GatewayError } from '../errors.ts'
import type { Session } from './session.ts'
import { checkUrls } from './url-pattern.ts'

/** Refuses what no session may say because it could never mean anything: throws `PSTN_SESSION_INVALID`. */
export function checkSession(session: Session): void {
  for (const { path, rate, per } of ratesOf(session))
    if (rate > 0 && per <= 0)
      throw new GatewayError(
        'PSTN_SESSION_INVALID',
        `The session's ${path}rate is ${rate} per ${per} seconds; expected per above 0.`,
      )
  checkUrls(session.accessRights, 'PSTN_SESSION_INVALID')
}

function* ratesOf(session: Session): Iterable<{ readonly path: string; readonly rate: number; readonly per: number }> {
  yield { path: '', rate: session.rate, per: session.per }
  for (const [api, { limit, endpoints }] of Object.entries(session.accessRights)) {
    if (limit !== undefined) yield { path: `accessRights.${api}.limit.`, rate: limit.rate, per: limit.per }
    for (const [i, { methods }] of endpoints.entries())
      for (const method of methods)
        yield { path: `accessRights.${api}.endpoints[${i}].`, rate: method.limit.rate, per: method.limit.per }
  }
}
