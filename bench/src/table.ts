import { median } from './report/numbers.ts'
import type { Result, Workload } from './limits/rounds.ts'

/** Prints medians with the lowest and highest round, and how they compare with the baseline of the same round. */
export function printResults({ name, rounds, trace }: Workload, results: readonly Result[], baseline: string): void {
  const passed = results[0]?.passed ?? 0
  const title = `${name}: ${rounds} rounds of ${trace.length.toLocaleString('en')}, ${passed.toLocaleString('en')} pass`
  const observed = Object.keys(results[0]?.perRequest ?? {})
  const head = ['', 'per second', '(rounds)', `x ${baseline}`, '(rounds)', 'p50 µs', 'p99 µs', ...observed]
  const rows = results.map(({ name: contestant, perSecond, ratios, latencies, perRequest }) => [
    contestant,
    whole(median(perSecond)),
    `${whole(Math.min(...perSecond))} - ${whole(Math.max(...perSecond))}`,
    median(ratios).toFixed(2),
    `${Math.min(...ratios).toFixed(2)} - ${Math.max(...ratios).toFixed(2)}`,
    microseconds(latencies, 0.5),
    microseconds(latencies, 0.99),
    ...observed.map((what) => perRequest[what]!.toFixed(3)),
  ])
  printTable(title, head, rows)
}

/** The first column reads from the left, the others are numbers. */
export function printTable(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  console.log(`\n${bold(title)}`)
  for (const [contestant, ...cells] of all)
    console.log(
      `  ${contestant!.padEnd(widths[0]!)}${cells.map((cell, i) => `  ${cell.padStart(widths[i + 1]!)}`).join('')}`,
    )
}

/** In a terminal. */
function bold(text: string): string {
  return process.stdout.isTTY ? `\u001B[1m${text}\u001B[22m` : text
}

function microseconds(sorted: Float64Array, quantile: number): string {
  return (sorted[Math.floor((sorted.length - 1) * quantile)]! * 1000).toFixed(2)
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}
