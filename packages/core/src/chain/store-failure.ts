import { describe, GatewayError, isGatewayError } from '../errors.ts'
import type { Maybe } from '../hooks.ts'
import type { CompiledApi } from './compiled-api.ts'
import type { Exchange } from './exchange.ts'
import { type Ended, errorAnswer } from './verdicts.ts'

/** What needs the store. */
export type StoreFeature = 'sessions' | 'quota' | 'rateLimit'

/** What becomes of a request when the store cannot answer, by what was asked of it. */
export type StoreFailurePolicy = { readonly [F in StoreFeature]: 'refuse' | 'pass' }

/** Sessions and quotas are promises about somebody's rights and money; a rate limit only evens the load out. */
export const STORE_FAILURE_DEFAULTS: StoreFailurePolicy = { sessions: 'refuse', quota: 'refuse', rateLimit: 'pass' }

/** Runs what asks the store; `failed` says what to do without an answer. */
export function asking<T, R>(
  ask: () => Maybe<T>,
  then: (answer: T) => Maybe<R>,
  failed: (error: unknown) => Maybe<R>,
): Maybe<R> {
  let answer: Maybe<T>
  try {
    answer = ask()
  } catch (error) {
    return failed(error)
  }
  return answer instanceof Promise ? answer.then(then, failed) : then(answer)
}

/** The answer to a request whose store could not; undefined when it passes all the same. Anything else is a bug. */
export function storeFailure(error: unknown, exchange: Exchange, features: readonly StoreFeature[]): Ended {
  if (!isGatewayError(error) || (error.code !== 'PSTN_STORE_UNAVAILABLE' && error.code !== 'PSTN_SESSION_CORRUPT'))
    throw error
  const { services, info } = exchange.api
  const refusing =
    error.code === 'PSTN_SESSION_CORRUPT' || features.some((feature) => services.onStoreError[feature] === 'refuse')
  for (const feature of features)
    services.events.emit('storeError', { api: info, feature, outcome: refusing ? 'refused' : 'passed', error })
  return refusing ? errorAnswer(error.code, exchange) : undefined
}

/** A session could not be kept; the request it belongs to is answered as if it was. */
export function reportUnsaved(error: unknown, { services, info }: CompiledApi): void {
  const reason = isGatewayError(error)
    ? error
    : new GatewayError('PSTN_INTERNAL', `Saving a session failed: ${describe(error)}.`, { cause: error })
  services.events.emit('storeError', { api: info, feature: 'sessions', outcome: 'notSaved', error: reason })
}
