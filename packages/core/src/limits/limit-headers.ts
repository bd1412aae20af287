import type { Charge, Standing, Taken } from './charge.ts'

/** Which headers tell a client where it stands: the IETF's `RateLimit` and `RateLimit-Policy`, `X-RateLimit-*`, both or none. */
export type LimitHeaders = 'both' | 'ietf' | 'x-ratelimit' | 'none'

/** Name and value. */
export type LimitHeader = readonly [name: string, value: string]

const NO_HEADERS: readonly LimitHeader[] = Object.freeze([])

/** The largest integer a structured field can say (RFC 9651). */
const LARGEST_INTEGER = 999_999_999_999_999

/**
 * What the answer to a request tells about its limits. `nowMs` is Unix time. `X-RateLimit-*` have room for one limit: the
 * one that refused, else the one with the fewest requests left. `Retry-After` comes with every refusal that time can mend,
 * whatever headers are chosen.
 */
export function limitHeaders(
  charges: readonly Charge[],
  taken: Taken,
  which: LimitHeaders,
  nowMs: number,
): readonly LimitHeader[] {
  const { refusedBy, standings } = taken
  if (charges.length === 0 || (which === 'none' && refusedBy === -1)) return NO_HEADERS
  const headers: LimitHeader[] = []
  if (which === 'both' || which === 'ietf') {
    // The names and the syntax of draft-ietf-httpapi-ratelimit-headers, 08 and later.
    headers.push(['RateLimit-Policy', policyText(charges)])
    headers.push(['RateLimit', limitText(charges, standings)])
  }
  if (which === 'both' || which === 'x-ratelimit') {
    const tightest = refusedBy === -1 ? fewestRemaining(standings) : refusedBy
    const { remaining, resetMs } = standings[tightest]!
    headers.push(['X-RateLimit-Limit', integer(charges[tightest]!.max)])
    headers.push(['X-RateLimit-Remaining', integer(remaining)])
    headers.push(['X-RateLimit-Reset', Number.isFinite(resetMs) ? wholeSeconds(nowMs + resetMs) : '0'])
  }
  if (refusedBy !== -1) {
    const waitMs = untilAllPass(standings)
    if (Number.isFinite(waitMs)) headers.push(['Retry-After', wholeSeconds(Math.max(1000, waitMs))])
  }
  return headers.length === 0 ? NO_HEADERS : headers
}

/** Charges of a stored session are one array as long as it is stored, and their policies never change. */
const policies = new WeakMap<readonly Charge[], string>()

function policyText(charges: readonly Charge[]): string {
  let text = policies.get(charges)
  if (text === undefined) {
    text = charges.map(policyItem).join(', ')
    policies.set(charges, text)
  }
  return text
}

function limitText(charges: readonly Charge[], standings: readonly Standing[]): string {
  let text = limitItem(charges[0]!, standings[0]!)
  for (let i = 1; i < charges.length; i += 1) text += `, ${limitItem(charges[i]!, standings[i]!)}`
  return text
}

function policyItem(charge: Charge): string {
  const window = Number.isFinite(charge.periodMs) ? `;w=${wholeSeconds(charge.periodMs)}` : ''
  return `"${policyName(charge)}";q=${integer(charge.max)}${window}`
}

function limitItem(charge: Charge, { remaining, resetMs }: Standing): string {
  const window = Number.isFinite(resetMs) ? `;t=${wholeSeconds(resetMs)}` : ''
  return `"${policyName(charge)}";r=${integer(remaining)}${window}`
}

function policyName({ kind, subject, endpoint }: Charge): string {
  if (kind === 'quota') return 'quota'
  const owner = subject.startsWith('api:') ? 'api' : 'key'
  return endpoint === '' ? owner : `${owner}-endpoint`
}

function fewestRemaining(standings: readonly Standing[]): number {
  let fewest = 0
  for (let i = 1; i < standings.length; i += 1) if (standings[i]!.remaining < standings[fewest]!.remaining) fewest = i
  return fewest
}

/** Milliseconds: behind the limit that refused others may be used up as well. */
function untilAllPass(standings: readonly Standing[]): number {
  return standings.reduce((wait, { remaining, resetMs }) => (remaining < 1 ? Math.max(wait, resetMs) : wait), 0)
}

function wholeSeconds(ms: number): string {
  return integer(Math.ceil(ms / 1000))
}

function integer(value: number): string {
  return String(Math.min(Math.max(0, Math.floor(value)), LARGEST_INTEGER))
}
