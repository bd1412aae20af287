import type { ApiDefinition, ApiInfo } from '../api.ts'
import type { Masks } from '../analytics/masks.ts'
import type { Recorder } from '../analytics/recorder.ts'
import type { Forwarder } from '../forward/forwarder.ts'
import type { Leases } from '../forward/leases.ts'
import type { CallInit } from '../hooks.ts'
import type { Trust } from '../http/client.ts'
import type { UpstreamUrl } from '../http/upstream-url.ts'
import type { LogTarget } from '../plugins/log.ts'
import type { Policies } from '../session/policy.ts'
import type { Session } from '../session/session.ts'
import type { Store } from '../session/store.ts'
import type { Chain } from './chain.ts'
import type { Events } from './events.ts'
import type { Exchange } from './exchange.ts'
import type { StoreFailurePolicy } from './store-failure-policy.ts'

/** Whose requests are waited for before what they use is taken away. */
interface Lifetime {
  /** Other APIs have taken their place. */
  readonly retired: boolean
  enter(): void
  leave(): void
  /** Instead of `leave`: what is left of the request needs no API but its own. Returns the function that ends that too. */
  keepOnly(apiId: string): () => void
}

/** What the APIs of one gateway share. */
export interface Services {
  /** The APIs that were loaded together. */
  readonly generation: Lifetime
  readonly events: Events
  /** Where plugins log; undefined: `debug`. */
  readonly log: LogTarget | undefined
  readonly store: Store
  readonly onStoreError: StoreFailurePolicy
  /** Of the gateway's options. */
  readonly policies: Policies
  readonly records: Recorder
  /** `context.call`. */
  readonly call: (from: Exchange, api: string, path: string, init: CallInit | undefined) => Promise<Response>
}

/** One API, ready to run. */
export interface CompiledApi {
  readonly info: ApiInfo
  readonly definition: ApiDefinition
  readonly chain: Chain
  /** Where its requests go unless a plugin routes them elsewhere; undefined: to the host application. */
  readonly upstream: UpstreamUrl | undefined
  /** Which target a request may use, and when. */
  readonly leases: Leases
  readonly trust: Trust
  /** What must not be recorded or logged. */
  readonly masks: Masks
  readonly forward: Forwarder
  /** The host handed in a forwarder of its own: it is asked even where no upstream is named. */
  readonly customForwarder: boolean
  readonly services: Services
  /** How often extracted ids were forgotten: what a plugin said before is not to be remembered after. */
  readonly forgets: { count: number }
  /** Stored sessions with their policies applied, as long as they are stored. */
  readonly effective: WeakMap<Session, Session>
  /** False: its plugins are not there (yet), and every request is answered 503. */
  readonly available: boolean
  /** Nothing here looks at a request: no check, no plugin, no upstream. Then the host sees it as it came. */
  readonly passive: boolean
}
