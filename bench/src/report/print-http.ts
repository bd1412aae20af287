import { printTable } from '../table.ts'
import { WORKLOADS, type WorkloadName } from '../http/workloads.ts'
import { median, spread, type Spread } from './numbers.ts'
import { BASELINE, ratioOf } from './ratios-of.ts'
import type { HttpResults, RateSlice, Slice } from './results.ts'

export function printHttp(results: HttpResults): void {
  for (const [name, slices] of Object.entries(results.slices)) printSlices(results, name as WorkloadName, slices)
  printAtRate(results)
  printMemory(results)
}

function printSlices(
  results: HttpResults,
  name: WorkloadName,
  slices: Readonly<Record<string, readonly Slice[]>>,
): void {
  const { labels, method, memory } = results
  const head = [
    '',
    'per second',
    '(rounds)',
    `x ${BASELINE}`,
    '(rounds)',
    'CPU µs',
    'p50 ms',
    'p99 ms',
    'RSS MB',
    'failed',
  ]
  const rows = Object.entries(slices).map(([contestant, own]) => {
    const speed = spread(own.map(({ perSecond }) => perSecond))
    const ratio = ratioOf(results, name, contestant)
    return [
      labels[contestant] ?? contestant,
      whole(speed.median),
      `${whole(speed.low)} - ${whole(speed.high)}`,
      ratio?.median.toFixed(2) ?? '',
      ratio === undefined ? '' : range(ratio),
      median(own.map(({ cpuMicros }) => cpuMicros)).toFixed(1),
      median(own.map(({ p50 }) => p50)).toFixed(2),
      median(own.map(({ p99 }) => p99)).toFixed(2),
      memory[contestant]?.underLoadMb[name]?.toFixed(0) ?? '',
      failures(own),
    ]
  })
  const { title, connections } = WORKLOADS[name]
  printTable(`${title}: ${connections} connections, ${method.rounds} rounds of ${method.seconds} s or more`, head, rows)
}

function printAtRate({ atRate, labels, method: { rate } }: HttpResults): void {
  if (rate === undefined) return
  const rows = Object.entries(atRate).map(([contestant, own]) => [
    labels[contestant] ?? contestant,
    medianOf(own, 'p50'),
    medianOf(own, 'p90'),
    medianOf(own, 'p99'),
    medianOf(own, 'sentLate99'),
    failures(own),
  ])
  const title = `small GET at ${whole(rate)} a second, open loop: milliseconds from when a request was due`
  printTable(title, ['', 'p50', 'p90', 'p99', 'load late p99', 'failed'], rows)
}

function printMemory({ memory, labels }: HttpResults): void {
  const rows = Object.entries(memory)
    .filter(([, { startMs }]) => startMs.length > 0)
    .map(([contestant, { startMs, idleMb }]) => [
      labels[contestant] ?? contestant,
      median(startMs).toFixed(0),
      range(spread(startMs), 0),
      idleMb.toFixed(0),
    ])
  if (rows.length > 0) printTable('start-up', ['', 'first answer ms', '(rounds)', 'idle RSS MB'], rows)
}

function medianOf(slices: readonly RateSlice[], which: 'p50' | 'p90' | 'p99' | 'sentLate99'): string {
  return median(slices.map((slice) => slice[which])).toFixed(2)
}

function failures(slices: readonly { readonly failed: number }[]): string {
  const failed = slices.reduce((sum, slice) => sum + slice.failed, 0)
  return failed === 0 ? '' : String(failed)
}

function range({ low, high }: Spread, digits = 2): string {
  return `${low.toFixed(digits)} - ${high.toFixed(digits)}`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}
