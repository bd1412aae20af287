import { tracingChannel } from 'node:diagnostics_channel'
import { defineApi, type Forwarder, getLogger, type PrePlugin } from '@postern/core'
import type * as Host from '@postern/core/host'
import { prometheus } from '@postern/core/metrics'
import { callTo } from './inside/call-to.ts'

/** What a process of the bench is told to measure; it answers with the costs, one for each contestant. */
export interface Task {
  /** How many plugins, and whether they answer later. */
  readonly plugins: number
  readonly later: boolean
  readonly contestants: readonly Contestant[]
  readonly rounds: number
}

export interface Contestant {
  readonly name: string
  /** Of `@postern/core/host`. */
  readonly url: string
  readonly listens: keyof typeof LISTENERS
}

const call = callTo('/orders/stock/7?full=1')

const nothing = (): void => undefined

/** Each begins to listen, and returns how to stop. */
const LISTENERS = {
  nobody: () => nothing,
  empty: () => {
    const listener = { start: nothing, end: nothing, asyncStart: nothing, asyncEnd: nothing, error: nothing }
    const channels = ['request', 'hook', 'plugin', 'upstream'].map((kind) => tracingChannel<object>(`postern:${kind}`))
    for (const channel of channels) channel.subscribe(listener)
    return () => {
      for (const channel of channels) channel.unsubscribe(listener)
    }
  },
  prometheus: () => {
    const metrics = prometheus()
    return () => metrics.close()
  },
  getLogger: () => {
    getLogger('bench')
    return nothing
  },
}

const passes: PrePlugin = () => undefined
const passesLater: PrePlugin = () => Promise.resolve(undefined)

const TURN_US = 20_000
const WARM_UP = 5

async function measure({ plugins, later, contestants, rounds }: Task): Promise<number[]> {
  const pre = Array.from({ length: plugins }, () => (later ? passesLater : passes))
  const ready = await Promise.all(
    contestants.map(async ({ url, listens }) => {
      const { createCore, GatewayHeaders, GatewayResponse } = (await import(url)) as typeof Host
      const forward: Forwarder = () => new GatewayResponse(200, new GatewayHeaders([]), undefined, 0)
      const core = createCore(
        defineApi({ name: 'orders', listenPath: '/orders/', upstream: 'http://127.0.0.1:9', hooks: { pre } }),
        { forward },
      )
      const run = async (): Promise<void> => {
        const accepted = core.accept(call)
        await accepted?.answer()
        accepted?.conclude(200)
      }
      return { run, listen: LISTENERS[listens], costs: [] as number[] }
    }),
  )
  for (let round = -WARM_UP; round < rounds; round += 1) {
    for (let turn = 0; turn < ready.length; turn += 1) {
      const { run, listen, costs } = ready[(Math.abs(round) + turn) % ready.length]!
      const stop = listen()
      const cost = await costOf(run)
      stop()
      if (round >= 0) costs.push(cost)
    }
  }
  // Noise only adds: what the least disturbed turns took comes nearest to the cost itself.
  return ready.map(({ costs }) => costs.toSorted((a, b) => a - b)[Math.floor(rounds / 20)]!)
}

/** Nanoseconds of CPU time for each request: what else the machine does costs none of it. */
async function costOf(run: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  let count = 0
  let spent = 0
  while (spent < TURN_US) {
    for (let i = 0; i < 100; i += 1) await run()
    count += 100
    const { user, system } = process.cpuUsage(before)
    spent = user + system
  }
  return (spent * 1000) / count
}

if (process.send !== undefined) {
  process.once('message', (task) => {
    void measure(task as Task).then((costs) => {
      process.send?.(costs)
      process.disconnect()
    })
  })
}
