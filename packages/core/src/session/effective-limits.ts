import { formsOf } from '../http/path.ts'
import { rightFor } from './access.ts'
import type { AccessLimit, EndpointLimit, EndpointMethodLimit } from './access-right.ts'
import type { Session } from './session.ts'
import { compileUrl, type UrlPattern } from './url-pattern.ts'

/** The limits one request of a session meets; undefined where there is none. */
export interface EffectiveLimits {
  readonly rate: EffectiveRate | undefined
  readonly quota: EffectiveQuota | undefined
  readonly throttle: Throttle | undefined
}

interface EffectiveRate {
  /** Requests per `per` seconds, above 0; possibly a fraction. */
  readonly rate: number
  /** Seconds, above 0. */
  readonly per: number
  /** Empty for what counts over all APIs. */
  readonly scope: string
  /** `GET /stock/{sku}` as its author wrote it; empty for all endpoints. */
  readonly endpoint: string
}

interface EffectiveQuota {
  /** Requests per `renewalSeconds`, above 0. */
  readonly max: number
  /** Above 0; `Infinity`: the quota never renews. */
  readonly renewalSeconds: number
  /** Empty for what counts over all APIs. */
  readonly scope: string
}

/** How a request that met the rate limit is tried again. */
interface Throttle {
  readonly intervalMs: number
  readonly retries: number
}

/**
 * What limits a request of `session` to an API; `path` is what follows the listen path. Rate, quota and throttle are each
 * the API's own where its access right says something, else the session's: a quota of its own leaves the rate alone.
 */
export function limitsOf(
  session: Session,
  apiId: string,
  method: string,
  path: string,
  ignoreCase = false,
): EffectiveLimits {
  const { anywhere, endpoints } = prepared(session, apiId, ignoreCase)
  if (endpoints.length === 0) return anywhere
  const wanted = method.toUpperCase()
  const forms = formsOf(path)
  const found = (name: string): EffectiveLimits | undefined =>
    endpoints.find(({ method: of, pattern }) => of === name && forms.some((form) => meets(pattern, form)))?.limits
  // HEAD does the work of GET: without a limit of its own it has GET's, and its counter.
  return found(wanted) ?? (wanted === 'HEAD' ? found('GET') : undefined) ?? anywhere
}

/**
 * A slash at the end leads to the same place behind most gateways, so it must not lead past a limit. A pattern that nobody
 * can read limits every path.
 */
function meets(pattern: UrlPattern, path: string): boolean {
  if (pattern.problem !== undefined || pattern.matches(path)) return true
  return path !== '/' && pattern.matches(path.endsWith('/') ? path.slice(0, -1) : `${path}/`)
}

/** The length of a rate's window. A rate above 0 without one is a mistake; a second keeps it a limit. */
export function windowSeconds(per: number): number {
  return per > 0 ? per : 1
}

interface Prepared {
  readonly anywhere: EffectiveLimits
  /** In the order of their author. */
  readonly endpoints: readonly {
    readonly method: string
    readonly pattern: UrlPattern
    readonly limits: EffectiveLimits
  }[]
}

// Sessions are frozen, so what was worked out from one holds as long as it is used.
const worked = new WeakMap<Session, Map<string, Prepared>>()

function prepared(session: Session, apiId: string, ignoreCase: boolean): Prepared {
  let byApi = worked.get(session)
  if (byApi === undefined) {
    byApi = new Map()
    worked.set(session, byApi)
  }
  const key = ignoreCase ? `${apiId} ignoring case` : apiId
  let found = byApi.get(key)
  if (found === undefined) {
    found = prepare(session, apiId, ignoreCase)
    byApi.set(key, found)
  }
  return found
}

function prepare(session: Session, apiId: string, ignoreCase: boolean): Prepared {
  const right = rightFor(session, apiId)
  const own = right?.limit
  const scope = right === undefined || right.allowanceScope === '' ? apiId : right.allowanceScope
  const anywhere = {
    rate: rateOf(session, own, scope),
    quota: quotaOf(session, own, scope),
    throttle: throttleOf(session, own),
  }
  const endpoints = (right?.endpoints ?? []).flatMap((endpoint) =>
    endpoint.methods.map((one) => ({
      method: one.name.toUpperCase(),
      pattern: compileUrl(ignoreCase ? `(?i)${endpoint.path}` : endpoint.path),
      limits: { ...anywhere, rate: endpointRate(endpoint, one, apiId) },
    })),
  )
  return { anywhere, endpoints }
}

function rateOf(session: Session, own: AccessLimit | undefined, scope: string): EffectiveRate | undefined {
  const [{ rate, per }, counted] = own !== undefined && own.rate !== 0 ? [own, scope] : [session, '']
  return rate > 0 ? { rate, per: windowSeconds(per), scope: counted, endpoint: '' } : undefined
}

// Scoped by the API: the same method and path of another API is another endpoint, whatever the two share otherwise.
function endpointRate(
  endpoint: EndpointLimit,
  { name, limit }: EndpointMethodLimit,
  scope: string,
): EffectiveRate | undefined {
  const { rate, per } = limit
  return rate > 0 ? { rate, per: windowSeconds(per), scope, endpoint: `${name} ${endpoint.path}` } : undefined
}

function quotaOf(session: Session, own: AccessLimit | undefined, scope: string): EffectiveQuota | undefined {
  const [{ quotaMax, quotaRenewalRate }, counted] =
    own !== undefined && own.quotaMax !== 0 ? [own, scope] : [session, '']
  if (quotaMax <= 0) return undefined
  return { max: quotaMax, renewalSeconds: quotaRenewalRate > 0 ? quotaRenewalRate : Infinity, scope: counted }
}

function throttleOf(session: Session, own: AccessLimit | undefined): Throttle | undefined {
  const speaks = own !== undefined && (own.throttleInterval !== 0 || own.throttleRetryLimit !== 0)
  const { throttleInterval, throttleRetryLimit } = speaks ? own : session
  if (throttleInterval <= 0 || throttleRetryLimit <= 0) return undefined
  return { intervalMs: throttleInterval * 1000, retries: throttleRetryLimit }
}
