import { setTimeout as sleep } from 'node:timers/promises'
import { breaker } from './breaker.ts'
import { withDeadline } from './deadline.ts'
import { isAnswer, reasonOf, unavailable } from './failure.ts'
import type { RedisClient } from './redis-client.ts'
import { runScript, type Script } from './script.ts'

/** How long `connected` tries, in milliseconds. */
const START_MS = 1700
const START_PAUSE_MS = 50

/** A client on which every command has a deadline, and whose failures are `PSTN_STORE_UNAVAILABLE`. */
export interface Connection {
  readonly client: RedisClient
  /** Sends one command; `node` where it is for one server of a Cluster. `what` completes "could not". */
  command(what: string, command: string, args: readonly string[], node?: RedisClient): Promise<unknown>
  /** Runs a script on its names; all of them live in one slot. */
  run(what: string, script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>
  /** Rejects when the server cannot be reached within 2 s. */
  connected(): Promise<void>
  /** Waits for what is under way; what comes later is refused. */
  close(): Promise<void>
}

/** What is known of a client beside what it does. */
export interface Origin {
  /** Host and port, for messages. */
  readonly where: string
  /** Why the client is not connected, where that is known. */
  readonly lastError: () => string | undefined
}

export function connection(client: RedisClient, { where, lastError }: Origin, timeoutMs: number): Connection {
  const guard = breaker()
  const underWay = new Set<Promise<unknown>>()
  let closed = false
  /** Since when there is no connection; undefined while there is one, or the first one is being made. */
  let lostAt = ['close', 'reconnecting'].includes(client.status) ? performance.now() : undefined
  let waiting: { readonly ready: Promise<void>; readonly resolve: () => void } | undefined

  const onReady = (): void => {
    // A connection just made is proof enough: nobody has to wait for the pause to end.
    guard.succeeded()
    lostAt = undefined
    waiting?.resolve()
    waiting = undefined
  }
  const onClose = (): void => {
    lostAt ??= performance.now()
  }
  client.on('ready', onReady)
  client.on('close', onClose)

  /** Whether a call that waited for the connection would most likely wait in vain. */
  function isLost(): boolean {
    return lostAt !== undefined && client.status !== 'ready' && performance.now() - lostAt >= timeoutMs
  }

  /** Why a call failed: what is wrong with the connection explains more than what became of the call. */
  function whyNot(error: unknown): string {
    return isAnswer(error) ? reasonOf(error) : (lastError() ?? reasonOf(error))
  }

  // Commands given to a client that is not connected would lie in its queue and be counted long after they were answered.
  function ready(): Promise<void> | undefined {
    // A lazy client connects with its first command.
    if (client.status === 'ready' || client.status === 'wait') return undefined
    if (client.status === 'end') throw new Error('the client has ended')
    if (waiting === undefined) {
      let resolve: () => void = () => undefined
      const promise = new Promise<void>((resolved) => (resolve = resolved))
      waiting = { ready: promise, resolve }
    }
    return waiting.ready
  }

  async function attempt<T>(send: () => Promise<T>, ms = timeoutMs): Promise<T> {
    let over = false
    const late = (): Error => {
      over = true
      return new Error(client.status === 'ready' ? `no answer within ${ms} ms` : `not connected within ${ms} ms`)
    }
    const waited = ready()
    const sent =
      waited === undefined
        ? send()
        : waited.then(() => {
            if (over) throw new Error('connected too late')
            return send()
          })
    const work = withDeadline(sent, ms, late)
    underWay.add(work)
    try {
      return await work
    } finally {
      underWay.delete(work)
    }
  }

  async function guarded<T>(what: string, send: () => Promise<T>): Promise<T> {
    if (closed) throw unavailable(where, what, 'the store is closed')
    if (isLost()) throw unavailable(where, what, whyNot(new Error('the connection was lost')))
    const refusal = guard.refusal()
    if (refusal !== undefined) throw unavailable(where, what, refusal)
    try {
      const result = await attempt(send)
      guard.succeeded()
      return result
    } catch (error) {
      const reason = whyNot(error)
      if (isAnswer(error)) guard.succeeded()
      else guard.failed(reason)
      throw unavailable(where, what, reason)
    }
  }

  return {
    client,
    command: (what, command, args, node = client) => guarded(what, () => node.call(command, ...args)),
    run: (what, script, keys, args) => guarded(what, () => runScript(client, script, keys, args)),
    async connected() {
      const until = performance.now() + START_MS
      for (;;) {
        const left = Math.ceil(until - performance.now())
        try {
          await attempt(() => client.call('ping'), Math.min(timeoutMs, Math.max(left, START_PAUSE_MS)))
          return
        } catch (error) {
          if (performance.now() >= until) throw unavailable(where, 'be reached', whyNot(error))
        }
        await sleep(START_PAUSE_MS)
      }
    },
    async close() {
      closed = true
      client.off('ready', onReady)
      client.off('close', onClose)
      await Promise.allSettled(underWay)
    },
  }
}
