import { memoryStore } from '@postern/core'
import type { RateAlgorithm } from '@postern/core/store'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { evenTrace, keyLimits, keyNames } from './key-limits.ts'
import { type Contestant, expectExact, type Limits, measure, type Workload } from './rounds.ts'
import { keepFigures } from '../report/result-files.ts'
import { printResults } from '../table.ts'

/** Decisions of one process about a rate and a quota. */
export async function benchMemory(quick: boolean): Promise<void> {
  const contestants = [
    flexible,
    postern('sliding-window'),
    postern('fixed-window'),
    postern('gcra'),
    awaited(postern('sliding-window')),
  ]
  await expectExact(contestants, 1)
  const costs: { name: string; ns: number[]; bytes: undefined }[] = []
  for (const workload of workloads(quick)) {
    const results = await measure(workload, contestants, flexible)
    printResults(workload, results, flexible.name)
    for (const { name, perSecond } of results)
      costs.push({ name: `${workload.name}: ${name}`, ns: perSecond.map((speed) => 1e9 / speed), bytes: undefined })
  }
  keepFigures('limits', costs, !quick)
}

function workloads(quick: boolean): Workload[] {
  const requests = quick ? 20_000 : 200_000
  const rounds = quick ? 3 : 9
  const wide: Limits = { rate: 1e7, perSeconds: 3600, quota: 1e8, renewalSeconds: 86_400 }
  const workload = (what: string, keys: number, limits = wide): Workload => {
    const trace = evenTrace(Math.max(requests, keys), keys)
    return { name: `memory, ${what}`, limits, keys, trace, warmUp: trace, inFlight: 1, rounds }
  }
  const [some, many] = quick ? [1_000, 10_000] : [10_000, 100_000]
  return [
    workload('one key, all pass', 1),
    workload('one key, all pass, a window of 20 ms', 1, { ...wide, perSeconds: 0.02 }),
    workload('one key, nearly all refused', 1, { ...wide, rate: 100 }),
    workload(`${some.toLocaleString('en')} keys`, some),
    workload(`${many.toLocaleString('en')} keys`, many),
    {
      ...workload(`the first request of ${many.toLocaleString('en')} keys`, many),
      trace: Uint32Array.from({ length: many }, (_, i) => i),
      warmUp: new Uint32Array(),
    },
  ]
}

function postern(algorithm: RateAlgorithm): Contestant {
  return {
    name: `postern, ${algorithm}`,
    open(limits, keys) {
      const store = memoryStore()
      const charges = keyLimits(algorithm, limits, keys)
      return {
        decide(key) {
          const taken = store.take(charges[key]!)
          return taken !== 'changed' && taken.refusedBy === -1
        },
        close: () => store.close(),
      }
    },
  }
}

/** What a caller pays who cannot tell whether the answer is there already. */
function awaited(contestant: Contestant): Contestant {
  return {
    name: `${contestant.name}, awaited`,
    async open(limits, keys) {
      const { decide, close } = await contestant.open(limits, keys)
      return { decide: async (key) => decide(key), close }
    },
  }
}

const flexible: Contestant = {
  name: 'rate-limiter-flexible',
  open(limits, keys) {
    const rate = new RateLimiterMemory({ keyPrefix: 'rate', points: limits.rate, duration: limits.perSeconds })
    const quota = new RateLimiterMemory({ keyPrefix: 'quota', points: limits.quota, duration: limits.renewalSeconds })
    const names = keyNames(keys)
    return {
      async decide(key) {
        try {
          await rate.consume(names[key]!)
          await quota.consume(names[key]!)
          return true
        } catch (refusal) {
          if (refusal instanceof RateLimiterRes) return false
          throw refusal
        }
      },
      async close() {
        // Each name has a timer that would keep it for its whole period.
        for (const name of names) await Promise.all([rate.delete(name), quota.delete(name)])
      },
    }
  },
}
