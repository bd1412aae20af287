import { progress } from '../progress.ts'

/** Something done many times; what it returns is waited for only where it is a promise. */
export interface Work {
  readonly name: string
  readonly once: () => unknown
}

export interface Costs {
  readonly name: string
  /** Nanoseconds of one time, one of each round. */
  readonly ns: readonly number[]
  /** Allocated each time, about; undefined where nobody has made the garbage collector callable. */
  readonly bytes: number | undefined
}

interface Rounds {
  readonly rounds: number
  readonly sliceMs: number
}

/** All take turns, and another one begins every round: what slows the machine for a while slows them all. */
export async function costsOf(title: string, works: readonly Work[], { rounds, sliceMs }: Rounds): Promise<Costs[]> {
  const times: number[] = []
  for (const work of works) {
    progress(`${title}: warming up ${work.name}`)
    times.push(await timesWithin(work, sliceMs))
  }
  const ns = works.map(() => [] as number[])
  for (let round = 0; round < rounds; round++)
    for (let turn = 0; turn < works.length; turn++) {
      const which = (round + turn) % works.length
      progress(`${title}: round ${round + 1} of ${rounds}, ${works[which]!.name}`)
      globalThis.gc?.()
      ns[which]!.push(((await take(works[which]!, times[which]!)) * 1e6) / times[which]!)
    }
  const costs: Costs[] = []
  for (const [which, work] of works.entries())
    costs.push({ name: work.name, ns: ns[which]!, bytes: await bytesOf(work) })
  progress('')
  return costs
}

/** What differs from time to time is done so often at least, however long that takes. */
const LEAST = 25

/** How often it can be done in about that time, once the compiler has seen it. */
async function timesWithin(work: Work, sliceMs: number): Promise<number> {
  await take(work, 1)
  for (let times = 1; ; times *= 2) {
    const took = await take(work, times)
    if (took >= sliceMs / 2) return Math.max(LEAST, Math.round((times * sliceMs) / took))
  }
}

/** On an object that others can reach, or the compiler could see that nobody wants what was done. */
const kept: { last: unknown } = { last: undefined }

/** Milliseconds. */
async function take({ once }: Work, times: number): Promise<number> {
  const startedAt = performance.now()
  for (let i = 0; i < times; i++) {
    const result = once()
    kept.last = result instanceof Promise ? await result : result
  }
  return performance.now() - startedAt
}

/** What the heap grows by, of the pieces during which nothing was collected. */
async function bytesOf(work: Work): Promise<number | undefined> {
  if (globalThis.gc === undefined) return undefined
  const TIMES = 50
  const grown: number[] = []
  for (let piece = 0; piece < 20; piece++) {
    globalThis.gc()
    const before = process.memoryUsage().heapUsed
    await take(work, TIMES)
    const bytes = process.memoryUsage().heapUsed - before
    if (bytes > 0) grown.push(bytes / TIMES)
  }
  return grown.toSorted((a, b) => a - b)[grown.length >> 1]
}
