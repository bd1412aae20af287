import { setTimeout as sleep } from 'node:timers/promises'
import type { Maybe } from '../hooks.ts'
import type { Charge, Taken } from '../limits/charge.ts'
import { limitHeaders } from '../limits/limit-headers.ts'
import { LONGEST_TIMER_MS } from '../longest-timer.ts'
import type { Caller } from './caller.ts'
import type { Step } from './chain.ts'
import { type Charging, limitsOfKey } from './charging.ts'
import type { Exchange } from './exchange.ts'
import { runSteps } from './steps.ts'
import { asking, storeFailure } from './store-failure.ts'
import type { StoreFeature } from './store-failure-policy.ts'
import { cancelledAnswer, type Ended, errorAnswer } from './verdicts.ts'

/**
 * Stages 4 and 5, as one decision of the store: the limits of the key, then those of the API. Counted in all of them or, when
 * one refuses, in none. The same question confirms a copied session; `again` is what has to be passed anew when it changed.
 */
export function withinLimits(charging: Charging, again: readonly Step[]): Step[] {
  if (charging.idle) return []
  const decide = (exchange: Exchange, tries: number, changes = 0): Maybe<Ended> => {
    const { caller, api } = exchange
    const charges = charging.of(exchange)
    const expected = changes < MOST_CHANGES ? expectationOf(caller) : undefined
    if (charges.length === 0 && (expected === undefined || caller?.confirmed !== false)) return undefined
    return asking(
      () => api.services.store.take(charges, expected),
      (taken) => {
        if (taken === 'changed') {
          const ended = runSteps(again, exchange)
          return ended instanceof Promise
            ? ended.then((answer) => answer ?? decide(exchange, tries, changes + 1))
            : (ended ?? decide(exchange, tries, changes + 1))
        }
        if (taken.refusedBy === -1) return admitted(charges, taken, exchange)
        const retry = retryAfter(charges[taken.refusedBy]!, exchange, tries)
        if (retry === undefined) return refused(charges, taken, exchange)
        return waiting(retry, exchange).then(() =>
          exchange.cancellation.cancelled ? cancelledAnswer(exchange) : decide(exchange, tries + 1),
        )
      },
      (error) => storeFailure(error, exchange, featuresOf(charges, caller?.confirmed === false)),
    )
  }
  return [(exchange) => decide(exchange, 0)]
}

/** A session that changes all the time is taken as it was when it was last confirmed. */
const MOST_CHANGES = 5

/** What must still be stored: a key may be revoked while its request waits, or its plugins work. */
function expectationOf(caller: Caller | undefined): { readonly id: string; readonly revision: string } | undefined {
  const revision = caller?.stored?.revision ?? ''
  return caller === undefined || revision === '' ? undefined : { id: caller.id, revision }
}

function admitted(charges: readonly Charge[], taken: Taken, exchange: Exchange): undefined {
  const { api, caller } = exchange
  exchange.limitHeaders = limitHeaders(charges, taken, api.definition.limits.headers, Date.now())
  const i = charges.findIndex(({ kind }) => kind === 'quota')
  if (i === -1 || caller === undefined) return undefined
  const { max } = charges[i]!
  const { remaining, resetMs } = taken.standings[i]!
  const renews = Number.isFinite(resetMs) ? Math.ceil((Date.now() + resetMs) / 1000) : 0
  caller.quota = { remaining, renews }
  // One request makes the counter pass a threshold, whichever process it met: so each is announced once a period.
  const used = max - remaining
  for (const percent of caller.session.monitor?.triggerLimits ?? [])
    if (used * 100 >= percent * max && (used - 1) * 100 < percent * max)
      api.services.events.emit('quotaThreshold', { api: api.info, key: caller.masked, percent, used, max, renews })
  return undefined
}

function refused(charges: readonly Charge[], taken: Taken, exchange: Exchange): Ended {
  const { api, caller, request } = exchange
  const charge = charges[taken.refusedBy]!
  const { resetMs } = taken.standings[taken.refusedBy]!
  exchange.limitHeaders = limitHeaders(charges, taken, api.definition.limits.headers, Date.now())
  const data = {
    api: api.info,
    key: caller?.masked ?? '',
    max: charge.max,
    periodMs: charge.periodMs,
    resetMs: Math.ceil(resetMs),
    method: request.method,
    path: request.path,
    clientAddress: request.clientAddress,
  }
  if (charge.kind === 'quota') {
    api.services.events.emit('quotaExceeded', data)
    return errorAnswer('PSTN_QUOTA_EXCEEDED', exchange)
  }
  const ofKey = charge.subject === caller?.id
  api.services.events.emit('rateLimitExceeded', { ...data, limit: ofKey ? 'key' : 'api', endpoint: charge.endpoint })
  return errorAnswer(ofKey ? 'PSTN_RATE_LIMITED' : 'PSTN_API_RATE_LIMITED', exchange)
}

/** Milliseconds to wait before the same request is tried again; undefined: it is refused now. */
function retryAfter({ kind, subject }: Charge, { caller, api, request }: Exchange, tries: number): number | undefined {
  if (caller === undefined || subject !== caller.id || kind === 'quota') return undefined
  const { throttle } = limitsOfKey(caller, request, api.definition)
  return throttle !== undefined && tries < throttle.retries
    ? Math.max(throttle.intervalMs, SHORTEST_WAIT_MS)
    : undefined
}

/** Shorter pauses only cost the store questions. */
const SHORTEST_WAIT_MS = 10

/** A client that hangs up waits no longer. */
async function waiting(ms: number, { cancellation }: Exchange): Promise<void> {
  const controller = new AbortController()
  cancellation.onCancel((reason) => controller.abort(reason))
  await sleep(Math.min(ms, LONGEST_TIMER_MS), undefined, { signal: controller.signal }).catch(() => undefined)
}

function featuresOf(charges: readonly Charge[], confirming: boolean): StoreFeature[] {
  return [
    ...(confirming ? (['sessions'] as const) : []),
    ...(charges.some(({ kind }) => kind === 'quota') ? (['quota'] as const) : []),
    ...(charges.some(({ kind }) => kind !== 'quota') ? (['rateLimit'] as const) : []),
  ]
}
