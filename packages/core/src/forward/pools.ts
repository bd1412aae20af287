import { Pool } from 'undici'

/** What makes two upstreams need different connections. */
export interface PoolSettings {
  readonly connectTimeoutMs: number
  readonly verifyTls: boolean
}

/** Keep-alive connections, one pool per origin and TLS settings: a connection is never shared across either. */
export class Pools {
  readonly #pools = new Map<string, Pool>()

  get(origin: string, settings: PoolSettings): Pool {
    const key = `${origin} ${settings.connectTimeoutMs} ${settings.verifyTls}`
    let pool = this.#pools.get(key)
    if (pool === undefined) {
      pool = new Pool(origin, {
        pipelining: 1,
        connect: { timeout: settings.connectTimeoutMs, rejectUnauthorized: settings.verifyTls },
      })
      this.#pools.set(key, pool)
    }
    return pool
  }

  /** Ends idle connections at once and, unless `force`, lets running requests finish. */
  async close(force: boolean): Promise<void> {
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map((pool) => (force ? pool.destroy() : pool.close())))
  }
}
