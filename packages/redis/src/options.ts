import { GatewayError } from '@postern/core/store'
import type { ClusterNode, ClusterOptions, RedisOptions as IoredisOptions } from 'ioredis'
import type { RedisClient } from './redis-client.ts'
import { KEY_HASHES, type KeyHash } from './tyk-keys.ts'

/** Options of ioredis, but for how replies look. */
export type RedisOptions = Omit<IoredisOptions, 'replyMapping' | 'stringNumbers'>

/** How sessions, limits and quotas are kept on Redis. One of `client`, `url`, `options` and `cluster` says where. */
export interface RedisStoreOptions {
  /** A `Redis` or `Cluster` of ioredis 5 or 6. It stays yours: its errors, its settings, closing it. */
  readonly client?: RedisClient | undefined
  /** `redis://user:password@host:6379/0`, or `rediss://` for TLS. */
  readonly url?: string | undefined
  /** Options of ioredis, Sentinel and TLS included; alone, or with `url`. */
  readonly options?: RedisOptions | undefined
  /** A Redis Cluster. */
  readonly cluster?:
    | {
        readonly nodes: readonly ClusterNode[]
        readonly options?: (ClusterOptions & { readonly redisOptions?: RedisOptions }) | undefined
      }
    | undefined
  /** What every name starts with. Default: `postern`. */
  readonly prefix?: string | undefined
  /**
   * `tyk`: the names and values a real Tyk gateway uses, so that both share keys, sliding windows and quotas; not on a
   * Cluster. Default: `postern`.
   */
  readonly layout?: 'postern' | 'tyk' | undefined
  /** Settings of the real gateway that the `tyk` layout has to share. */
  readonly tyk?: TykSettings | undefined
  /** Milliseconds after which a call is given up. Default: 250. */
  readonly commandTimeoutMs?: number | undefined
  /**
   * Milliseconds for which a session this process has seen is used without asking Redis; changes by other processes are
   * heard of sooner. Default: 0, every request asks.
   */
  readonly cacheMs?: number | undefined
  /** True: `ready()` rejects within 2 s when Redis cannot be reached. Default: false. */
  readonly required?: boolean | undefined
  /** Told, at most once a second, what goes wrong while nobody waits for an answer. Must not throw. */
  readonly onError?: ((error: GatewayError) => void) | undefined
  /** @internal Milliseconds since 1970, instead of the server's clock: for tests. */
  readonly now?: (() => number) | undefined
}

export interface TykSettings {
  /** `hash_keys`. Default: true. */
  readonly hashKeys?: boolean | undefined
  /** `hash_key_function`, for new keys. Default: `murmur64`. */
  readonly keyHash?: KeyHash | undefined
  /** `hash_key_function_fallback`. Default: none. */
  readonly keyHashFallbacks?: readonly KeyHash[] | undefined
  /** The organisation of the APIs. Without it their limits (not those of keys) are counted apart from the real gateway's. */
  readonly orgId?: string | undefined
}

/** Checks options and fills in what was left out. Wrong ones throw `PSTN_OPTIONS_INVALID`. */
export function checked(given: RedisStoreOptions): CheckedOptions {
  known('redisStore', given, OPTIONS)
  const { client, url, options, cluster, layout = 'postern', tyk = {}, prefix = 'postern' } = given
  const { commandTimeoutMs = 250, cacheMs = 0, required = false, onError, now } = given
  const places = { client, url: url ?? options, cluster }
  const said = Object.values(places).filter((place) => place !== undefined)
  expect('redisStore', `${said.length} places`, 'one of client, url, options, cluster', said.length === 1)
  expect('client', typeof client, 'a Redis or Cluster of ioredis', client === undefined || isClient(client))
  // What was found is not repeated: a URL holds a password.
  expect('url', 'something else', 'a redis:// or rediss:// URL', url === undefined || isRedisUrl(url))
  expect('options', typeof options, 'options of ioredis', options === undefined || isObject(options))
  if (cluster !== undefined) {
    known('cluster', cluster, ['nodes', 'options'])
    expect(
      'cluster.nodes',
      typeof cluster.nodes,
      'one node or more',
      Array.isArray(cluster.nodes) && cluster.nodes.length > 0,
    )
  }
  const keyPrefix = [options?.keyPrefix, cluster?.options?.redisOptions?.keyPrefix, keyPrefixOf(client)].find(Boolean)
  expect('keyPrefix', show(keyPrefix), 'none: names start with what `prefix` says', keyPrefix === undefined)
  expect('prefix', show(prefix), 'text without { and }', typeof prefix === 'string' && /^[^{}]+$/.test(prefix))
  expect('layout', show(layout), '"postern" or "tyk"', layout === 'postern' || layout === 'tyk')
  expect('commandTimeoutMs', show(commandTimeoutMs), 'a number above 0', isAtLeast(commandTimeoutMs, 1))
  expect('cacheMs', show(cacheMs), 'a number, 0 or more', isAtLeast(cacheMs, 0))
  expect('required', show(required), 'true or false', typeof required === 'boolean')
  expect('onError', typeof onError, 'a function', onError === undefined || typeof onError === 'function')
  expect('now', typeof now, 'a function', now === undefined || typeof now === 'function')
  expect('tyk', 'settings', 'none without layout: "tyk"', given.tyk === undefined || layout === 'tyk')
  return {
    client,
    url,
    options,
    cluster,
    prefix,
    layout,
    tyk: checkedTyk(tyk),
    commandTimeoutMs,
    cacheMs,
    required,
    onError,
    now,
  }
}

export interface CheckedOptions extends Pick<
  RedisStoreOptions,
  'client' | 'url' | 'options' | 'cluster' | 'onError' | 'now'
> {
  readonly prefix: string
  readonly layout: 'postern' | 'tyk'
  readonly tyk: ReturnType<typeof checkedTyk>
  readonly commandTimeoutMs: number
  readonly cacheMs: number
  readonly required: boolean
}

const OPTIONS: readonly (keyof RedisStoreOptions)[] = [
  'client',
  'url',
  'options',
  'cluster',
  'prefix',
  'layout',
  'tyk',
  'commandTimeoutMs',
  'cacheMs',
  'required',
  'onError',
  'now',
]

function checkedTyk(given: TykSettings) {
  known('tyk', given, ['hashKeys', 'keyHash', 'keyHashFallbacks', 'orgId'])
  const { hashKeys = true, keyHash = 'murmur64', keyHashFallbacks = [], orgId } = given
  const hashes = Object.keys(KEY_HASHES).join(', ')
  expect('tyk.hashKeys', show(hashKeys), 'true or false', typeof hashKeys === 'boolean')
  expect('tyk.keyHash', show(keyHash), hashes, isKeyHash(keyHash))
  const areHashes = Array.isArray(keyHashFallbacks) && keyHashFallbacks.every(isKeyHash)
  expect('tyk.keyHashFallbacks', show(keyHashFallbacks), `an array of ${hashes}`, areHashes)
  expect('tyk.orgId', show(orgId), 'text', orgId === undefined || typeof orgId === 'string')
  return { hashKeys, keyHash, keyHashFallbacks, orgId }
}

function known(where: string, given: unknown, names: readonly string[]): void {
  expect(where, typeof given, 'an object', isObject(given))
  for (const name of Object.keys(given as object))
    expect(
      where,
      `an unknown option "${name}"`,
      `only ${names.filter((one) => one !== 'now').join(', ')}`,
      names.includes(name),
    )
}

function expect(what: string, found: string, expected: string, holds: boolean): void {
  if (!holds) throw new GatewayError('PSTN_OPTIONS_INVALID', `${what}: found ${found}; expected ${expected}.`)
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? typeof value
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function isAtLeast(value: unknown, least: number): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= least
}

function isKeyHash(value: unknown): value is KeyHash {
  return typeof value === 'string' && Object.hasOwn(KEY_HASHES, value)
}

function isClient(value: unknown): boolean {
  return (
    isObject(value) &&
    ['call', 'on', 'off'].every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
  )
}

function isRedisUrl(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && ['redis:', 'rediss:'].includes(new URL(value).protocol)
}

function keyPrefixOf(client: RedisClient | undefined): unknown {
  const { options } = (client ?? {}) as { readonly options?: ClusterOptions & RedisOptions }
  return options?.keyPrefix ?? options?.redisOptions?.keyPrefix
}
