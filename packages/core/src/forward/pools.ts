import { isIP } from 'node:net'
import { buildConnector, Pool } from 'undici'
import { GatewayError } from '../errors.ts'
import { forbidden, guardedLookup, isLinkLocal } from './link-local.ts'
import { upstreamSocket } from './upstream-socket.ts'

/** What makes two upstreams need different connections. */
export interface PoolSettings {
  readonly connectTimeoutMs: number
  readonly verifyTls: boolean
}

/**
 * How connections are made. TLS names no server that has an address only (RFC 6066 3); left out, undici would name the
 * client's Host instead.
 */
function connector(settings: PoolSettings, guarded: boolean): buildConnector.connector {
  const connect = buildConnector({
    timeout: settings.connectTimeoutMs,
    rejectUnauthorized: settings.verifyTls,
    ...(guarded && { lookup: guardedLookup }),
  })
  return (options, done) => {
    // An address is not looked up.
    if (guarded && isLinkLocal(options.hostname)) {
      done(forbidden(options.hostname), null)
      return
    }
    const named = isIP((options.servername ?? '').replaceAll(/[[\]]/g, '')) === 0
    connect(named ? options : { ...options, servername: '' }, (...[error, socket]) => {
      if (error === null) done(null, upstreamSocket(socket))
      else done(error, null)
    })
  }
}

/** A plugin that routes by what a client sends could otherwise make pools without end. */
const MAX_POOLS = 1_000

/** Keep-alive connections, one pool per origin and TLS settings: a connection is never shared across either. */
export class Pools {
  readonly #pools = new Map<string, Pool>()
  readonly #retired = new Set<Pool>()
  #closed = false

  /** `guarded`: no link-local address is connected to. */
  get(origin: string, settings: PoolSettings, guarded: boolean): Pool {
    const key = `${origin} ${settings.connectTimeoutMs} ${settings.verifyTls} ${guarded}`
    const known = this.#pools.get(key)
    if (known !== undefined) {
      if (this.#pools.size > 1) this.#keepRecent(key, known)
      return known
    }
    if (this.#closed) throw new GatewayError('PSTN_CLOSED', 'The gateway was closed.')
    if (this.#pools.size >= MAX_POOLS) this.#retireOldest()
    const pool = new Pool(origin, {
      pipelining: 1,
      connect: connector(settings, guarded),
    })
    this.#pools.set(key, pool)
    return pool
  }

  /** A Map keeps insertion order: its first pool is the one unused for longest. */
  #keepRecent(key: string, pool: Pool): void {
    this.#pools.delete(key)
    this.#pools.set(key, pool)
  }

  #retireOldest(): void {
    const [oldest] = this.#pools
    if (oldest === undefined) return
    const [key, pool] = oldest
    this.#pools.delete(key)
    this.#retired.add(pool)
    const done = (): void => void this.#retired.delete(pool)
    // Running requests finish; a pool that cannot close cleanly is destroyed with the gateway.
    pool.close().then(done, done)
  }

  /** Ends all connections, idle or not. */
  async close(): Promise<void> {
    this.#closed = true
    const pools = [...this.#pools.values(), ...this.#retired]
    this.#pools.clear()
    await Promise.all(pools.map((pool) => pool.destroy()))
  }
}
