import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Charge, RateAlgorithm } from '../../packages/core/src/limits/charge.ts'
import { MemoryCounters } from '../../packages/core/src/limits/memory-counters.ts'

const START = Date.UTC(2030, 0, 1)

/** Time between two requests: mostly bursts and short pauses, at times around the period or beyond it. Quarters add up exactly. */
const gap = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 400 }).map((quarters) => quarters / 4) },
  { weight: 2, arbitrary: fc.integer({ min: 90, max: 110 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 1000 }) },
)
const gaps = fc.array(gap, { minLength: 1, maxLength: 200, size: 'max' })
const max = fc.integer({ min: 1, max: 12 })
const periodMs = fc.constantFrom(64, 100, 128)

function charge(kind: Charge['kind'], most: number, period: number, scope = ''): Charge {
  return { kind, subject: 'k', scope, endpoint: '', max: most, periodMs: period }
}

interface Decision {
  readonly at: number
  readonly passed: boolean
  readonly remaining: number
  readonly resetMs: number
}

/** What counters decide about a trace of requests. */
function decisions(trace: readonly number[], limit: (i: number) => Charge): Decision[] {
  let now = START
  const counters = new MemoryCounters(1000, () => now)
  return trace.map((pause, i) => {
    now += pause
    const { refusedBy, standings } = counters.take([limit(i)])
    return { at: now, passed: refusedBy === -1, ...standings[0]! }
  })
}

/** The most requests that passed in any window of a period, wherever it starts: a fullest window ends with one of them. */
function fullestWindow(history: readonly Decision[], period: number): number {
  const times = history.filter(({ passed }) => passed).map(({ at }) => at)
  return Math.max(0, ...times.map((end) => times.filter((at) => at > end - period && at <= end).length))
}

/** Sliding window: as many passed within the period up to now as may. */
function slidingModel(): (at: number, most: number, period: number) => boolean {
  const passed: number[] = []
  return (at, most, period) => {
    const fits = passed.filter((time) => time > at - period).length < most
    if (fits) passed.push(at)
    return fits
  }
}

/** Fixed window: a count for each multiple of the period. */
function fixedModel(): (at: number, most: number, period: number) => boolean {
  const used = new Map<number, number>()
  return (at, most, period) => {
    const window = Math.floor(at / period)
    const count = used.get(window) ?? 0
    if (count < most) used.set(window, count + 1)
    return count < most
  }
}

/** GCRA in whole numbers: time is counted in units of which a quarter of a millisecond has `most`. */
function gcraModel(): (at: number, most: number, period: number) => boolean {
  let arrival = 0n
  return (at, most, period) => {
    const now = BigInt(at * 4) * BigInt(most)
    const [share, burst] = [BigInt(period * 4), BigInt(period * 4 * most)]
    const next = (arrival > now ? arrival : now) + share
    if (next - now > burst) return false
    arrival = next
    return true
  }
}

/** Quota: a count for each period, which starts with a request. */
function quotaModel(): (at: number, most: number, period: number) => boolean {
  let [start, used] = [-Infinity, 0]
  return (at, most, period) => {
    if (at >= start + period) [start, used] = [at, 0]
    if (used >= most) return false
    used += 1
    return true
  }
}

const MODELS = {
  'sliding-window': slidingModel,
  'fixed-window': fixedModel,
  gcra: gcraModel,
  quota: quotaModel,
} as const
const KINDS = Object.keys(MODELS) as Charge['kind'][]

describe('no window of a period holds more than may pass', () => {
  it.each<[RateAlgorithm, (most: number) => number]>([
    ['sliding-window', (most) => most],
    ['fixed-window', (most) => 2 * most],
    // A burst, and while the period lasts, one more for each share but the last, which starts the next period.
    ['gcra', (most) => 2 * most - 1],
  ])('%s', (kind, bound) => {
    fc.assert(
      fc.property(gaps, max, periodMs, (trace, most, period) => {
        const history = decisions(trace, () => charge(kind, most, period))
        expect(fullestWindow(history, period)).toBeLessThanOrEqual(bound(most))
      }),
    )
  })
})

describe.each(KINDS)('%s', (kind) => {
  it('decides as its definition says: nothing more passes, and nothing is refused without need', () => {
    fc.assert(
      fc.property(gaps, max, periodMs, (trace, most, period) => {
        const model = MODELS[kind]()
        const history = decisions(trace, () => charge(kind, most, period))
        expect(history.map(({ passed }) => passed)).toEqual(history.map(({ at }) => model(at, most, period)))
      }),
    )
  })

  it('lets pass at once what it said remains, and not one more', () => {
    fc.assert(
      fc.property(gaps, max, periodMs, (trace, most, period) => {
        const limit = charge(kind, most, period)
        const { remaining } = decisions(trace, () => limit).at(-1)!
        const more = decisions([...trace, ...Array.from({ length: remaining + 1 }, () => 0)], () => limit)
        expect(more.slice(trace.length).map(({ passed }) => passed)).toEqual([
          ...Array.from({ length: remaining }, () => true),
          false,
        ])
      }),
    )
  })

  it('lets a refused request pass after the time it said, and not a quarter of a millisecond sooner', () => {
    fc.assert(
      // Shares of the period are whole quarters for these, so that the answer has no rounding in it.
      fc.property(gaps, fc.constantFrom(1, 2, 4, 8), fc.constantFrom(64, 128), (trace, most, period) => {
        const limit = charge(kind, most, period)
        const history = decisions(trace, () => limit)
        const refused = history.findIndex(({ passed }) => !passed)
        fc.pre(refused !== -1)
        const { resetMs } = history[refused]!
        const until = trace.slice(0, refused + 1)
        expect(resetMs).toBeGreaterThan(0)
        expect(decisions([...until, resetMs], () => limit).at(-1)!.passed).toBe(true)
        expect(decisions([...until, resetMs - 0.25], () => limit).at(-1)!.passed).toBe(false)
      }),
    )
  })

  it('tells sensible numbers', () => {
    fc.assert(
      fc.property(gaps, max, periodMs, (trace, most, period) => {
        for (const { passed, remaining, resetMs } of decisions(trace, () => charge(kind, most, period))) {
          expect(Number.isInteger(remaining)).toBe(true)
          expect(remaining).toBeGreaterThanOrEqual(0)
          expect(remaining).toBeLessThan(most)
          expect(resetMs).toBeGreaterThanOrEqual(0)
          expect(resetMs).toBeLessThanOrEqual(period)
          expect(passed || remaining === 0).toBe(true)
        }
      }),
    )
  })

  it('gains and loses no time when the clock is set back', () => {
    fc.assert(
      fc.property(gaps, max, periodMs, fc.array(fc.integer({ min: 0, max: 5000 })), (trace, most, period, steps) => {
        const limit = charge(kind, most, period)
        let [elapsed, setBack] = [0, 0]
        const counters = new MemoryCounters(1000, () => START + elapsed - setBack)
        const seen = trace.map((pause, i) => {
          elapsed += pause
          const before = counters.take([limit]).refusedBy === -1
          setBack += steps[i] ?? 0
          // The clock is looked at between two requests: what went by unseen is not known to anybody.
          counters.peek([limit])
          return before
        })
        expect(seen).toEqual(decisions(trace, () => limit).map(({ passed }) => passed))
      }),
    )
  })
})

describe('a limit whose maximum changes between requests', () => {
  it.each(['sliding-window', 'fixed-window', 'quota'] as const)('is exact by %s', (kind) => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(gap, fc.integer({ min: 1, max: 40 })), { minLength: 1, maxLength: 300, size: 'max' }),
        periodMs,
        (trace, period) => {
          const model = MODELS[kind]()
          const history = decisions(
            trace.map(([pause]) => pause),
            (i) => charge(kind, trace[i]![1], period),
          )
          expect(history.map(({ passed }) => passed)).toEqual(
            history.map(({ at }, i) => model(at, trace[i]![1], period)),
          )
        },
      ),
    )
  })
})

describe('several charges taken together', () => {
  it('are counted all or not at all: each stands as if only what passed had ever been asked', () => {
    const limits = fc.uniqueArray(fc.record({ kind: fc.constantFrom(...KINDS), most: max, period: periodMs }), {
      minLength: 2,
      maxLength: 5,
    })
    fc.assert(
      fc.property(gaps, limits, (trace, given) => {
        const charges = given.map(({ kind, most, period }, i) => charge(kind, most, period, `s${i % 2}${i}`))
        let now = START
        const together = new MemoryCounters(1000, () => now)
        const alone = charges.map(() => new MemoryCounters(1000, () => now))
        for (const pause of trace) {
          now += pause
          const fits = charges.map((one, i) => alone[i]!.peek([one])[0]!.remaining > 0)
          const { refusedBy, standings } = together.take(charges)
          expect(refusedBy).toBe(fits.indexOf(false))
          if (refusedBy === -1) charges.forEach((one, i) => alone[i]!.take([one]))
          expect(standings).toEqual(charges.map((one, i) => alone[i]!.peek([one])[0]))
        }
      }),
    )
  })
})

describe('many subjects', () => {
  it('share nothing, and lose nothing while there is room', () => {
    const request = fc.tuple(gap, fc.integer({ min: 0, max: 30 }), fc.constantFrom(...KINDS))
    fc.assert(
      fc.property(fc.array(request, { maxLength: 300, size: 'max' }), max, (trace, most) => {
        let now = START
        const counters = new MemoryCounters(31 * KINDS.length, () => now)
        const models = new Map<string, ReturnType<(typeof MODELS)[Charge['kind']]>>()
        for (const [pause, subject, kind] of trace) {
          now += pause
          const name = `${kind} ${subject}`
          const model = models.get(name) ?? MODELS[kind]()
          models.set(name, model)
          const { refusedBy } = counters.take([{ ...charge(kind, most, 100), subject: `k${subject}` }])
          expect(refusedBy === -1).toBe(model(now, most, 100))
        }
        expect(counters.evicted).toBe(0)
        expect(counters.size).toBeLessThanOrEqual(models.size)
      }),
    )
  })
})
