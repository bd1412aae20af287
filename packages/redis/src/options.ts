import type { GatewayError } from '@postern/core/store'
import type { ClusterNode, ClusterOptions, RedisOptions as IoredisOptions } from 'ioredis'
import type { RedisClient } from './redis-client.ts'
import type { KeyHash } from './tyk-keys.ts'

/** How sessions, limits and quotas are kept on Redis, and where: exactly one of `client`, `url` or `options`, and `cluster`. */
export type RedisStoreOptions = RedisPlace & RedisStoreSettings

/** Where Redis is. */
export type RedisPlace = OnClient | OnUrl | OnServer | OnCluster

/** Options of ioredis, but for how replies look. */
export type RedisOptions = Omit<IoredisOptions, 'replyMapping' | 'stringNumbers'>

interface OnClient {
  /** A `Redis` or `Cluster` of ioredis 5 or 6. It stays yours: its errors, its settings, closing it. */
  readonly client: RedisClient
  readonly url?: undefined
  readonly options?: undefined
  readonly cluster?: undefined
}

interface OnUrl {
  /** `redis://user:password@host:6379/0`, or `rediss://` for TLS. */
  readonly url: string
  /** Options of ioredis; what the URL says goes first. */
  readonly options?: RedisOptions | undefined
  readonly client?: undefined
  readonly cluster?: undefined
}

interface OnServer {
  /** Options of ioredis, Sentinel and TLS included. */
  readonly options: RedisOptions
  readonly url?: undefined
  readonly client?: undefined
  readonly cluster?: undefined
}

export interface OnCluster {
  /** A Redis Cluster: some of its nodes, and options of ioredis. */
  readonly cluster: {
    readonly nodes: readonly ClusterNode[]
    readonly options?: (ClusterOptions & { readonly redisOptions?: RedisOptions }) | undefined
  }
  readonly client?: undefined
  readonly url?: undefined
  readonly options?: undefined
}

export interface RedisStoreSettings {
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
  /**
   * Told, at most once a second, what goes wrong while nobody waits for an answer. Must not throw. Default: the process
   * warns (`PosternWarning`) of each outage, at most once a minute.
   */
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
