import { setImmediate as turn } from 'node:timers/promises'
import { progress } from '../progress.ts'

/** What decides whether a request passes; keys are numbered from 0. */
export interface Limiter {
  readonly decide: (key: number) => boolean | Promise<boolean>
  readonly close: () => void | Promise<void>
}

export interface Contestant {
  readonly name: string
  /** A new one that has counted nothing, for keys below `keys`. */
  open(limits: Limits, keys: number): Limiter | Promise<Limiter>
}

/** Of each key. */
export interface Limits {
  /** Requests per `perSeconds`. */
  readonly rate: number
  readonly perSeconds: number
  /** Requests per `renewalSeconds`. */
  readonly quota: number
  readonly renewalSeconds: number
}

/** The same requests for every contestant. */
export interface Workload {
  readonly name: string
  readonly limits: Limits
  readonly keys: number
  /** The key of each request. */
  readonly trace: Uint32Array
  /** Replayed before the clock starts; empty: the first request of every key is measured, too. */
  readonly warmUp: Uint32Array
  readonly inFlight: number
  readonly rounds: number
}

/** Totals that grow with every request, such as a server's: told per request. */
export type Totals = Readonly<Record<string, number>>

export interface Result {
  readonly name: string
  /** Requests per second, one of each round. */
  readonly perSecond: readonly number[]
  /** How many times as fast as the baseline in the same round. */
  readonly ratios: readonly number[]
  /** Milliseconds, sorted; of a round of its own, so that looking at the clock slows no other. */
  readonly latencies: Float64Array
  /** Of that round. */
  readonly passed: number
  readonly perRequest: Totals
}

/**
 * Contestants take turns, and another one begins every round: what slows the machine for a while slows them all. Throws when
 * one lets more requests pass than another.
 */
export async function measure(
  workload: Workload,
  contestants: readonly Contestant[],
  baseline: Contestant,
  totals: () => Promise<Totals> = () => Promise.resolve({}),
): Promise<Result[]> {
  const { rounds, trace } = workload
  const perSecond = new Map(contestants.map((contestant) => [contestant, [] as number[]]))
  for (let round = 0; round < rounds; round++) {
    for (let turnOf = 0; turnOf < contestants.length; turnOf++) {
      const contestant = contestants[(round + turnOf) % contestants.length]!
      progress(`${workload.name}: round ${round + 1} of ${rounds}, ${contestant.name}`)
      const limiter = await warm(contestant, workload)
      const startedAt = performance.now()
      await replay(limiter, trace, workload.inFlight)
      perSecond.get(contestant)!.push((trace.length * 1000) / (performance.now() - startedAt))
      await limiter.close()
    }
  }
  const results: Result[] = []
  for (const contestant of contestants) {
    progress(`${workload.name}: latency, ${contestant.name}`)
    const limiter = await warm(contestant, workload)
    const before = await totals()
    const latencies = new Float64Array(trace.length)
    const passed = await replay(limiter, trace, workload.inFlight, latencies)
    const after = await totals()
    await limiter.close()
    const own = perSecond.get(contestant)!
    results.push({
      name: contestant.name,
      perSecond: own,
      ratios: own.map((speed, round) => speed / perSecond.get(baseline)![round]!),
      latencies: latencies.toSorted(),
      passed,
      perRequest: Object.fromEntries(
        Object.entries(after).map(([name, total]) => [name, (total - before[name]!) / trace.length]),
      ),
    })
  }
  progress('')
  const [first] = results
  for (const { name, passed } of results)
    if (passed !== first?.passed)
      throw new Error(`${workload.name}: ${passed} pass ${name}, but ${first?.passed} pass ${first?.name}`)
  return results
}

/** Throws unless exactly as many requests of one key pass as the tighter limit says, whichever of the two that is. */
export async function expectExact(contestants: readonly Contestant[], inFlight: number): Promise<void> {
  const [few, many] = [300, 700]
  for (const contestant of contestants)
    for (const [rate, quota] of [
      [few, many],
      [many, few],
    ] as const) {
      progress(`checking that ${few} of 1,000 pass: ${contestant.name}`)
      const limiter = await contestant.open({ rate, perSeconds: 3600, quota, renewalSeconds: 86_400 }, 1)
      const passed = await replay(limiter, new Uint32Array(1000), inFlight)
      await limiter.close()
      if (passed !== few)
        throw new Error(`${contestant.name}: ${passed} of 1,000 passed; expected ${few} (rate ${rate}, quota ${quota})`)
    }
  progress('')
}

async function warm(contestant: Contestant, { limits, keys, warmUp, inFlight }: Workload): Promise<Limiter> {
  const limiter = await contestant.open(limits, keys)
  await replay(limiter, warmUp, inFlight)
  // Timers and sockets of the one before get their turn now, and its garbage goes.
  await turn()
  globalThis.gc?.()
  return limiter
}

/** Asks for every request of the trace, `inFlight` at a time; returns how many passed. */
async function replay(
  limiter: Limiter,
  trace: Uint32Array,
  inFlight: number,
  latencies?: Float64Array,
): Promise<number> {
  let next = 0
  let passed = 0
  const ask = async (): Promise<void> => {
    while (next < trace.length) {
      const i = next++
      const startedAt = latencies === undefined ? 0 : performance.now()
      const decision = limiter.decide(trace[i]!)
      if (typeof decision === 'boolean' ? decision : await decision) passed += 1
      if (latencies !== undefined) latencies[i] = performance.now() - startedAt
    }
  }
  await Promise.all(Array.from({ length: inFlight }, ask))
  return passed
}
