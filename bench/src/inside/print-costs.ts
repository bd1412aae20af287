import { median, ratios, spread } from '../report/numbers.ts'
import { printTable } from '../table.ts'
import type { Costs } from './costs.ts'

/** Prints nanoseconds beside those of a baseline in the same round. */
export function printCosts(title: string, costs: readonly Costs[], baseline: string): void {
  const base = costs.find(({ name }) => name === baseline)
  const rows = costs.map(({ name, ns, bytes }) => {
    const { low, high } = spread(ns)
    const ratio = base === undefined ? undefined : ratios(ns, base.ns)
    return [
      name,
      digits(median(ns)),
      `${digits(low)} - ${digits(high)}`,
      ratio?.median.toFixed(2) ?? '',
      ratio === undefined ? '' : `${ratio.low.toFixed(2)} - ${ratio.high.toFixed(2)}`,
      bytes === undefined ? '' : Math.round(bytes).toLocaleString('en'),
    ]
  })
  printTable(title, ['', 'ns', '(rounds)', `x ${baseline}`, '(rounds)', 'bytes, about'], rows)
}

function digits(ns: number): string {
  return ns < 100 ? ns.toFixed(1) : Math.round(ns).toLocaleString('en')
}
