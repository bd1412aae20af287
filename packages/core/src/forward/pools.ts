import { AsyncLocalStorage } from 'node:async_hooks'
import { isIP } from 'node:net'
import { buildConnector, Pool } from 'undici'
import type { Upstream } from '../api.ts'
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
function connector(settings: PoolSettings, guarded: boolean, outside: Outside): buildConnector.connector {
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
    outside(() =>
      connect(named ? options : { ...options, servername: '' }, (...[error, socket]) => {
        if (error === null) done(null, upstreamSocket(socket))
        else done(error, null)
      }),
    )
  }
}

/** Runs something outside of the request that happens to need it first. */
type Outside = (work: () => void) => void

function keyOf(origin: string, { connectTimeoutMs, verifyTls }: PoolSettings, guarded: boolean): string {
  return `${origin} ${connectTimeoutMs} ${verifyTls} ${guarded}`
}

/** A plugin that routes by what a client sends could otherwise make pools without end. */
const MAX_POOLS = 1_000

/** Keep-alive connections, one pool per origin and TLS settings: a connection is never shared across either. */
export class Pools {
  readonly #pools = new Map<string, Pool>()
  readonly #retired = new Set<Pool>()
  /** How many APIs have a target there. */
  readonly #holders = new Map<string, number>()
  /** A connection outlives the request it was made for, and what is stored for that one is not for those that follow. */
  readonly #outside: Outside = AsyncLocalStorage.snapshot()
  #closed = false

  /** `guarded`: no link-local address is connected to. */
  get(origin: string, settings: PoolSettings, guarded: boolean): Pool {
    const key = keyOf(origin, settings, guarded)
    const known = this.#pools.get(key)
    if (known !== undefined) {
      if (this.#pools.size > 1) this.#keepRecent(key, known)
      return known
    }
    if (this.#closed) throw new GatewayError('PSTN_CLOSED', 'The gateway was closed.')
    if (this.#pools.size >= MAX_POOLS) this.#retireOldest()
    const pool = new Pool(origin, {
      pipelining: 1,
      connect: connector(settings, guarded, this.#outside),
    })
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
  #keepRecent(key: string, pool: Pool): void {
    this.#pools.delete(key)
    this.#pools.set(key, pool)
  }

  #retireOldest(): void {
    const [oldest] = this.#pools
    if (oldest === undefined) return
    this.#retire(...oldest)
  }

  #retire(key: string, pool: Pool): void {
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
