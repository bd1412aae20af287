import type { PoolSettings } from './connector.ts'
import type { Asker, Exchange } from './exchange.ts'
import type { CheckTarget } from './health-checks.ts'
import type { Pools } from './pools.ts'
import type { ReceivedHead } from './received-head.ts'

/** Health checks go over the connections of the requests: what they find is what those would. */
export function upstreamCheck(pools: Pools, settings: PoolSettings): CheckTarget {
  return ({ origin, host, serverName, basePath }, path, timeoutMs) =>
    new Promise((resolve) => {
      const check = new Check(resolve, timeoutMs)
      try {
        pools.get(origin, settings, false).dispatch(
          {
            origin,
            serverName,
            method: 'GET',
            target: basePath + path,
            headers: ['Host', host, 'User-Agent', 'postern-health'],
            body: undefined,
            length: undefined,
            headersTimeoutMs: timeoutMs,
            bodyTimeoutMs: timeoutMs,
          },
          check,
        )
      } catch {
        // The gateway is closed, and who listens for `targetHealth` has been told of worse.
        check.error()
      }
    })
}

/** A body of this many bytes is not read to its end: its connection is given up for that. */
const LONGEST_BODY = 131_072

class Check implements Asker {
  readonly holds = false
  readonly #resolve: (well: boolean) => void
  readonly #timer: NodeJS.Timeout
  #exchange: Exchange | undefined
  #late = false
  #bytes = 0

  constructor(resolve: (well: boolean) => void, timeoutMs: number) {
    this.#resolve = resolve
    // Whatever is found later was not found in time; a body without end is cut.
    this.#timer = setTimeout(() => {
      this.#late = true
      resolve(false)
      this.#exchange?.abort(this)
    }, timeoutMs).unref()
  }

  connected(exchange: Exchange): void {
    this.#exchange = exchange
    if (this.#late) exchange.abort(this)
  }

  started(): void {}

  head({ status }: ReceivedHead): void {
    this.#resolve(status >= 200 && status < 300)
  }

  /** Read to its end, or the connection is lost to others. */
  data(chunk: Buffer): boolean {
    this.#bytes += chunk.length
    if (this.#bytes > LONGEST_BODY) this.#exchange?.abort(this)
    return true
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  /** Whatever went wrong, the target is not well; who listens for `targetHealth` is told. */
  error(): void {
    clearTimeout(this.#timer)
    this.#resolve(false)
  }
}
