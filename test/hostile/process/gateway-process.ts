import { setImmediate } from 'node:timers/promises'
import { createServer as createPlainServer } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createGateway, createServer, stopOnSignals, type ServerOptions } from '@postern/http'
import { type ApiDefinitionInput, isGatewayError, type KeyInput } from '@postern/core'
import type { Mount, Mounted } from '../../support/hosts.ts'
import { listen } from '../../support/server.ts'
import { type Scenario, type ScenarioName, scenarios } from './scenarios.ts'

// A process of its own with a gateway in it; ordered about over IPC. `start.ts` starts it.

interface Beginning {
  readonly host: string
  readonly scenario: ScenarioName
  readonly upstream: string
  /** In place of those of the scenario. */
  readonly definitions?: readonly ApiDefinitionInput[]
  readonly pluginsDirectory?: string
  readonly server?: ServerOptions
  /** Behind a server of Node's own. */
  readonly plain?: boolean
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
  /** The code of what it fails with; `reloaded` when it does not. */
  reload: [readonly ApiDefinitionInput[], string]
  /** How many different APIs of this process, over all its reloads, nobody has collected yet. */
  versions: [undefined, number]
  /** Closes the gateway that many times at once, and then the server, whose connections may stay. */
  close: [{ readonly times: number }, Holdings]
  /** Creates keys, and says one of them. */
  keys: [{ readonly session: KeyInput; readonly count: number }, string]
  /** The longest the event loop was held since it was last asked, in milliseconds. */
  delay: [undefined, number]
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
const loop = monitorEventLoopDelay({ resolution: 5 })
loop.enable()
const stumbles: string[] = []
process.on('unhandledRejection', (reason) => void stumbles.push(`unhandledRejection ${String(reason)}`))
process.on('uncaughtException', (error) => void stumbles.push(`uncaughtException ${error.stack}`))

const orders: { readonly [O in keyof Orders]: (input: Orders[O][0]) => Promise<Orders[O][1]> } = {
  async begin({ host, scenario, upstream, definitions, pluginsDirectory, server = {}, graceMs, plain = false }) {
    const mount = await mountOf(host)
    const { definitions: usual, options }: Scenario = scenarios[scenario]
    mounted = await mount(definitions ?? usual(upstream), {
      safe: !plain,
      upgrade: true,
      server,
      options: { ...options?.(), ...(pluginsDirectory !== undefined && { pluginsDirectory }) },
    })
    await mounted.gateway.ready()
    remember()
    for (const event of ['pluginError', 'upstreamError', 'storeError'] as const)
      mounted.gateway.on(event, () => undefined)
    if (graceMs !== undefined) stopOnSignals(mounted.server, mounted.gateway, { graceMs })
    return { port: mounted.port }
  },
  async key(session) {
    const { key } = await mounted!.gateway.sessions.create(session)
    return key
  },
  async keys({ session, count }) {
    let last = ''
    for (let i = 0; i < count; i += 1) {
      last = (await mounted!.gateway.sessions.create(session)).key
      // A store in memory answers without letting anything else run.
      if (i % 100 === 0) await setImmediate()
    }
    return last
  },
  async delay() {
    const { max } = loop
    loop.reset()
    return max / 1e6
  },
  holdings: async () => holdings(),
  async reload(definitions) {
    try {
      await mounted!.gateway.reload(definitions)
      remember()
      return 'reloaded'
    } catch (error) {
      return isGatewayError(error) ? error.code : String(error)
    }
  },
  async versions() {
    await holdings()
    return versions.filter((api) => api.deref() !== undefined).length
  },
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

const versions: WeakRef<object>[] = []
const known = new WeakSet<object>()

function remember(): void {
  for (const api of mounted!.gateway.apis()) {
    if (known.has(api)) continue
    known.add(api)
    versions.push(new WeakRef(api))
  }
}

/** Frameworks are loaded only where they are asked for: some flags of Node are more than they can bear. */
async function mountOf(wanted: string): Promise<Mount> {
  if (wanted === 'node:http') return onNode
  const { hosts } = await import('../../support/hosts.ts')
  return hosts.find(([name]) => name === wanted)![1]
}

const onNode: Mount = async (definition, { options, safe = false, server = {} } = {}) => {
  const gateway = createGateway(definition, options)
  const listening = await listen(safe ? createServer(gateway, server) : createPlainServer(gateway))
  listening.server.on('upgrade', gateway.upgrade)
  return { ...listening, gateway }
}

async function holdings(): Promise<Holdings> {
  let heapBytes = 0
  // What is closed in this turn is gone in the next ones.
  for (let i = 0; i < 10; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    globalThis.gc?.()
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
