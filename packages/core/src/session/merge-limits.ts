import type { EndpointLimit, LimitFields } from './access-right.ts'
import { windowSeconds } from './effective-limits.ts'

/** What policies, access rights and sessions all say about limits; 0 says nothing, below 0 means no limit. */
export type Limits = Omit<LimitFields, 'extra'>

/** What can be limited apart from the rest. */
export interface Aspects {
  readonly rate: boolean
  readonly quota: boolean
  readonly complexity: boolean
}

/** The limits of some aspects; the others say nothing. */
export function limitsIn(from: Limits, aspects: Aspects): Limits {
  return {
    rate: aspects.rate ? from.rate : 0,
    per: aspects.rate ? from.per : 0,
    smoothing: aspects.rate ? from.smoothing : undefined,
    throttleInterval: aspects.rate ? from.throttleInterval : 0,
    throttleRetryLimit: aspects.rate ? from.throttleRetryLimit : 0,
    quotaMax: aspects.quota ? from.quotaMax : 0,
    quotaRenewalRate: aspects.quota ? from.quotaRenewalRate : 0,
    maxQueryDepth: aspects.complexity ? from.maxQueryDepth : 0,
  }
}

export const NO_LIMITS: Limits = Object.freeze({
  rate: 0,
  per: 0,
  smoothing: undefined,
  throttleInterval: 0,
  throttleRetryLimit: 0,
  quotaMax: 0,
  quotaRenewalRate: 0,
  maxQueryDepth: 0,
})

/** The more generous of two, aspect by aspect. Rate and quota are each taken whole: together they would be what nobody wrote. */
export function moreGenerous(one: Limits, other: Limits): Limits {
  const { rate, per, smoothing } = hasHigherRate(other, one) ? other : one
  const { quotaMax, quotaRenewalRate } = hasHigherQuota(other, one) ? other : one
  return {
    rate,
    per,
    smoothing,
    ...longerThrottle(one, other),
    quotaMax,
    quotaRenewalRate,
    maxQueryDepth: ceiling(other.maxQueryDepth) > ceiling(one.maxQueryDepth) ? other.maxQueryDepth : one.maxQueryDepth,
  }
}

/** Whether `one` has a higher rate or a higher quota than `other`. */
export function isMoreGenerous(one: Limits, other: Limits): boolean {
  return hasHigherRate(one, other) || hasHigherQuota(one, other)
}

/** `limits`, and `rest` where they say nothing. */
export function completedBy(limits: Limits, rest: Limits): Limits {
  const { rate, per, smoothing } = limits.rate === 0 ? rest : limits
  const { quotaMax, quotaRenewalRate } = limits.quotaMax === 0 ? rest : limits
  const { throttleInterval, throttleRetryLimit } = speaksOfThrottle(limits) ? limits : rest
  const { maxQueryDepth } = limits.maxQueryDepth === 0 ? rest : limits
  return { rate, per, smoothing, throttleInterval, throttleRetryLimit, quotaMax, quotaRenewalRate, maxQueryDepth }
}

/** `limits` without what `root` says in the same words. */
export function apartFrom(root: Limits, limits: Limits): Limits {
  const kept = limitsIn(limits, {
    rate: limits.rate !== root.rate || limits.per !== root.per,
    quota: limits.quotaMax !== root.quotaMax || limits.quotaRenewalRate !== root.quotaRenewalRate,
    complexity: limits.maxQueryDepth !== root.maxQueryDepth,
  })
  const sameThrottle =
    limits.throttleInterval === root.throttleInterval && limits.throttleRetryLimit === root.throttleRetryLimit
  const { throttleInterval, throttleRetryLimit } = sameThrottle ? NO_LIMITS : limits
  return { ...kept, throttleInterval, throttleRetryLimit }
}

export function saysNothing(limits: Limits): boolean {
  return limits.rate === 0 && limits.quotaMax === 0 && limits.maxQueryDepth === 0 && !speaksOfThrottle(limits)
}

/** Every endpoint of both, in order; the higher rate where both have one, and for endpoints 0 is no limit, too. */
export function mergeEndpoints(
  one: readonly EndpointLimit[],
  other: readonly EndpointLimit[],
): readonly EndpointLimit[] {
  if (one.length === 0) return other
  if (other.length === 0) return one
  const merged = new Map<string, EndpointLimit>()
  for (const endpoint of [...one, ...other]) {
    for (const method of endpoint.methods) {
      const key = `${method.name.toUpperCase()} ${endpoint.path}`
      const known = merged.get(key)?.methods[0]
      if (known === undefined || isDenser(method.limit, known.limit))
        merged.set(key, { ...endpoint, methods: [method] })
    }
  }
  return [...merged.values()]
}

function hasHigherRate(one: Limits, other: Limits): boolean {
  if (one.rate === 0 || other.rate === 0) return one.rate !== 0
  return isDenser(one, other)
}

interface Rate {
  readonly rate: number
  readonly per: number
}

/** Less time between two requests; in the same time, room for more of them at once. */
function isDenser(one: Rate, other: Rate): boolean {
  const difference = gap(one) - gap(other)
  return difference === 0 ? gap(one) > 0 && one.rate > other.rate : difference < 0
}

function gap({ rate, per }: Rate): number {
  return rate <= 0 ? 0 : windowSeconds(per) / rate
}

function hasHigherQuota(one: Limits, other: Limits): boolean {
  const [mine, theirs] = [ceiling(one.quotaMax), ceiling(other.quotaMax)]
  return mine === theirs ? mine > 0 && period(one) < period(other) : mine > theirs
}

/** For comparing only: below 0 is no limit, and 0, which says nothing, the least of all. */
function ceiling(max: number): number {
  return max < 0 ? Infinity : max
}

function period({ quotaRenewalRate }: Limits): number {
  return quotaRenewalRate > 0 ? quotaRenewalRate : Infinity
}

type ThrottleLimits = Pick<Limits, 'throttleInterval' | 'throttleRetryLimit'>

function longerThrottle(one: Limits, other: Limits): ThrottleLimits {
  if (!speaksOfThrottle(one) || !speaksOfThrottle(other)) {
    const { throttleInterval, throttleRetryLimit } = speaksOfThrottle(one) ? one : other
    return { throttleInterval, throttleRetryLimit }
  }
  return {
    throttleInterval: Math.max(one.throttleInterval, other.throttleInterval),
    throttleRetryLimit: Math.max(one.throttleRetryLimit, other.throttleRetryLimit),
  }
}

function speaksOfThrottle(limits: ThrottleLimits): boolean {
  return limits.throttleInterval !== 0 || limits.throttleRetryLimit !== 0
}
