import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type ApiDefinitionInput, type KeyInput, respond } from '@postern/core'
import type { Charge, Store, Taken } from '@postern/core/store'
import { createGateway, type HttpGateway } from '@postern/http'
import { redisStore, type RedisStoreOptions } from '@postern/redis'
import { type Answer, drive, type Load } from './drive.ts'

// A process of its own, with gateways on Redis; ordered about over IPC. `workers.ts` starts it.

/** What it can be told to do: what it takes, and what it answers. */
export interface Orders {
  /** Puts a gateway on a port of the loopback interface. */
  open: [{ name: string; store: RedisStoreOptions; definition: ApiDefinitionInput }, { port: number }]
  /** Asks the store of a gateway that many times at once; answers how many passed. */
  take: [{ name: string; charges: readonly Charge[]; times: number }, number]
  /** Sends requests to a gateway of this process. */
  drive: [{ name: string; load: Load }, readonly Answer[]]
  create: [{ name: string; session: KeyInput }, { key: string; id: string }]
  revoke: [{ name: string; key: string }, undefined]
  delete: [{ name: string; key: string }, boolean]
  /** What its clock says, unix milliseconds: as `Date` has it, twice. */
  now: [undefined, readonly [number, number]]
  /** What it met that no process should. */
  stumbles: [undefined, readonly string[]]
}

/** An order, and its answer, as they cross. */
export interface Sent<O extends keyof Orders = keyof Orders> {
  readonly id: number
  readonly order: O
  readonly input: Orders[O][0]
}
export type Received =
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly error: string }

interface Opened {
  readonly gateway: HttpGateway
  readonly store: Store
  readonly port: number
}

const opened = new Map<string, Opened>()
const stumbles: string[] = []
process.on('unhandledRejection', (reason) => void stumbles.push(`unhandledRejection ${String(reason)}`))
process.on('uncaughtException', (error) => void stumbles.push(`uncaughtException ${String(error)}`))

const orders: { readonly [O in keyof Orders]: (input: Orders[O][0]) => Promise<Orders[O][1]> | Orders[O][1] } = {
  async open({ name, store: options, definition }) {
    const store = redisStore(options)
    const gateway = createGateway(definition, { store, forward: () => respond(200, 'ok') })
    const server = createServer(gateway)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    opened.set(name, { gateway, store, port })
    return { port }
  },
  async take({ name, charges, times }) {
    const { store } = known(name)
    const taken = await Promise.all(Array.from({ length: times }, async () => store.take(charges)))
    return taken.filter((one) => (one as Taken).refusedBy === -1).length
  },
  drive: ({ name, load }) => drive(known(name).port, load),
  async create({ name, session }) {
    const { key, id } = await known(name).gateway.sessions.create(session)
    return { key, id }
  },
  async revoke({ name, key }) {
    await known(name).gateway.sessions.revoke(key)
    return undefined
  },
  delete: ({ name, key }) => known(name).gateway.sessions.delete(key),
  now: () => [Date.now(), new Date().getTime()],
  stumbles: () => stumbles,
}

function known(name: string): Opened {
  const found = opened.get(name)
  if (found === undefined) throw new Error(`no gateway ${name} was opened here`)
  return found
}

async function carryOut({ id, order, input }: Sent): Promise<Received> {
  try {
    return { id, output: await (orders[order] as (given: unknown) => unknown)(input) }
  } catch (error) {
    return { id, error: String(error) }
  }
}

process.on('message', (sent: Sent) => void carryOut(sent).then((received) => process.send?.(received)))
// Without whom it works for it has no reason to go on.
process.on('disconnect', () => process.exit())
