import type { Maybe } from '../hooks.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import type { Exchange } from './exchange.ts'
import { conclude, flat, runPlugin, type Verdict } from './run-plugin.ts'
import type { Ended } from './verdicts.ts'

/** How the call of the request that came first ended; the others make of it what they would of their own. */
type Landing =
  | { readonly value: unknown }
  | { readonly error: unknown }
  /** Nothing that concerns anybody else: its client hung up, or its answer can be sent only once. */
  | 'alone'

/** One plugin call for all requests that ask the same at the same time. What it ended with is kept by nobody. */
export class SingleFlight {
  readonly #flights = new Map<string, Promise<Landing>>()

  /** `verdict` for the request whose call it is, `joined` for those that share what it returned. */
  run(
    key: string,
    plugin: LoadedPlugin,
    exchange: Exchange,
    verdict: Verdict<Maybe<Ended>>,
    joined: Verdict<Maybe<Ended>>,
  ): Maybe<Ended> {
    const flying = this.#flights.get(key)
    if (flying !== undefined)
      return flying.then((landing) =>
        landing === 'alone'
          ? this.run(key, plugin, exchange, verdict, joined)
          : follow(landing, plugin, exchange, joined),
      )
    let arrive: (landing: Landing) => void = () => undefined
    const flight = new Promise<Landing>((resolve) => (arrive = resolve))
    this.#flights.set(key, flight)
    // By then another one may be under way.
    const over = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    const land = (landing: Landing): void => {
      // Whoever waited starts anew, and must not meet this flight again.
      if (landing === 'alone') over()
      arrive(landing)
    }
    const outcome = flat(
      runPlugin<Maybe<Ended>>(plugin, exchange.request, exchange, {
        returned(value, by, of) {
          land(canBeShared(value) ? { value } : 'alone')
          return verdict.returned(value, by, of)
        },
        failed(error, by, of) {
          land(of.cancellation.cancelled ? 'alone' : { error })
          return verdict.failed(error, by, of)
        },
      }),
    )
    // Until what was granted is stored, whoever comes joins this flight.
    if (outcome instanceof Promise) outcome.then(over, over)
    else over()
    return outcome
  }
}

function follow(
  landing: Exclude<Landing, 'alone'>,
  plugin: LoadedPlugin,
  exchange: Exchange,
  verdict: Verdict<Maybe<Ended>>,
): Maybe<Ended> {
  if ('error' in landing) return verdict.failed(landing.error, plugin, exchange)
  return conclude(landing.value, plugin, exchange, verdict)
}

/** A `Response` or a stream can be sent once only. */
function canBeShared(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return !isOnce(value) && !Object.values(value).some(isOnce)
}

function isOnce(value: unknown): boolean {
  return (
    value instanceof Response ||
    value instanceof ReadableStream ||
    (typeof value === 'object' && value !== null && 'pipe' in value && typeof value.pipe === 'function')
  )
}
