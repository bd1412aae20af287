const UNITS = { ms: 1, s: 1_000, m: 60_000, '': 1_000 } as const

/** `stopOnSignals` takes no more: Node's timers hold little above. */
const MOST_MS = 2_147_000_000

/** `10s`, `500ms`, `2m`, or seconds; undefined for anything else. */
export function milliseconds(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|)$/.exec(text) ?? []
  if (number === undefined || unit === undefined) return undefined
  const value = Math.round(Number(number) * UNITS[unit as keyof typeof UNITS])
  return value <= MOST_MS ? value : undefined
}
