import { stopOnSignals, type ServerOptions } from '@postern/http'
import type { ApiDefinitionInput, KeyInput } from '@postern/core'
import { hosts, type Mounted } from '../../support/hosts.ts'
import { type ScenarioName, scenarios } from './scenarios.ts'

// A process of its own with a gateway in it; ordered about over IPC. `start.ts` starts it.

export interface Beginning {
  readonly host: string
  readonly scenario: ScenarioName
  readonly upstream: string
  /** Beside those of the scenario. */
  readonly definition?: Partial<ApiDefinitionInput>
  readonly server?: ServerOptions
  /** With `stopOnSignals`. */
  readonly graceMs?: number
}

/** What a process holds, when all that can be collected is. */
export interface Holdings {
  /** 0 without `--expose-gc`. */
  readonly heapBytes: number
  /** What keeps an event loop alive, counted by kind. */
  readonly resources: Readonly<Record<string, number>>
  /** Listeners on the process and the server. */
  readonly listeners: number
}

/** What it can be told to do: what it takes, and what it answers. */
export interface Orders {
  begin: [Beginning, { readonly port: number }]
  key: [KeyInput, string]
  holdings: [undefined, Holdings]
  /** Closes the gateway that many times at once, and then the server, whose connections may stay. */
  close: [{ readonly times: number }, Holdings]
  /** What it met that no process should. */
  stumbles: [undefined, readonly string[]]
}

export interface Sent<O extends keyof Orders = keyof Orders> {
  readonly id: number
  readonly order: O
  readonly input: Orders[O][0]
}
export type Received =
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly error: string }

let mounted: Mounted | undefined
const stumbles: string[] = []
process.on('unhandledRejection', (reason) => void stumbles.push(`unhandledRejection ${String(reason)}`))
process.on('uncaughtException', (error) => void stumbles.push(`uncaughtException ${error.stack}`))

const orders: { readonly [O in keyof Orders]: (input: Orders[O][0]) => Promise<Orders[O][1]> } = {
  async begin({ host, scenario, upstream, definition, server = {}, graceMs }) {
    const [, mount] = hosts.find(([name]) => name === host)!
    const { definition: ofScenario } = scenarios[scenario]
    const all: ApiDefinitionInput = { name: 'a', upstream, ...ofScenario, ...definition }
    mounted = await mount(all, { safe: true, server })
    for (const event of ['pluginError', 'upstreamError', 'storeError'] as const)
      mounted.gateway.on(event, () => undefined)
    if (graceMs !== undefined) stopOnSignals(mounted.server, mounted.gateway, { graceMs })
    return { port: mounted.port }
  },
  async key(session) {
    const { key } = await mounted!.gateway.sessions.create(session)
    return key
  },
  holdings: async () => holdings(),
  async close({ times }) {
    const { gateway, server } = mounted!
    await Promise.all(Array.from({ length: times }, () => gateway.close({ timeoutMs: 1000 })))
    await new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
    return holdings()
  },
  stumbles: async () => stumbles,
}

async function holdings(): Promise<Holdings> {
  let heapBytes = 0
  // What is closed in this turn is gone in the next ones.
  for (let i = 0; i < 10; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    await globalThis.gc?.({ execution: 'async', type: 'major' } as never)
  }
  if (globalThis.gc !== undefined) heapBytes = process.memoryUsage().heapUsed
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  const emitters = mounted === undefined ? [process] : [process, mounted.server]
  const listeners = emitters.flatMap((emitter) => emitter.eventNames().map((name) => emitter.listenerCount(name)))
  return { heapBytes, resources, listeners: listeners.reduce((sum, count) => sum + count, 0) }
}

async function carryOut({ id, order, input }: Sent): Promise<Received> {
  try {
    return { id, output: await (orders[order] as (given: unknown) => Promise<unknown>)(input) }
  } catch (error) {
    return { id, error: String(error) }
  }
}

process.on('message', (sent: Sent) => void carryOut(sent).then((received) => process.send?.(received)))
// Without whom it works for it has no reason to go on.
process.on('disconnect', () => process.exit(3))
