import { median } from './report/numbers.ts'

export interface Cost {
  readonly wallMs: number
  /** Of the process: another one that is busy does not show in it. */
  readonly cpuMs: number
}

interface Row {
  readonly name: string
  /** One of each round. */
  readonly took: readonly Cost[]
  readonly note: string
}

/** Prints medians of what each took of what the first one took in the same round, with the lowest and the highest. */
export function printShares(title: string, rows: readonly Row[]): void {
  const [first] = rows
  console.log(`\n${title}`)
  for (const { name, took, note } of rows) {
    const cells = (['wallMs', 'cpuMs'] as const).map((what) => {
      const shares = took.map((cost, round) => cost[what] / first!.took[round]![what]).toSorted((a, b) => a - b)
      const [lowest, highest] = [shares[0]!, shares.at(-1)!].map((share) => share.toFixed(2))
      return `${what} x ${median(shares).toFixed(3)} (${lowest} - ${highest})`
    })
    console.log(`  ${name.padEnd(24)}  ${cells.join('  ')}  ${note}`)
  }
}
