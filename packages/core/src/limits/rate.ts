import type { Charge, RateAlgorithm } from './charge.ts'

type RateName = Pick<Charge, 'subject' | 'scope' | 'endpoint'>
type QuotaName = Pick<Charge, 'subject' | 'scope'>

/**
 * Never more than `rate` requests in any `per` seconds; both may be fractions. Above 1 a fraction of `rate` is cut off (2.5
 * counts as 2); below 1 the period is stretched instead: 0.5 per second is 1 in 2 seconds. A rate of 0 lets nothing pass:
 * who means "no limit" makes no charge.
 */
export function rateCharge(
  { rate, per }: { readonly rate: number; readonly per: number },
  algorithm: RateAlgorithm,
  { subject, scope, endpoint }: RateName,
): Charge {
  const stretch = rate > 0 && rate < 1 ? 1 / rate : 1
  const max = stretch > 1 ? 1 : wholeRequests(rate)
  return Object.freeze({ kind: algorithm, subject, scope, endpoint, max, periodMs: milliseconds(per * stretch) })
}

/** Never more than `max` requests in `renewalSeconds`, counted from the first; with 0, below, or `Infinity` it never renews. */
export function quotaCharge(
  { max, renewalSeconds }: { readonly max: number; readonly renewalSeconds: number },
  { subject, scope }: QuotaName,
): Charge {
  const renews = renewalSeconds > 0 && Number.isFinite(renewalSeconds)
  const periodMs = renews ? milliseconds(renewalSeconds) : Infinity
  return Object.freeze({ kind: 'quota', subject, scope, endpoint: '', max: wholeRequests(max), periodMs })
}

function wholeRequests(count: number): number {
  return Math.max(0, Math.floor(count))
}

/** Whole milliseconds, rounded up so that no limit gets wider; 1.1 s is 1100 ms although 1.1 * 1000 is a little more. */
function milliseconds(seconds: number): number {
  return Math.min(LONGEST_MS, Math.max(1, Math.ceil(seconds * 1000 - 1e-6)))
}

/** A hundred years: more is no period any store could keep. */
const LONGEST_MS = 3_155_760_000_000
