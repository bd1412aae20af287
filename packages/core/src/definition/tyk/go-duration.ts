const PART = /(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|μs|ns)/g
const DURATION = new RegExp(`^(?:${PART.source})+$`)

const SECONDS: Readonly<Record<string, number>> = {
  h: 3_600,
  m: 60,
  s: 1,
  ms: 1e-3,
  us: 1e-6,
  µs: 1e-6,
  μs: 1e-6,
  ns: 1e-9,
}

/** Seconds of a duration as Go writes it, `1h30m`; undefined for what is none. */
export function parseGoDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!DURATION.test(text)) return undefined
  return [...text.matchAll(PART)].reduce((sum, [, count, unit]) => sum + Number(count) * SECONDS[unit!]!, 0)
}
