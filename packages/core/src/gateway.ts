import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ApiInfo } from './api.ts'
import type { DefinitionInput } from './definition-input.ts'
import { Recorder } from './analytics/recorder.ts'
import { type GatewayEvent, Events, type Listener } from './chain/events.ts'
import { explain, type Explanation } from './chain/explain.ts'
import type { ReloadReport } from './chain/reload-report.ts'
import { STORE_FAILURE_DEFAULTS, type StoreFailurePolicy } from './chain/store-failure-policy.ts'
import { parseDefinitions } from './definition/parse.ts'
import { Pools } from './forward/pools.ts'
import type { RequestInput } from './http/create.ts'
import type { Acceptance } from './accepted-request.ts'
import type { HostCall } from './host-call.ts'
import { Intake } from './intake.ts'
import { Generations } from './loading/generations.ts'
import { Loader } from './loading/loader.ts'
import { checkOptions, type GatewayOptions, parseContext, sinkSettings } from './options.ts'
import { offerHostLog } from './plugins/host-log.ts'
import { PluginModules } from './plugins/plugin-modules.ts'
import { memoryStore } from './session/memory-store.ts'
import { parsePolicies } from './session/policy.ts'
import { type Sessions, sessionsOf } from './sessions.ts'
import { StoreUse } from './store-use.ts'

/** What an `upgrade` may be told besides what Node says. */
export interface UpgradeOptions {
  /** Lets somebody else take the connection: one no API accepts, or one of an API without an upstream. */
  readonly next?: (() => void) | undefined
  /** Where the gateway is mounted in the host application, such as `/v1`. */
  readonly basePath?: string | undefined
}

/** What every host's `createGateway` returns besides being the host's middleware. */
export interface Gateway {
  /** Resolves when every API can answer; rejects with what keeps one from it, such as a plugin file that cannot be loaded. */
  ready(): Promise<void>
  /**
   * Takes other definitions, and other code of plugin files, without dropping a request: loads them completely, then serves
   * them; requests that are under way end as they began. Rejects with the reasons when anything of them is wrong; then nothing
   * has changed. Asked again meanwhile, it loads what it was asked for last.
   */
  reload(definition: DefinitionInput | readonly DefinitionInput[]): Promise<ReloadReport>
  /** The APIs that are served now. */
  apis(): readonly ApiInfo[]
  /**
   * Answers new requests with 503, lets running ones finish for up to `timeoutMs` (default 10,000), then closes the
   * upstream connections; sinks get the records that wait for them within the same time, and a second at least, and so does
   * `close()` of plugin files. Calling it again waits for the same end.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
  /**
   * Takes WebSocket handshakes through the whole chain, on every host the same way.
   *
   * @example
   * server.on('upgrade', gateway.upgrade)
   */
  readonly upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer, options?: UpgradeOptions) => void
  /** Says which API, hooks and endpoint a request would meet, and why not; runs nothing. Prints as text. */
  explain(method: string, url: string, init?: RequestInput): Explanation
  /** Listens to what goes wrong and who is refused; returns the function that stops it. */
  on<E extends GatewayEvent>(event: E, listener: Listener<E>): () => void
  /** Keys: creates, reads, changes, lists and revokes them. */
  readonly sessions: Sessions
  /** The last analytics records, and how many never arrived. */
  readonly records: Pick<Recorder, 'list' | 'dropped' | 'lost'>
}

/** @internal A gateway without a host: what adapters are built on. */
export interface GatewayCore {
  accept(call: HostCall): Acceptance | undefined
  /** What the adapter puts on its middleware. */
  readonly facade: GatewayFacade
}

/** @internal What every host has in common; how an upgrade comes in is the adapter's. */
type GatewayFacade = Omit<Gateway, 'upgrade'>

/** @internal Puts the parts together. Throws `PSTN_DEFINITION_INVALID` with every problem of every definition. */
export function createCore(
  input: DefinitionInput | readonly DefinitionInput[],
  options: GatewayOptions = {},
): GatewayCore {
  checkOptions(options)
  const pools = new Pools(options.engine)
  const events = new Events()
  const records = new Recorder({
    capacity: options.recordCapacity ?? 1_000,
    ...sinkSettings(options),
    onLost: (loss) => events.emit('recordsLost', loss),
    onUnclosed: (sink, error) => events.warn(`close ${sink}`, error.message),
  })
  const store = options.store ?? memoryStore()
  const { log, forward, pluginsDirectory } = options
  const modules =
    pluginsDirectory === undefined
      ? undefined
      : new PluginModules(pluginsDirectory, (message) => events.warn(message, message))
  const withdrawLog = log && offerHostLog(log)
  const intake = new Intake()
  const generations = new Generations(
    input,
    (definitions) => parseDefinitions(definitions, parseContext(options)),
    new Loader({ events, pools, log, forward, modules }),
    {
      events,
      log,
      records,
      store,
      policies: parsePolicies(options.policies ?? {}),
      onStoreError: { ...STORE_FAILURE_DEFAULTS, ...definedOnly(options.onStoreError) },
    },
    ({ index }) => intake.swap(index),
  )
  intake.swap(generations.current.index)
  const use = new StoreUse(store)
  return {
    accept: (call) => intake.accept(call),
    facade: {
      ready: async () => {
        await generations.ready()
        await store.ready()
      },
      close: ({ timeoutMs = 10_000 } = {}) => {
        generations.stop()
        const deadline = performance.now() + timeoutMs
        return intake.close(timeoutMs, async () => {
          withdrawLog?.()
          // Also where running requests have taken all the time there was.
          const left = Math.max(deadline - performance.now(), Math.min(timeoutMs, FLUSHING_MS))
          const flushed = records.close(left)
          await generations.close(left)
          await Promise.all([pools.close(), use.end(), flushed])
        })
      },
      reload: (definitions) => generations.reload(definitions),
      apis: () => generations.current.apis.map(({ api }) => api.info),
      explain: (method, url, init) => explain(generations.current.index, method, url, init),
      on: (event, listener) => events.on(event, listener),
      sessions: sessionsOf(store, () => generations.current.index.all),
      records,
    },
  }
}

/** How long sinks may take for what waits for them, at least. */
const FLUSHING_MS = 1_000

function definedOnly(policy: Partial<StoreFailurePolicy> = {}): Partial<StoreFailurePolicy> {
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined))
}
