import { defineApi, memoryStore, type PrePlugin } from '@postern/core'
import { createCore, type HostCall } from '@postern/core/host'
import { progress } from '../progress.ts'
import { keepFigures } from '../report/result-files.ts'
import { printTable } from '../table.ts'
import { answersAtOnce, askCore, callTo, chainOf } from './chain.ts'
import { type Costs, costsOf, type Work } from './costs.ts'
import { printCosts } from './print-costs.ts'

const passes: PrePlugin = () => undefined

/** How the cost of one request grows with what a gateway has of everything. */
export async function benchGrowth({ quick }: { readonly quick: boolean }): Promise<void> {
  const series: readonly (readonly [string, readonly number[], (count: number) => Work | Promise<Work>])[] = [
    ['APIs', [1, 10, 100, 1_000], amongApis],
    ['endpoints', [1, 100, 1_000, 10_000], amongEndpoints],
    [
      'plugins',
      [0, 1, 10, 100],
      (count) =>
        chainOf(
          '',
          Array.from({ length: count }, () => passes),
        ),
    ],
    ['keys', quick ? [1, 1_000, 10_000] : [1, 1_000, 100_000, 1_000_000], amongKeys],
  ]
  const all: Costs[] = []
  for (const [what, counts, workFor] of series) {
    const works: Work[] = []
    for (const count of counts) {
      progress(`making ${count.toLocaleString('en')} ${what}`)
      works.push({ ...(await workFor(count)), name: `${count.toLocaleString('en')} ${what}` })
    }
    const costs = await costsOf(what, works, { rounds: quick ? 3 : 7, sliceMs: quick ? 30 : 100 })
    printCosts(`one request, by number of ${what}`, costs, works[0]!.name)
    all.push(...costs)
  }
  await printEviction(quick)
  keepFigures('growth', all, !quick)
}

function amongApis(count: number): Work {
  const apis = Array.from({ length: count }, (_, i) =>
    defineApi({ name: `api${i}`, listenPath: `/api${i}/`, upstream: 'http://127.0.0.1:9' }),
  )
  const core = createCore(apis, { forward: answersAtOnce })
  const calls = inAnyOrder(apis.map((_, i) => callTo(`/api${i}/stock/7`)))
  return { name: '', once: () => askCore(core, calls()) }
}

function amongEndpoints(count: number): Work {
  const endpoints = Object.fromEntries(Array.from({ length: count }, (_, i) => [`GET /things${i}/:id`, [passes]]))
  const core = createCore(defineApi({ name: 'a', upstream: 'http://127.0.0.1:9', endpoints }), {
    forward: answersAtOnce,
  })
  const calls = inAnyOrder(Array.from({ length: count }, (_, i) => callTo(`/things${i}/7`)))
  return { name: '', once: () => askCore(core, calls()) }
}

/** Each with a rate and a quota, and all of them in use. */
async function amongKeys(count: number): Promise<Work> {
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
  if (count >= 1_000)
    console.log(
      `\n${count.toLocaleString('en')} sessions: ${Math.round(bytes)} bytes each, names of this bench among them`,
    )
  const calls = inAnyOrder(names.map((name) => callTo('/stock/7', ['Host', 'localhost', 'Authorization', name])))
  return { name: '', once: () => askCore(core, calls()) }
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

function inAnyOrder(calls: readonly HostCall[]): () => HostCall {
  let next = 0
  return () => {
    next = (next + 7_919) % calls.length
    return calls[next]!
  }
}
