import { AsyncLocalStorage } from 'node:async_hooks'
import type { Upstream } from '../api.ts'
import { GatewayError } from '../errors.ts'
import { connector, type Outside, type PoolSettings } from './connector.ts'
import type { UpstreamPool } from './exchange.ts'
import { Deadlines } from './http1/deadlines.ts'
import { Http1Pool } from './http1/pool.ts'
import { SpareBuffers } from './http1/read-buffer.ts'
import { UndiciPool } from './undici-pool.ts'

/** Whose connections requests go out on. */
export type Engine = 'http1' | 'undici'

function keyOf(origin: string, { connectTimeoutMs, verifyTls }: PoolSettings, guarded: boolean): string {
  return `${origin} ${connectTimeoutMs} ${verifyTls} ${guarded}`
}

interface LastAsked {
  readonly origin: string
  readonly settings: PoolSettings
  readonly guarded: boolean
  readonly pool: UpstreamPool
}

/** A plugin that routes by what a client sends could otherwise make pools without end. */
const MAX_POOLS = 1_000

/** Keep-alive connections, one pool per origin and TLS settings: a connection is never shared across either. */
export class Pools {
  readonly #pools = new Map<string, UpstreamPool>()
  readonly #retired = new Set<UpstreamPool>()
  /** How many APIs have a target there. */
  readonly #holders = new Map<string, number>()
  /** A connection outlives the request it was made for, and what is stored for that one is not for those that follow. */
  readonly #outside: Outside = AsyncLocalStorage.snapshot()
  readonly #engine: Engine
  /** The pool asked for last, and by what words: most requests ask for the same again. */
  #last: LastAsked | undefined
  readonly #deadlines = new Deadlines(this.#outside)
  readonly #spares = new SpareBuffers()
  #closed = false

  constructor(engine: Engine = 'http1') {
    this.#engine = engine
  }

  /** `guarded`: no link-local address is connected to. */
  get(origin: string, settings: PoolSettings, guarded: boolean): UpstreamPool {
    const last = this.#last
    if (last?.origin === origin && last.settings === settings && last.guarded === guarded) return last.pool
    const pool = this.#find(origin, settings, guarded)
    this.#last = { origin, settings, guarded, pool }
    return pool
  }

  #find(origin: string, settings: PoolSettings, guarded: boolean): UpstreamPool {
    const key = keyOf(origin, settings, guarded)
    const known = this.#pools.get(key)
    if (known !== undefined) {
      if (this.#pools.size > 1) this.#keepRecent(key, known)
      return known
    }
    if (this.#closed) throw new GatewayError('PSTN_CLOSED', 'The gateway was closed.')
    if (this.#pools.size >= MAX_POOLS) this.#retireOldest()
    const connect = connector(settings, guarded, this.#outside)
    const pool =
      this.#engine === 'undici'
        ? new UndiciPool(origin, connect)
        : new Http1Pool(origin, connect, this.#deadlines, this.#spares, this.#outside)
    this.#pools.set(key, pool)
    return pool
  }

  /** An API has its targets there: their pools stay until the last one has called what this returns. */
  hold(upstream: PoolSettings & Pick<Upstream, 'targets'>): () => void {
    const keys = upstream.targets.map(({ url }) => keyOf(new URL(url).origin, upstream, false))
    for (const key of keys) this.#holders.set(key, (this.#holders.get(key) ?? 0) + 1)
    return () => {
      for (const key of keys) this.#letGo(key)
    }
  }

  #letGo(key: string): void {
    const left = (this.#holders.get(key) ?? 1) - 1
    if (left > 0) {
      this.#holders.set(key, left)
      return
    }
    this.#holders.delete(key)
    const pool = this.#pools.get(key)
    if (pool !== undefined) this.#retire(key, pool)
  }

  /** A Map keeps insertion order: its first pool is the one unused for longest. */
  #keepRecent(key: string, pool: UpstreamPool): void {
    this.#pools.delete(key)
    this.#pools.set(key, pool)
  }

  #retireOldest(): void {
    const [oldest] = this.#pools
    if (oldest === undefined) return
    this.#retire(...oldest)
  }

  #retire(key: string, pool: UpstreamPool): void {
    this.#last = undefined
    this.#pools.delete(key)
    this.#retired.add(pool)
    const done = (): void => void this.#retired.delete(pool)
    // Running requests finish; a pool that cannot close cleanly is destroyed with the gateway.
    pool.close().then(done, done)
  }

  /** Ends all connections, idle or not. */
  async close(): Promise<void> {
    this.#closed = true
    this.#last = undefined
    const pools = [...this.#pools.values(), ...this.#retired]
    this.#pools.clear()
    await Promise.all(pools.map((pool) => pool.destroy()))
  }
}
