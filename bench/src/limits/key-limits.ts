import type { Charge, RateAlgorithm } from '@postern/core/store'
import type { Limits } from './rounds.ts'

/** A rate and a quota for each key, made once, as the chain makes them for a stored session. */
export function keyLimits(algorithm: RateAlgorithm, limits: Limits, keys: number): readonly (readonly Charge[])[] {
  return keyNames(keys).map((subject) => {
    const name = { subject, scope: '', endpoint: '' }
    return [
      Object.freeze({ kind: algorithm, ...name, max: limits.rate, periodMs: limits.perSeconds * 1000 }),
      Object.freeze({ kind: 'quota', ...name, max: limits.quota, periodMs: limits.renewalSeconds * 1000 }),
    ]
  })
}

/** As long as the ids of sessions are. */
export function keyNames(keys: number): readonly string[] {
  return Array.from({ length: keys }, (_, i) => i.toString(16).padStart(64, '0'))
}

/** Which key each request is from: all equally often, in an order that is the same in every run. */
export function evenTrace(requests: number, keys: number): Uint32Array {
  let state = 1
  return Uint32Array.from({ length: requests }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * keys)
  })
}
