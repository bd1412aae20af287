import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiDefinitionInput, GatewayOptions, HooksInput, PluginContext } from '@postern/core'
import { expect } from 'vitest'
import type { Mount, Mounted } from '../support/hosts.ts'
import { eventually } from './eventually.ts'
import { faultyUpstream, type FaultyUpstream } from './faulty-upstream.ts'
import { type Kind, Load, PATIENCE_MS, type Sent } from './load.ts'

/** What the quota of the key `metered` lets through. */
export const QUOTA = 150

const KEYS = {
  metered: { rate: 1_000_000, per: 1, quotaMax: QUOTA, quotaRenewalRate: 3_600 },
  roomy: { rate: 1_000_000, per: 1, quotaMax: 1_000_000, quotaRenewalRate: 3_600 },
} as const

type Key = keyof typeof KEYS

/** A gateway between a load and an upstream that fails when it is told to. */
export interface LoadedFront extends Mounted {
  readonly upstream: FaultyUpstream
  readonly load: Load
  readonly makeKeys: () => Promise<void>
  /** Requests that have used their key's quota up have been refused for it. */
  readonly usedUp: () => Promise<void>
  readonly used: (key: Key) => Promise<number>
  /** Every connection gets what it asks for again. */
  readonly recovers: () => Promise<void>
  /** What does not add up; empty when everything does. */
  readonly reckon: () => Promise<readonly string[]>
  /** Reloads all the time, every third version broken, while `script` runs; resolves with how many were taken and refused. */
  readonly reloadingWhile: (
    script: () => Promise<void>,
  ) => Promise<{ readonly taken: number; readonly refused: number }>
  /** The gateway closes, and keeps nothing open to its upstream. */
  readonly closes: () => Promise<void>
}

interface Faults {
  readonly hooks?: HooksInput
  readonly store?: GatewayOptions['store']
  readonly faultOf?: (id: number) => string
  /** Milliseconds the upstream may be silent; small only where it is to fail, for a loop delays what it sends as well. */
  readonly upstreamMs?: number
}

export async function loadedFront(
  mount: Mount,
  { hooks, store, faultOf, upstreamMs = 4_000 }: Faults,
): Promise<LoadedFront> {
  const upstream = await faultyUpstream()
  const mixes: string[] = []
  const shared = {
    upstream: { url: upstream.url, connectTimeoutMs: 500, headersTimeoutMs: upstreamMs, bodyTimeoutMs: upstreamMs },
    pluginTimeoutMs: 100,
    bodyTimeoutMs: 1_500,
    requestTimeoutMs: 4_000,
  }
  const definitions = (version: number): readonly ApiDefinitionInput[] => {
    const ofVersion = { ...shared, hooks: stamped(version, hooks, mixes), config: { version } }
    return [
      { name: 'open', listenPath: '/open', limits: { rate: 1_000_000, per: 1 }, ...ofVersion },
      { name: 'keys', listenPath: '/keys', authentication: { token: true }, ...ofVersion },
    ]
  }
  const mounted = await mount(definitions(0), { safe: true, options: { recordCapacity: 1_000_000, store } })
  const { gateway } = mounted
  // These faults are meant to be seen, not to be warned of.
  for (const event of ['upstreamError', 'pluginError', 'storeError', 'recordDropped', 'loadError'] as const)
    gateway.on(event, () => undefined)
  const load = new Load(mounted.port, faultOf)
  return {
    ...mounted,
    upstream,
    load,
    makeKeys: async () => {
      const { sessions } = gateway
      for (const [key, session] of Object.entries(KEYS))
        if ((await sessions.get(key)) === undefined) await sessions.create(session, { key })
    },
    usedUp: () => eventually(() => expect(load.sent.some(isOverQuota)).toBe(true), PATIENCE_MS),
    used: async (key) => {
      const [quota] = await gateway.sessions.quotas(key)
      return quota!.max - quota!.remaining
    },
    recovers: () =>
      eventually(async () => {
        for (const kind of AFTERWARDS) {
          const answers = await load.once(kind)
          expect(new Set(answers.map(({ status, outcome }) => `${status} ${outcome}`))).toEqual(
            new Set(['200 answered']),
          )
        }
      }, PATIENCE_MS),
    reckon: async () => {
      await eventually(() =>
        expect(gateway.records.list().length + gateway.records.dropped).toBeGreaterThanOrEqual(load.sent.length),
      )
      return [...ofAnswers(load), ...ofRecords(load, gateway), ...ofUpstream(load, upstream), ...mixes].slice(0, 20)
    },
    reloadingWhile: async (script) => {
      const stop = new AbortController()
      let [version, taken, refused] = [0, 0, 0]
      const reloading = async (): Promise<void> => {
        while (!stop.signal.aborted) {
          version += 1
          const [first, ...others] = definitions(version)
          const broken = version % 3 === 0
          await gateway.reload(broken ? [{ ...first!, listenPath: 'nowhere' }, ...others] : [first!, ...others]).then(
            () => (taken += 1),
            () => (refused += 1),
          )
          await sleep(RELOAD_EVERY_MS)
        }
      }
      const end = reloading()
      try {
        await script()
      } finally {
        stop.abort()
        await end
      }
      return { taken, refused }
    },
    closes: async () => {
      await gateway.close()
      await eventually(() => expect(upstream.openConnections()).toBe(0))
    },
  }
}

const RELOAD_EVERY_MS = 10

/** Hooks that write down where one of another version comes in. */
function stamped(version: number, hooks: HooksInput = {}, mixes: string[]): HooksInput {
  const check = ({ state, config }: PluginContext, hook: string): undefined => {
    if (state['version'] !== version || config['version'] !== version)
      mixes.push(`${hook} of ${version} behind ${String(state['version'])} with ${String(config['version'])}`)
  }
  return {
    pre: [(_request, { state }) => void (state['version'] = version), ...(hooks.pre ?? [])],
    post: [(_request, context) => check(context, 'post'), ...(hooks.post ?? [])],
    response: [(_response, context) => check(context, 'response'), ...(hooks.response ?? [])],
    analytics: [(_record, context) => check(context, 'analytics'), ...(hooks.analytics ?? [])],
  }
}

const AFTERWARDS: readonly Kind[] = [
  { api: 'open', method: 'GET', bytes: 0 },
  { api: 'open', method: 'POST', bytes: 200 },
  { api: 'keys', method: 'POST', bytes: 65_536, key: 'roomy' },
]

export function isOverQuota({ kind, status }: Sent): boolean {
  return kind.key === 'metered' && status === 403
}

function ofAnswers({ sent, stray }: Load): string[] {
  const problems = stray.map((text) => `stray: ${text}`)
  for (const { id, kind, status, outcome, body, ms } of sent) {
    const own = `${kind.method} /${id} ${kind.bytes}`
    if (outcome === 'hung') problems.push(`${own} hung for ${ms} ms`)
    if (outcome === 'answered' && status === 200 && body !== own) problems.push(`${own} was answered ${body}`)
  }
  return problems
}

function ofRecords({ sent }: Load, { records }: Mounted['gateway']): string[] {
  const problems: string[] = []
  const byId = new Map<number, number[]>()
  for (const { originalUrl, responseCode } of records.list()) {
    const id = idOf(originalUrl)
    byId.set(id, [...(byId.get(id) ?? []), responseCode])
  }
  let unrecorded = 0
  for (const { id, status, outcome } of sent) {
    const codes = byId.get(id) ?? []
    byId.delete(id)
    if (codes.length === 0) unrecorded += 1
    if (codes.length > 1) problems.push(`${id} has ${codes.length} records`)
    // Of an answer that was cut before its head had left the record still says what it was to be.
    const possible = outcome === 'answered' ? [status] : status === 0 ? [499, 200] : [499, status]
    if (codes.length === 1 && !possible.includes(codes[0]!))
      problems.push(`${id} was ${outcome} with ${status}, and its record says ${codes[0]}`)
  }
  if (unrecorded !== records.dropped) problems.push(`${unrecorded} without a record, ${records.dropped} dropped`)
  for (const id of byId.keys()) problems.push(`a record of ${id}, which nobody sent`)
  return problems
}

function ofUpstream({ sent }: Load, { arrived, seen, violations }: FaultyUpstream): string[] {
  const problems = violations.map((violation) => `the upstream met ${violation}`)
  const kinds = new Map(sent.map(({ id, kind }) => [id, kind]))
  const times = new Map<number, number>()
  for (const request of arrived) {
    const [method = '', target = ''] = request.split(' ')
    const id = idOf(target)
    if (kinds.get(id)?.method !== method) problems.push(`the upstream saw ${request}, which nobody sent`)
    times.set(id, (times.get(id) ?? 0) + 1)
  }
  for (const { target, body } of seen) {
    const bytes = kinds.get(idOf(target))?.bytes
    if (body !== 'x'.repeat(bytes ?? 0)) problems.push(`${target} arrived with ${body.length} bytes, not ${bytes}`)
  }
  for (const { id, kind, status, outcome } of sent) {
    const count = times.get(id) ?? 0
    // What is as good twice as once may be sent again, once.
    if (count > (kind.method === 'POST' ? 1 : 2)) problems.push(`${kind.method} /${id} was sent ${count} times`)
    if (count === 0 && outcome === 'answered' && status === 200) problems.push(`${id} was answered by nobody`)
    if (count > 0 && (status === 401 || status === 403)) problems.push(`${id} was refused, and sent`)
  }
  return problems
}

const idOf = (target: string): number => Number(target.slice(target.lastIndexOf('/') + 1))
