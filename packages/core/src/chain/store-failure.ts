import { describe, GatewayError, isGatewayError } from '../errors.ts'
import type { Maybe } from '../hooks.ts'
import type { CompiledApi } from './compiled-api.ts'
import type { Exchange } from './exchange.ts'
import type { StoreFeature } from './store-failure-policy.ts'
import { type Ended, errorAnswer } from './verdicts.ts'

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

/** The answer to a request whose store could not, asked for `features`; undefined when it passes all the same. Anything else is a bug. */
export function storeFailure(error: unknown, exchange: Exchange, features: readonly StoreFeature[]): Ended {
  if (!isStoreFailure(error)) throw error
  const { services, info } = exchange.api
  const refusing =
    error.code === 'PSTN_SESSION_CORRUPT'
      ? features[0]
      : features.find((one) => services.onStoreError[one] === 'refuse')
  if (refusing !== undefined) return refused(error, exchange, refusing, features)
  services.events.emit('storeError', { api: info, feature: features[0]!, features, outcome: 'passed', error })
  return undefined
}

/** Nobody knows whose key it is, so there is no passing, whatever was configured. */
export function unknownForWantOfStore(error: unknown, exchange: Exchange): Ended {
  if (!isStoreFailure(error)) throw error
  return refused(error, exchange, 'sessions', ['sessions'])
}

function refused(
  error: GatewayError,
  exchange: Exchange,
  feature: StoreFeature,
  features: readonly StoreFeature[],
): Ended {
  const { services, info } = exchange.api
  services.events.emit('storeError', { api: info, feature, features, outcome: 'refused', error })
  return errorAnswer(error.code, exchange)
}

function isStoreFailure(error: unknown): error is GatewayError {
  return isGatewayError(error) && (error.code === 'PSTN_STORE_UNAVAILABLE' || error.code === 'PSTN_SESSION_CORRUPT')
}

/** A session could not be kept; the request it belongs to is answered as if it was. */
export function reportUnsaved(error: unknown, { services, info }: CompiledApi): void {
  const reason = isGatewayError(error)
    ? error
    : new GatewayError('PSTN_INTERNAL', `Saving a session failed: ${describe(error)}.`, { cause: error })
  services.events.emit('storeError', {
    api: info,
    feature: 'sessions',
    features: ['sessions'],
    outcome: 'notSaved',
    error: reason,
  })
}
