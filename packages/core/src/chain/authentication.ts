import type { ApiDefinition, Token } from '../api.ts'
import type { Maybe } from '../hooks.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import { isKeyId, pluginSessionId } from '../session/session-id.ts'
import type { Store, StoredSession } from '../session/store.ts'
import type { Step } from './chain.ts'
import { presentedToken, readKey, stripKey } from './credential.ts'
import type { Exchange } from './exchange.ts'
import { askUnlessKnown, type Freshness } from './extracted-caller.ts'
import { fingerprintOf, isVouched, vouched } from './fingerprint.ts'
import { canApplyPolicies, letIn } from './let-in.ts'
import { flat, runPlugin } from './run-plugin.ts'
import { runSteps } from './steps.ts'
import { asking, storeFailure, unknownForWantOfStore } from './store-failure.ts'
import { type Ended, errorAnswer, grantOrEnd, refuseCaller } from './verdicts.ts'

/** Stage 2: everybody who is asked has to let the caller in; the one named by `baseIdentity` says whose session counts. */
export function authentication(definition: ApiDefinition, plugins: readonly LoadedPlugin<'auth'>[]): Step[] {
  const { token, idExtractor } = definition.authentication
  // A copy of this process will do where the store is asked again before anybody has seen the session.
  const seen = definition.hooks.postAuth.length > 0 || (token !== undefined && plugins.length > 0)
  const freshness: Freshness = ({ reconfirming }) => (seen || reconfirming ? 'confirmed' : 'copy')
  return [
    ...plugins.map((plugin) =>
      idExtractor === undefined ? askPlugin(plugin) : askUnlessKnown(plugin, idExtractor, freshness),
    ),
    ...(token === undefined ? [] : [askForKey(token, freshness)]),
  ]
}

/** Authentication once more, with what the store itself holds: the copy it relied on has changed. */
export function reauthentication(steps: readonly Step[]): Step {
  return (exchange) => {
    const before = exchange.caller
    exchange.caller = undefined
    exchange.others = []
    exchange.reconfirming = true
    const resume = (ended: Ended): Ended => {
      // What plugins have noted so far is kept, unless somebody else is calling now.
      if (before !== undefined && exchange.caller?.id === before.id) exchange.caller.takeOver(before)
      return ended
    }
    const ended = runSteps(steps, exchange)
    return ended instanceof Promise ? ended.then(resume) : resume(ended)
  }
}

/** The `auth` plugin decides on every request. It is shown what the store holds under the presented credential. */
function askPlugin(plugin: LoadedPlugin<'auth'>): Step {
  const verdict = grantOrEnd((granted, exchange) => {
    const id = pluginSessionId(exchange.api.info.id, granted.token)
    const token = presentedToken(exchange.request, exchange.api.definition.authentication)
    const session = vouched(granted.session, fingerprintOf(token, plugin))
    return letIn(exchange, plugin, { id, keyId: granted.token, session, stored: undefined })
  })
  const run = (exchange: Exchange): Maybe<Ended> => flat(runPlugin(plugin, exchange.request, exchange, verdict))
  return (exchange) => {
    const { services, definition } = exchange.api
    const { store } = services
    // A store that answers at once is asked when the plugin looks.
    const token = store.local ? '' : presentedToken(exchange.request, definition.authentication)
    if (token === '') return run(exchange)
    return asking(
      () => loadAsItIs(store, pluginSessionId(exchange.api.info.id, token)),
      (known) => {
        exchange.known = known !== undefined && isVouched(known, fingerprintOf(token, plugin)) ? known : undefined
        return run(exchange)
      },
      (error) => storeFailure(error, exchange, ['sessions']) ?? run(exchange),
    )
  }
}

/** What the store holds now: a plugin may let somebody in by it. */
function loadAsItIs(store: Store, id: string): Maybe<StoredSession | undefined> {
  const copy = store.load(id, 'copy')
  const confirmed = (found: StoredSession | undefined): Maybe<StoredSession | undefined> =>
    found?.confirmed === false ? store.load(id, 'confirmed') : found
  return copy instanceof Promise ? copy.then(confirmed) : confirmed(copy)
}

/** A key made with `gateway.sessions`. */
function askForKey(token: Token, freshness: Freshness): Step {
  return (exchange) => {
    const credential = (exchange.credential ??= readKey(token, exchange.request))
    if (credential === 'missing') return errorAnswer('PSTN_CREDENTIAL_MISSING', exchange)
    if (credential === 'ambiguous') return errorAnswer('PSTN_CREDENTIAL_AMBIGUOUS', exchange)
    const { key } = credential
    stripKey(token, exchange.request)
    if (key === '') return unknownKey(exchange)
    const { services, info } = exchange.api
    const ids = services.store.keys.idsOf(key, info.orgId).filter(isKeyId)
    const unanswered = (error: unknown): Ended => unknownForWantOfStore(error, exchange)
    const look = (i: number): Maybe<Ended> => {
      const id = ids[i]
      if (id === undefined) return unknownKey(exchange)
      const found = (stored: StoredSession | undefined): Maybe<Ended> => {
        if (stored === undefined) return look(i + 1)
        // Nobody is refused for a copy: the key, or its policies, may have changed elsewhere.
        if (!stored.confirmed && !canApplyPolicies(stored.session, exchange.api))
          return asking(() => services.store.load(id, 'confirmed'), found, unanswered)
        return letIn(exchange, 'token', { id, keyId: key, session: stored.session, stored })
      }
      return asking(() => services.store.load(id, freshness(exchange)), found, unanswered)
    }
    return look(0)
  }
}

function unknownKey(exchange: Exchange): Ended {
  return refuseCaller('PSTN_KEY_UNKNOWN', exchange)
}
