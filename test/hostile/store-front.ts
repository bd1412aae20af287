import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type GatewayOptions, respond } from '@postern/core'
import { redisStore, type RedisStoreOptions } from '@postern/redis'
import { expect } from 'vitest'
import { send } from '../support/client.ts'
import type { Mount, Mounted } from '../support/hosts.ts'
import { listenRaw } from '../support/server.ts'

/** What becomes of connections to Redis. */
type WireMode = 'pass' | 'end' | 'silent' | 'drip'

/** Stands between a gateway and Redis. */
export interface FaultyWire {
  readonly port: number
  mode: WireMode
  /** Milliseconds answers are late. */
  lateMs: number
  /** Bytes of an answer that pass at once. */
  slice: number
  /** Connections are cut after so many more packets of the gateway. */
  packets: number
  readonly connections: () => number
  cut(how?: 'end' | 'reset'): void
}

export async function faultyWire(target: number): Promise<FaultyWire> {
  const near = new Set<Socket>()
  const listening = await listenRaw((socket) => {
    if (wire.mode === 'end') {
      socket.destroy()
      return
    }
    near.add(socket)
    socket.setNoDelay()
    const far = connect(target, '127.0.0.1').setNoDelay()
    socket.on('close', () => {
      near.delete(socket)
      far.destroy()
    })
    far.on('error', () => undefined).on('close', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      if (wire.mode === 'silent') return
      wire.packets -= 1
      if (wire.packets < 0) wire.cut()
      else far.write(chunk)
    })
    let last = Promise.resolve()
    far.on('data', (chunk: Buffer) => {
      const due = performance.now() + wire.lateMs
      last = last.then(() => pass(socket, chunk, due, wire))
    })
  })
  const wire: FaultyWire = {
    port: listening.port,
    mode: 'pass',
    lateMs: 0,
    slice: Infinity,
    packets: Infinity,
    connections: listening.connections,
    cut: (how = 'end') => near.forEach((socket) => (how === 'reset' ? socket.resetAndDestroy() : socket.destroy())),
  }
  return wire
}

const DRIP_BYTES = 50
const DRIP_MS = 50

async function pass(socket: Socket, chunk: Buffer, due: number, wire: FaultyWire): Promise<void> {
  const early = due - performance.now()
  if (early > 0) await sleep(early)
  const slice = wire.mode === 'drip' ? DRIP_BYTES : wire.slice
  for (let from = 0; from < chunk.length && !socket.destroyed && wire.mode !== 'silent'; from += slice) {
    socket.write(chunk.subarray(from, from + slice))
    // What is written in one turn may arrive as one piece.
    if (from + slice < chunk.length) await (wire.mode === 'drip' ? sleep(DRIP_MS) : nextTurn())
  }
}

export type Policy = NonNullable<GatewayOptions['onStoreError']>

export const REVERSE = { sessions: 'pass', quota: 'pass', rateLimit: 'refuse' } as const satisfies Policy

const SESSIONS = {
  plain: {},
  rated: { rate: 1_000_000, per: 3_600 },
  metered: { quotaMax: 1_000_000, quotaRenewalRate: 3_600 },
} as const

/** Who asks: keys of each kind, somebody at a keyless API with a limit, and a key nobody made. */
type Who = keyof typeof SESSIONS | 'open' | 'strange'
type Statuses = Readonly<Record<Who, number>>

export const FINE: Statuses = { plain: 200, rated: 200, metered: 200, open: 200, strange: 403 }
export const AWAY: Statuses = { plain: 503, rated: 503, metered: 503, open: 200, strange: 503 }
export const AWAY_REVERSE: Statuses = { plain: 200, rated: 503, metered: 200, open: 503, strange: 503 }

const COMMAND_TIMEOUT_MS = 250
/** What a busy machine may add to it. */
const MARGIN_MS = 2_000

export interface Front extends Mounted {
  /** What the store told while nobody waited for an answer. */
  readonly reports: string[]
  /** Makes the keys. */
  readonly prepare: () => Promise<void>
  readonly ask: (who: Who) => Promise<number>
  /** Everybody at once; nobody waits longer than a command may take. */
  readonly statuses: () => Promise<Statuses>
  /** All is as it should be within two seconds. */
  readonly recovers: () => Promise<void>
}

export async function storeFront(mount: Mount, store: RedisStoreOptions, onStoreError?: Policy): Promise<Front> {
  const reports: string[] = []
  const options = {
    store: redisStore({
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      onError: ({ message }) => reports.push(message),
      ...store,
    }),
    forward: () => Promise.resolve(respond(200, 'ok')),
    onStoreError,
  }
  const mounted = await mount(
    [
      { name: 'keys', listenPath: '/keys', authentication: { token: true } },
      { name: 'open', listenPath: '/open', limits: { rate: 1_000_000, per: 3_600 } },
    ],
    { options },
  )
  // Attacks want to see what happens, not to be warned of it.
  mounted.gateway.on('storeError', () => undefined)
  const ask = async (who: Who): Promise<number> => {
    const asked = performance.now()
    const path = who === 'open' ? '/open' : '/keys'
    const { status } = await send(mounted.url, path, { headers: { authorization: `key-of-${who}` } })
    expect(performance.now() - asked).toBeLessThan((store.commandTimeoutMs ?? COMMAND_TIMEOUT_MS) + MARGIN_MS)
    return status
  }
  const statuses = async (): Promise<Statuses> => {
    const all = (['plain', 'rated', 'metered', 'open', 'strange'] as const).map(
      async (who) => [who, await ask(who)] as const,
    )
    return Object.fromEntries(await Promise.all(all)) as Statuses
  }
  return {
    ...mounted,
    reports,
    ask,
    statuses,
    prepare: async () => {
      const { sessions } = mounted.gateway
      for (const [who, session] of Object.entries(SESSIONS)) await sessions.create(session, { key: `key-of-${who}` })
      await expect.poll(statuses).toEqual(FINE)
    },
    recovers: () => expect.poll(statuses, { timeout: 2_000 + MARGIN_MS, interval: 50 }).toEqual(FINE),
  }
}
