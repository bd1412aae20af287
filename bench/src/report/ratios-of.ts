import { median, ratios, type Spread } from './numbers.ts'
import type { HttpResults, Slice } from './results.ts'

/** What all others are told as a multiple of: the library most people proxy with, with a keep-alive agent. */
export const BASELINE = 'http-proxy-3'

type What = 'perSecond' | 'cpuMicros' | 'p50' | 'p99'

function roundsOf({ slices }: HttpResults, workload: string, contestant: string, what: What): readonly number[] {
  return (slices[workload]?.[contestant] ?? []).map((slice: Slice) => slice[what])
}

/** Of the same rounds; undefined where one of the two was not measured. */
export function ratioOf(
  results: HttpResults,
  workload: string,
  contestant: string,
  other = BASELINE,
  what: What = 'perSecond',
): Spread | undefined {
  const ones = roundsOf(results, workload, contestant, what)
  const others = roundsOf(results, workload, other, what)
  return ones.length === 0 || others.length === 0 ? undefined : ratios(ones, others)
}

export function atRate(
  { atRate: all }: HttpResults,
  contestant: string,
  what: 'p50' | 'p90' | 'p99',
): number | undefined {
  const slices = all[contestant]
  return slices === undefined ? undefined : median(slices.map((slice) => slice[what]))
}

/** The most it held after any slice of these workloads. */
export function underLoadMb({ memory }: HttpResults, contestant: string): number | undefined {
  const all = Object.entries(memory[contestant]?.underLoadMb ?? {}).filter(([name]) => !name.startsWith('connections'))
  return all.length === 0 ? undefined : Math.max(...all.map(([, megabytes]) => megabytes))
}
