import { Pool } from 'undici'

/** What makes two upstreams need different connections. */
export interface PoolSettings {
  readonly connectTimeoutMs: number
  readonly verifyTls: boolean
}

/** A plugin that routes by what a client sends could otherwise make pools without end. */
const MAX_POOLS = 1_000

/** Keep-alive connections, one pool per origin and TLS settings: a connection is never shared across either. */
export class Pools {
  readonly #pools = new Map<string, Pool>()

  get(origin: string, settings: PoolSettings): Pool {
    const key = `${origin} ${settings.connectTimeoutMs} ${settings.verifyTls}`
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    if (this.#pools.size >= MAX_POOLS) this.#closeOldest()
    const pool = new Pool(origin, {
      pipelining: 1,
      connect: { timeout: settings.connectTimeoutMs, rejectUnauthorized: settings.verifyTls },
    })
    this.#pools.set(key, pool)
    return pool
  }

  #closeOldest(): void {
    const [oldest] = this.#pools
    if (oldest === undefined) return
    this.#pools.delete(oldest[0])
    // Running requests finish; a pool that cannot close cleanly has nobody left to tell.
    oldest[1].close().catch(() => undefined)
  }

  /** Ends idle connections at once and, unless `force`, lets running requests finish. */
  async close(force: boolean): Promise<void> {
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map((pool) => (force ? pool.destroy() : pool.close())))
  }
}
