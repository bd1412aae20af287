export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Numbers of rounds: the one in the middle, the lowest and the highest. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) }
}

/** Of each round what one is of the other: what slowed the machine for a while slowed both. */
export function ratios(ones: readonly number[], others: readonly number[]): Spread {
  return spread(ones.slice(0, others.length).map((one, round) => one / others[round]!))
}
