import { isGatewayError } from '../errors.ts'
import type { Maybe } from '../hooks.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import { compileExtractor, type Extracted, type IdExtractor } from '../session/extract-id.ts'
import type { Granted } from '../session/granted.ts'
import { remainingLifetime } from '../session/lifetime.ts'
import { extractedSessionId } from '../session/session-id.ts'
import type { StoredSession } from '../session/store.ts'
import type { Identity } from './caller.ts'
import type { Step } from './chain.ts'
import type { Exchange } from './exchange.ts'
import { fingerprintOf, isVouched, vouched } from './fingerprint.ts'
import { canApplyPolicies, letIn } from './let-in.ts'
import { SingleFlight } from './single-flight.ts'
import { asking, reportUnsaved, storeFailure } from './store-failure.ts'
import { type Ended, errorAnswer, grantOrEnd } from './verdicts.ts'

/** How sure a stored session has to be before it is relied on. */
export type Freshness = (exchange: Exchange) => 'copy' | 'confirmed'

/** A part of the request names the caller: the session the plugin made for this very credential serves until its deadline. */
export function askUnlessKnown(plugin: LoadedPlugin<'auth'>, extractor: IdExtractor, freshness: Freshness): Step {
  const extract = compileExtractor(extractor)
  const flights = new SingleFlight()
  return (exchange) => {
    const extracted = attempt(() => extract(exchange.request), exchange)
    const go = (found: Extracted | Ended): Maybe<Ended> => {
      if (found === undefined) return errorAnswer('PSTN_CREDENTIAL_UNREADABLE', exchange)
      return 'proof' in found ? identify(found, plugin, flights, freshness, exchange) : found
    }
    return extracted instanceof Promise ? extracted.then(go) : go(extracted)
  }
}

/** Reading the body may end the request: too large, broken off, malformed. */
function attempt(extract: () => Maybe<Extracted | undefined>, exchange: Exchange): Maybe<Extracted | Ended> {
  const failed = (error: unknown): Ended => {
    if (isGatewayError(error) && error.status !== null && error.status < 500) return errorAnswer(error.code, exchange)
    throw error
  }
  const extracted = extract()
  return extracted instanceof Promise ? extracted.catch(failed) : extracted
}

function identify(
  { id, proof }: Extracted,
  plugin: LoadedPlugin<'auth'>,
  flights: SingleFlight,
  freshness: Freshness,
  exchange: Exchange,
): Maybe<Ended> {
  const { services, info, forgets } = exchange.api
  const sessionId = extractedSessionId(info.id, id)
  const fingerprint = fingerprintOf(proof, plugin)
  const ask = (): Maybe<Ended> => {
    const asked = forgets.count
    const enter = ({ session, token }: Granted): Identity => {
      const identity = { id: sessionId, keyId: token === '' ? id : token, session: vouched(session, fingerprint) }
      // Stored by now: what hooks note later goes into what is there by then, and what was forgotten meanwhile stays so.
      return { ...identity, stored: { session: identity.session, revision: '', confirmed: true } }
    }
    const joined = grantOrEnd((granted) => letIn(exchange, plugin, enter(granted)), true)
    const first = grantOrEnd((granted, { api }) => {
      const identity = enter(granted)
      // Whoever forgot the id while the plugin was asked did not mean this answer to be remembered.
      if (forgets.count !== asked) return letIn(exchange, plugin, identity)
      const lifetimeMs = remainingLifetime(identity.session, api.definition)
      return asking(
        () => services.store.save(sessionId, identity.session, lifetimeMs, 'anything'),
        () => letIn(exchange, plugin, identity),
        // It only saves asking again: whoever counts on the store will meet its failure by himself.
        (error) => {
          reportUnsaved(error, api)
          return letIn(exchange, plugin, identity)
        },
      )
    }, true)
    return flights.run(`${asked} ${sessionId} ${fingerprint}`, plugin, exchange, first, joined)
  }
  const unanswered = (error: unknown): Maybe<Ended> => storeFailure(error, exchange, ['sessions']) ?? ask()
  return asking<StoredSession | undefined, Ended>(
    () => services.store.load(sessionId, freshness(exchange)),
    function decide(known): Maybe<Ended> {
      if (known !== undefined && vouches(known, fingerprint) && canApplyPolicies(known.session, exchange.api)) {
        const keyId = known.session.metadata.token ?? id
        return letIn(exchange, plugin, { id: sessionId, keyId, session: known.session, stored: known })
      }
      // Another process may have asked the plugin meanwhile.
      if (known?.confirmed === false)
        return asking(() => services.store.load(sessionId, 'confirmed'), decide, unanswered)
      exchange.known = known !== undefined && isVouched(known, fingerprint) ? known : undefined
      return ask()
    },
    unanswered,
  )
}

function vouches(stored: StoredSession, fingerprint: string): boolean {
  return stored.session.idExtractorDeadline > Date.now() / 1000 && isVouched(stored, fingerprint)
}
