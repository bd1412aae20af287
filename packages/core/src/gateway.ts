import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ApiDefinition, ApiDefinitionInput, ApiInfo } from './api.ts'
import { RecordBuffer } from './analytics/record.ts'
import { ApiIndex } from './chain/api-index.ts'
import { callApi } from './chain/call.ts'
import { compileChain } from './chain/chain.ts'
import type { CompiledApi, Services } from './chain/compiled-api.ts'
import { type GatewayEvent, Events, type Listener } from './chain/events.ts'
import { explain, type Explanation } from './chain/explain.ts'
import { STORE_FAILURE_DEFAULTS, type StoreFailurePolicy } from './chain/store-failure-policy.ts'
import { parseDefinitions } from './definition/parse.ts'
import { describe, GatewayError } from './errors.ts'
import type { Forwarder } from './forward/forwarder.ts'
import { compileTrust } from './http/client.ts'
import type { RequestInput } from './http/create.ts'
import { Leases } from './forward/leases.ts'
import { Pools } from './forward/pools.ts'
import { undiciCheck } from './forward/undici-check.ts'
import type { TargetReport } from './forward/targets.ts'
import { undiciForwarder } from './forward/undici-forwarder.ts'
import { upgradeForwarder, withUpgrades } from './forward/upgrade-forwarder.ts'
import { type Acceptance, type HostCall, Intake } from './intake.ts'
import type { LogTarget } from './plugins/log.ts'
import { memoryStore } from './session/memory-store.ts'
import { parsePolicies, type PolicyInput } from './session/policy.ts'
import type { Store } from './session/store.ts'
import { type Sessions, sessionsOf } from './sessions.ts'
import { StoreUse } from './store-use.ts'

/** What a gateway takes besides its definitions. All optional. */
export interface GatewayOptions {
  /** Where plugins log; a pino logger or `console` fits. Default: `debug` under `postern:plugin:<name>`. */
  readonly log?: LogTarget | undefined
  /** Sends requests instead of the built-in forwarder; a mock in a test, a transport of your own. */
  readonly forward?: Forwarder | undefined
  /** Where sessions and counters live. Default: in this process; `redisStore(...)` of `@postern/redis` where one is not enough. */
  readonly store?: Store | undefined
  /** Policies by id, for the sessions that name them. */
  readonly policies?: Readonly<Record<string, PolicyInput>> | undefined
  /**
   * What becomes of requests when the store cannot answer: `refuse` them (503), or let them `pass`. Default: `sessions` and
   * `quota` refuse, `rateLimit` passes. With `sessions: 'pass'` a key this process has seen before is let in; a key nobody
   * has seen is refused all the same.
   */
  readonly onStoreError?: Partial<StoreFailurePolicy> | undefined
  /** How many analytics records are kept in memory. Default 1,000. */
  readonly recordCapacity?: number | undefined
}

/** What an `upgrade` may be told besides what Node says. */
export interface UpgradeOptions {
  /** Lets somebody else take the connection: one no API accepts, or one of an API without an upstream. */
  readonly next?: (() => void) | undefined
  /** Where the gateway is mounted in the host application, such as `/v1`. */
  readonly basePath?: string | undefined
}

/** What every host's `createGateway` returns besides being the host's middleware. */
export interface Gateway {
  /** Resolves when every API can answer. */
  ready(): Promise<void>
  /**
   * Answers new requests with 503, lets running ones finish for up to `timeoutMs` (default 10,000), then closes the
   * upstream connections. Calling it again waits for the same end.
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
  /** The last analytics records. */
  readonly records: Pick<RecordBuffer, 'list' | 'dropped'>
}

/** @internal A gateway without a host: what adapters are built on. */
export interface GatewayCore {
  accept(call: HostCall): Acceptance | undefined
  /** What the adapter puts on its middleware. */
  readonly facade: GatewayFacade
}

/** @internal What every host has in common; how an upgrade comes in is the adapter's. */
type GatewayFacade = Omit<Gateway, 'upgrade'>

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
const KNOWN_OPTIONS = ['log', 'forward', 'store', 'policies', 'onStoreError', 'recordCapacity']

/** @internal Puts the parts together. Throws `PSTN_DEFINITION_INVALID` with every problem of every definition. */
export function createCore(
  input: ApiDefinitionInput | readonly ApiDefinitionInput[],
  options: GatewayOptions = {},
): GatewayCore {
  checkOptions(options)
  const pools = new Pools()
  const events = new Events()
  const records = new RecordBuffer(options.recordCapacity ?? 1_000)
  const store = options.store ?? memoryStore()
  const policies = parsePolicies(options.policies ?? {})
  const services: Services = {
    events,
    records,
    store,
    policies,
    onStoreError: { ...STORE_FAILURE_DEFAULTS, ...definedOnly(options.onStoreError) },
    call: (from, api, path, init) => callApi(apis, from, api, path, init),
  }
  const apis = new ApiIndex(
    parseDefinitions(input).map((definition) => compileApi(definition, options, pools, services)),
  )
  const intake = new Intake(apis)
  const use = new StoreUse(store)
  return {
    accept: (call) => intake.accept(call),
    facade: {
      ready: async () => store.ready(),
      close: ({ timeoutMs = 10_000 } = {}) =>
        intake.close(timeoutMs, async () => {
          for (const { leases } of apis.all) leases.close()
          await Promise.all([pools.close(), use.end()])
        }),
      explain: (method, url, init) => explain(apis, method, url, init),
      on: (event, listener) => events.on(event, listener),
      sessions: sessionsOf(store, apis.all),
      records,
    },
  }
}

function compileApi(definition: ApiDefinition, options: GatewayOptions, pools: Pools, services: Services): CompiledApi {
  const { id, orgId, name } = definition
  const info: ApiInfo = Object.freeze({ id, orgId, name, definition })
  const chain = compileChain(info, options.log)
  const customForwarder = options.forward !== undefined
  const leases = new Leases(definition, targetReport(info, services.events))
  if (!customForwarder && definition.upstream !== undefined) {
    leases.watch(undiciCheck(pools, definition.upstream))
    if (!definition.upstream.verifyTls)
      services.events.warn(
        `verifyTls ${id}`,
        `API "${name}" accepts any certificate of its upstream (upstream.verifyTls: false): whoever is in between reads and writes as it pleases.`,
      )
  }
  return {
    info,
    definition,
    chain,
    upstream: leases.own,
    leases,
    trust: compileTrust(definition.trustedProxies),
    forward:
      options.forward ?? withUpgrades(undiciForwarder(pools, leases, definition), upgradeForwarder(leases, definition)),
    customForwarder,
    services,
    forgets: { count: 0 },
    effective: new WeakMap(),
    passive:
      chain.request.length + chain.response.length + chain.analytics.length === 0 &&
      definition.upstream === undefined &&
      !customForwarder,
  }
}

function targetReport(api: ApiInfo, events: Events): TargetReport {
  return {
    circuitBreaker: (target, state) => events.emit('circuitBreaker', { api, target, state }),
    targetHealth: (target, healthy, reason) => events.emit('targetHealth', { api, target, healthy, reason }),
  }
}

function checkOptions(options: GatewayOptions): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new GatewayError('PSTN_OPTIONS_INVALID', `The options are ${describe(options)}; expected an object.`)
  }
  const unknown = Object.keys(options).find((key) => !KNOWN_OPTIONS.includes(key))
  if (unknown !== undefined) {
    throw new GatewayError('PSTN_OPTIONS_INVALID', `Unknown option "${unknown}"; known: ${KNOWN_OPTIONS.join(', ')}.`)
  }
  const { log, forward, recordCapacity } = options
  const missing =
    log === undefined
      ? undefined
      : LEVELS.find((level) => typeof (log as Partial<LogTarget> | null)?.[level] !== 'function')
  if (missing !== undefined) {
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.log has no method "${missing}"; expected ${LEVELS.join(', ')}, as pino and console have.`,
    )
  }
  if (forward !== undefined && typeof forward !== 'function') {
    throw new GatewayError('PSTN_OPTIONS_INVALID', `options.forward is ${describe(forward)}; expected a function.`)
  }
  if (recordCapacity !== undefined && !(Number.isInteger(recordCapacity) && recordCapacity >= 0)) {
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.recordCapacity is ${describe(recordCapacity)}; expected an integer, 0 or more.`,
    )
  }
  checkStoreOptions(options)
}

function checkStoreOptions({ store, policies, onStoreError }: GatewayOptions): void {
  if (store !== undefined && typeof (store as Partial<Store> | null)?.take !== 'function')
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.store is ${describe(store)}; expected a store, such as redisStore(...) of @postern/redis.`,
    )
  if (policies !== undefined && !isObject(policies))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.policies is ${describe(policies)}; expected an object of policies by id.`,
    )
  if (onStoreError === undefined) return
  if (!isObject(onStoreError))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.onStoreError is ${describe(onStoreError)}; expected an object.`,
    )
  for (const [feature, found] of Object.entries(onStoreError)) {
    if (!Object.hasOwn(STORE_FAILURE_DEFAULTS, feature))
      throw new GatewayError(
        'PSTN_OPTIONS_INVALID',
        `Unknown option onStoreError.${feature}; known: ${Object.keys(STORE_FAILURE_DEFAULTS).join(', ')}.`,
      )
    if (found !== undefined && found !== 'refuse' && found !== 'pass')
      throw new GatewayError(
        'PSTN_OPTIONS_INVALID',
        `options.onStoreError.${feature} is ${describe(found)}; expected "refuse" or "pass".`,
      )
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function definedOnly(policy: Partial<StoreFailurePolicy> = {}): Partial<StoreFailurePolicy> {
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined))
}
