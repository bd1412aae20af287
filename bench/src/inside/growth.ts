import { getHeapStatistics } from 'node:v8'
import { defineApi, memoryStore, type PrePlugin } from '@postern/core'
import { createCore } from '@postern/core/host'
import { progress } from '../progress.ts'
import { keepFigures } from '../report/result-files.ts'
import { printTable } from '../table.ts'
import { callTo } from './call-to.ts'
import { answersAtOnce, askCore, chainOf } from './chain.ts'
import { type Costs, costsOf, type Work } from './costs.ts'
import { printCosts } from './print-costs.ts'

const passes: PrePlugin = () => undefined

/** How the cost of one request grows with what a gateway has of everything. */
export async function benchGrowth({ quick }: { readonly quick: boolean }): Promise<void> {
  const rounds = quick ? { rounds: 3, sliceMs: 30 } : { rounds: 7, sliceMs: 100 }
  const ofPlugins = (count: number): Work =>
    chainOf(
      '',
      Array.from({ length: count }, () => passes),
    )
  const series: readonly (readonly [string, readonly number[], (count: number) => Work])[] = [
    ['APIs', [1, 10, 100, 1_000], amongApis],
    ['endpoints', [1, 100, 1_000, 10_000], amongEndpoints],
    ['plugins', [0, 1, 10, 100], ofPlugins],
  ]
  const all: Costs[] = []
  const told = (what: string, costs: readonly Costs[]): void => {
    printCosts(`one request, by number of ${what}`, costs, costs[0]!.name)
    all.push(...costs)
  }
  for (const [what, counts, workFor] of series)
    told(
      what,
      await costsOf(
        what,
        counts.map((count) => named(workFor(count), count, what)),
        rounds,
      ),
    )
  const ofKeys: Costs[] = []
  const sessions: Costs[] = []
  // One after the other: a heap of a million sessions slows the collector down for everybody.
  for (const count of quick ? [1, 1_000, 10_000] : [1, 1_000, 100_000, ...(hasRoomForAMillion() ? [1_000_000] : [])]) {
    progress(`making ${count.toLocaleString('en')} keys`)
    const { work, bytes } = await amongKeys(count)
    ofKeys.push(...(await costsOf('keys', [named(work, count, 'keys')], rounds)))
    if (count > 1) sessions.push({ name: `a session, of ${count.toLocaleString('en')}`, ns: [], bytes })
  }
  told('keys', ofKeys)
  const title = 'memory of a session, with its name in this bench'
  printTable(
    title,
    ['', 'bytes'],
    sessions.map(({ name, bytes }) => [name, Math.round(bytes ?? 0).toLocaleString('en')]),
  )
  await printEviction(quick)
  keepFigures('growth', [...all, ...sessions], !quick)
}

function named(work: Work, count: number, what: string): Work {
  return { ...work, name: `${count.toLocaleString('en')} ${what}` }
}

/** Of sessions, each with its two counters. */
function hasRoomForAMillion(): boolean {
  return getHeapStatistics().heap_size_limit > 3_500_000_000
}

function amongApis(count: number): Work {
  const apis = Array.from({ length: count }, (_, i) =>
    defineApi({ name: `api${i}`, listenPath: `/api${i}/`, upstream: 'http://127.0.0.1:9' }),
  )
  const core = createCore(apis, { forward: answersAtOnce })
  const next = inAnyOrder(apis.map((_, i) => `/api${i}/stock/7`))
  return { name: '', once: () => askCore(core, callTo(next())) }
}

function amongEndpoints(count: number): Work {
  const endpoints = Object.fromEntries(Array.from({ length: count }, (_, i) => [`GET /things${i}/:id`, [passes]]))
  const core = createCore(defineApi({ name: 'a', upstream: 'http://127.0.0.1:9', endpoints }), {
    forward: answersAtOnce,
  })
  const next = inAnyOrder(Array.from({ length: count }, (_, i) => `/things${i}/7`))
  return { name: '', once: () => askCore(core, callTo(next())) }
}

/** Each with a rate and a quota, and all of them in use. */
async function amongKeys(count: number): Promise<{ readonly work: Work; readonly bytes: number }> {
  const store = memoryStore({ sessionCapacity: count, counterCapacity: count * 2 })
  const core = createCore(
    defineApi({ name: 'orders', upstream: 'http://127.0.0.1:9', authentication: { token: true } }),
    { forward: answersAtOnce, store },
  )
  const session = { rate: 1e6, per: 60, quotaMax: 1e9, quotaRenewalRate: 86_400, accessRights: { orders: {} } }
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const names: string[] = []
  for (let i = 0; i < count; i++) {
    const name = `bench-key-${i.toString(36).padStart(6, '0')}`
    await core.facade.sessions.create(session, { key: name })
    names.push(name)
  }
  globalThis.gc?.()
  const bytes = (process.memoryUsage().heapUsed - before) / count
  const next = inAnyOrder(names)
  const once = (): unknown => askCore(core, callTo('/stock/7', next()))
  return { work: { name: '', once }, bytes }
}

/** The store is full: each session that comes makes another one go. */
async function printEviction(quick: boolean): Promise<void> {
  const capacity = quick ? 1_000 : 100_000
  const rows: string[][] = []
  const store = memoryStore({ sessionCapacity: capacity })
  const core = createCore(defineApi({ name: 'orders', authentication: { token: true } }), { store })
  let made = 0
  for (const what of ['while there is room', 'when it is full']) {
    progress(`making ${capacity.toLocaleString('en')} sessions ${what}`)
    const startedAt = performance.now()
    for (let i = 0; i < capacity; i++) {
      await core.facade.sessions.create({ accessRights: { orders: {} } }, { key: `bench-key-${made}` })
      made += 1
    }
    const micros = ((performance.now() - startedAt) * 1_000) / capacity
    rows.push([what, micros.toFixed(1), store.evicted.sessions.toLocaleString('en')])
  }
  progress('')
  printTable(`a session more, capacity ${capacity.toLocaleString('en')}`, ['', 'µs each', 'evicted'], rows)
  await core.facade.close()
}

function inAnyOrder(values: readonly string[]): () => string {
  let next = 0
  return () => {
    next = (next + 7_919) % values.length
    return values[next]!
  }
}
