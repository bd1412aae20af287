import {
  QUEUE_DEFAULTS,
  type QueueSettings,
  type RecordQueueInput,
  type RecordSink,
  type RecordWriter,
} from './analytics/sink.ts'
import { STORE_FAILURE_DEFAULTS, type StoreFailurePolicy } from './chain/store-failure-policy.ts'
import type { ParseContext } from './definition/parse.ts'
import type { NamedPlugins } from './definition/plugin-references.ts'
import type { TykPathMatching } from './definition/translation.ts'
import { describe, GatewayError } from './errors.ts'
import type { Forwarder } from './forward/forwarder.ts'
import type { Engine } from './forward/pools.ts'
import { LONGEST_TIMER_MS } from './longest-timer.ts'
import { suggest } from './nearest.ts'
import { OPTION_NAMES } from './option-names.ts'
import type { LogTarget } from './plugins/log.ts'
import type { PolicyInput } from './session/policy.ts'
import type { Store } from './session/store.ts'

/** What a gateway takes besides its definitions. All optional. */
export interface GatewayOptions {
  /** Where plugins log; a pino logger or `console` fits. Default: `debug` under `postern:plugin:<name>`. */
  readonly log?: LogTarget | undefined
  /** Sends requests instead of the built-in forwarder; a mock in a test, a transport of your own. */
  readonly forward?: Forwarder | undefined
  /** What the built-in forwarder connects with. Default `http1`, connections of postern's own; `undici`: those of that library. */
  readonly engine?: Engine | undefined
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
  /** Where records go besides: `jsonLines(stream)`, a function that takes some at a time, a sink of your own. */
  readonly sinks?: readonly (RecordSink | RecordWriter)[] | undefined
  /** How many records may wait for each of them, and for how long. */
  readonly recordQueue?: RecordQueueInput | undefined
  /** Functions that definitions name: an object, or a whole module (`import * as plugins`). */
  readonly plugins?: NamedPlugins | undefined
  /** Where plugins in files are, and nothing outside it: a path, or a `file:` URL. */
  readonly pluginsDirectory?: string | URL | undefined
  /** Manifests of plugin bundles, by the name Tyk documents give them (`custom_middleware_bundle`). */
  readonly bundles?: Readonly<Record<string, object>> | undefined
  /**
   * How endpoint paths of Tyk documents are compared. Default `whole`; the others are what a real gateway does with its path
   * matching options on or off: `prefix`, `suffix`, or, with none of them, `contains`.
   */
  readonly tykPathMatching?: TykPathMatching | undefined
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
const MOST_QUEUED = {
  maxQueued: Number.MAX_SAFE_INTEGER,
  maxQueuedBytes: Number.MAX_SAFE_INTEGER,
  batchSize: Number.MAX_SAFE_INTEGER,
  flushMs: LONGEST_TIMER_MS,
}
const ENGINES = ['http1', 'undici']
const PATH_MATCHING = ['whole', 'prefix', 'suffix', 'contains']

/** @internal Throws `PSTN_OPTIONS_INVALID`. */
export function checkOptions(options: GatewayOptions): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new GatewayError('PSTN_OPTIONS_INVALID', `The options are ${describe(options)}; expected an object.`)
  }
  const unknown = Object.keys(options).find((key) => !OPTION_NAMES.includes(key))
  if (unknown !== undefined) {
    throw new GatewayError('PSTN_OPTIONS_INVALID', unknownOption(unknown, OPTION_NAMES))
  }
  const { log, forward, engine, recordCapacity } = options
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
  if (engine !== undefined && !ENGINES.includes(engine)) {
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.engine is ${describe(engine)}; expected one of ${ENGINES.join(', ')}.`,
    )
  }
  if (recordCapacity !== undefined && !(Number.isInteger(recordCapacity) && recordCapacity >= 0)) {
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.recordCapacity is ${describe(recordCapacity)}; expected an integer, 0 or more.`,
    )
  }
  checkSinkOptions(options)
  checkStoreOptions(options)
  checkPluginOptions(options)
}

function checkSinkOptions({ sinks, recordQueue }: GatewayOptions): void {
  if (sinks !== undefined && !Array.isArray(sinks))
    throw new GatewayError('PSTN_OPTIONS_INVALID', `options.sinks is ${describe(sinks)}; expected an array of sinks.`)
  for (const [i, sink] of (sinks ?? []).entries())
    if (typeof sink !== 'function' && typeof (sink as Partial<RecordSink> | null)?.write !== 'function')
      throw new GatewayError(
        'PSTN_OPTIONS_INVALID',
        `options.sinks[${i}] is ${describe(sink)}; expected a function, or a sink such as jsonLines(stream).`,
      )
  if (recordQueue === undefined) return
  if (!isObject(recordQueue))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.recordQueue is ${describe(recordQueue)}; expected an object.`,
    )
  for (const [name, value] of Object.entries(recordQueue) as [keyof RecordQueueInput, unknown][]) {
    if (!Object.hasOwn(QUEUE_DEFAULTS, name))
      throw new GatewayError('PSTN_OPTIONS_INVALID', unknownOption(name, Object.keys(QUEUE_DEFAULTS), 'recordQueue'))
    const fits =
      name === 'overflow'
        ? value === 'drop-oldest' || value === 'drop-newest'
        : Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_QUEUED[name]
    if (value !== undefined && !fits)
      throw new GatewayError(
        'PSTN_OPTIONS_INVALID',
        `options.recordQueue.${name} is ${describe(value)}; expected ${name === 'overflow' ? '"drop-oldest" or "drop-newest"' : 'an integer, 1 or more'}.`,
      )
  }
}

/** @internal Sinks and their queue, defaults filled in. */
export function sinkSettings({ sinks = [], recordQueue = {} }: GatewayOptions): {
  readonly sinks: readonly RecordSink[]
  readonly queue: QueueSettings
} {
  const given = Object.entries(recordQueue).filter(([, value]) => value !== undefined)
  return {
    sinks: sinks.map((sink) =>
      typeof sink === 'function' ? { name: sink.name === '' ? undefined : sink.name, write: sink } : sink,
    ),
    queue: { ...QUEUE_DEFAULTS, ...(Object.fromEntries(given) as Partial<QueueSettings>) },
  }
}

function checkPluginOptions({ plugins, pluginsDirectory, bundles, tykPathMatching }: GatewayOptions): void {
  if (plugins !== undefined && !isObject(plugins))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.plugins is ${describe(plugins)}; expected an object of functions by name.`,
    )
  if (pluginsDirectory !== undefined && !isDirectoryName(pluginsDirectory))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.pluginsDirectory is ${describe(pluginsDirectory)}; expected a path, or a file: URL.`,
    )
  if (bundles !== undefined && !isObject(bundles))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.bundles is ${describe(bundles)}; expected an object of manifests by the name of their bundle.`,
    )
  if (tykPathMatching !== undefined && !PATH_MATCHING.includes(tykPathMatching))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `options.tykPathMatching is ${describe(tykPathMatching)}; expected one of ${PATH_MATCHING.join(', ')}.`,
    )
}

function isDirectoryName(value: unknown): boolean {
  return value instanceof URL ? value.protocol === 'file:' : typeof value === 'string' && value !== ''
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
        unknownOption(feature, Object.keys(STORE_FAILURE_DEFAULTS), 'onStoreError'),
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

/** @internal What definitions are read with. */
export function parseContext({ plugins, pluginsDirectory, bundles, tykPathMatching }: GatewayOptions): ParseContext {
  return {
    plugins: plugins ?? {},
    hasDirectory: pluginsDirectory !== undefined,
    bundles: bundles ?? {},
    pathMatching: tykPathMatching ?? 'whole',
  }
}

function unknownOption(found: string, known: readonly string[], inside?: string): string {
  const name = inside === undefined ? `"${found}"` : `${inside}.${found}`
  return `Unknown option ${name}; ${suggest(found, known)}.`
}
