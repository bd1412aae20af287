import { describe, expect, it } from 'vitest'
import type { Charge } from '../../packages/core/src/limits/charge.ts'
import { MemoryCounters } from '../../packages/core/src/limits/memory-counters.ts'
import { quotaCharge, rateCharge } from '../../packages/core/src/limits/rate.ts'

const NOON = Date.UTC(2031, 4, 6, 12)

function charge(kind: Charge['kind'], max: number, periodMs: number, name: Partial<Charge> = {}): Charge {
  return { kind, subject: 'k1', scope: '', endpoint: '', max, periodMs, ...name }
}

/** Counters whose clock stands at `NOON` until it is moved. */
function counters(capacity = 1000) {
  let now = NOON
  const store = new MemoryCounters(capacity, () => now)
  return {
    store,
    at: (ms: number) => void (now = NOON + ms),
    /** `[passed, remaining, resetMs]` of one charge. */
    take: (one: Charge): readonly [boolean, number, number] => {
      const { refusedBy, standings } = store.take([one])
      return [refusedBy === -1, standings[0]!.remaining, standings[0]!.resetMs]
    },
  }
}

describe('a sliding window', () => {
  it('lets requests in as others leave, one by one, and says when', () => {
    const { take, at } = counters()
    const limit = charge('sliding-window', 3, 1000)
    expect(take(limit)).toEqual([true, 2, 1000])
    at(400)
    expect(take(limit)).toEqual([true, 1, 600])
    at(500)
    expect(take(limit)).toEqual([true, 0, 500])
    at(999)
    expect(take(limit)).toEqual([false, 0, 1])
    at(1000)
    expect(take(limit)).toEqual([true, 0, 400])
    expect(take(limit)).toEqual([false, 0, 400])
  })

  it('does not count what it refuses: who keeps trying gets in', () => {
    const { take, at } = counters()
    const limit = charge('sliding-window', 1, 1000)
    take(limit)
    for (let ms = 0; ms < 1000; ms += 50) {
      at(ms)
      expect(take(limit)[0]).toBe(false)
    }
    at(1000)
    expect(take(limit)[0]).toBe(true)
  })

  it('stays exact while its maximum is lowered and raised again', () => {
    const { take, at } = counters()
    const limit = (max: number): Charge => charge('sliding-window', max, 1000)
    for (let ms = 0; ms < 5; ms++) {
      at(ms * 100)
      expect(take(limit(5))[0]).toBe(true)
    }
    expect(take(limit(2))).toEqual([false, 0, 900])
    expect(take(limit(6))).toEqual([true, 0, 600])
    at(1399)
    expect(take(limit(2))).toEqual([false, 0, 1])
    at(1400)
    expect(take(limit(2))).toEqual([true, 1, 1000])
  })
})

describe('a fixed window', () => {
  it('starts over at whole multiples of its period', () => {
    const { take, at } = counters()
    const limit = charge('fixed-window', 2, 60_000)
    at(59_000)
    expect([take(limit), take(limit), take(limit)]).toEqual([
      [true, 1, 1000],
      [true, 0, 1000],
      [false, 0, 1000],
    ])
    at(60_000)
    expect(take(limit)).toEqual([true, 1, 60_000])
  })
})

describe('gcra', () => {
  it('takes a burst, then one request each share of the period', () => {
    const { take, at } = counters()
    const limit = charge('gcra', 4, 1000)
    expect([take(limit), take(limit), take(limit), take(limit), take(limit)]).toEqual([
      [true, 3, 250],
      [true, 2, 250],
      [true, 1, 250],
      [true, 0, 250],
      [false, 0, 250],
    ])
    at(249)
    expect(take(limit)).toEqual([false, 0, 1])
    at(250)
    expect(take(limit)).toEqual([true, 0, 250])
    at(10_000)
    expect(take(limit)).toEqual([true, 3, 250])
  })

  it('counts shares much shorter than a clock of epoch milliseconds can tell apart', () => {
    const { take } = counters()
    const limit = charge('gcra', 100_000_000, 1000)
    for (let i = 0; i < 1000; i++) take(limit)
    expect(take(limit)[1]).toBe(100_000_000 - 1001)
  })
})

describe('a quota', () => {
  it('starts with its first request and renews a period later', () => {
    const { store, take, at } = counters()
    const limit = charge('quota', 2, 3_600_000)
    expect(store.peek([limit])).toEqual([{ remaining: 2, resetMs: 3_600_000 }])
    at(1_000_000)
    expect([take(limit), take(limit), take(limit)]).toEqual([
      [true, 1, 3_600_000],
      [true, 0, 3_600_000],
      [false, 0, 3_600_000],
    ])
    at(4_599_999)
    expect(take(limit)).toEqual([false, 0, 1])
    at(4_600_000)
    expect(take(limit)).toEqual([true, 1, 3_600_000])
  })

  it('without a period never renews', () => {
    const { take, at } = counters()
    const limit = charge('quota', 1, Infinity)
    expect(take(limit)).toEqual([true, 0, Infinity])
    at(1e12)
    expect(take(limit)).toEqual([false, 0, Infinity])
  })

  it('counts on where its maximum is changed', () => {
    const { take } = counters()
    take(charge('quota', 2, 1000))
    take(charge('quota', 2, 1000))
    expect(take(charge('quota', 1, 1000))).toEqual([false, 0, 1000])
    expect(take(charge('quota', 3, 1000))).toEqual([true, 0, 1000])
  })
})

const KINDS = ['sliding-window', 'fixed-window', 'gcra', 'quota'] as const

describe.each(KINDS)('counting by %s', (kind) => {
  it('lets exactly as many pass at once as there may be', () => {
    const { take } = counters()
    const passed = Array.from({ length: 250 }, () => take(charge(kind, 100, 1000))[0])
    expect(passed.filter(Boolean)).toHaveLength(100)
    expect(passed.lastIndexOf(true)).toBe(99)
  })

  it('lets nothing pass where the maximum is 0', () => {
    const { store, take } = counters()
    expect(take(charge(kind, 0, 1000))).toEqual([false, 0, Infinity])
    expect(store.peek([charge(kind, 0, 1000)])).toEqual([{ remaining: 0, resetMs: Infinity }])
  })

  it.each<[string, Partial<Charge>]>([
    ['subject', { subject: 'k2' }],
    ['scope', { scope: 'orders' }],
    ['endpoint', { endpoint: 'GET /a' }],
    ['period', { periodMs: 2000 }],
    ['algorithm', { kind: kind === 'gcra' ? 'quota' : 'gcra' }],
  ])('counts another %s apart', (_, other) => {
    const { take } = counters()
    take(charge(kind, 1, 1000))
    expect(take(charge(kind, 1, 1000))[0]).toBe(false)
    expect(take(charge(kind, 1, 1000, other))[0]).toBe(true)
    expect(take(charge(kind, 1, 1000, other))[0]).toBe(false)
  })

  it('shows where a counter stands without counting', () => {
    const { store, take } = counters()
    const limit = charge(kind, 3, 1000)
    const [, remaining, resetMs] = take(limit)
    for (let i = 0; i < 5; i++) expect(store.peek([limit])).toEqual([{ remaining, resetMs }])
    expect([take(limit)[0], take(limit)[0], take(limit)[0]]).toEqual([true, true, false])
  })

  it('starts afresh after a reset, and leaves the other counters of the subject alone', () => {
    const { store, take } = counters()
    const limits = ['', 'a', 'b'].map((scope) => charge(kind, 1, 1000, { scope }))
    store.take(limits)
    store.reset([limits[1]!])
    expect(limits.map((limit) => take(limit)[0])).toEqual([false, true, false])
    store.reset([...limits, charge(kind, 1, 1000, { subject: 'nobody' })])
    expect([store.size, ...limits.map((limit) => take(limit)[0])]).toEqual([0, true, true, true])
  })

  it('gives nothing away, and keeps nobody out, when the clock is set back', () => {
    const { take, at } = counters()
    const limit = charge(kind, 1, 1000)
    at(10_000)
    expect(take(limit)[0]).toBe(true)
    at(5000)
    expect(take(limit)[0]).toBe(false)
    at(5999)
    expect(take(limit)[0]).toBe(false)
    at(6000)
    expect(take(limit)[0]).toBe(true)
  })
})

describe('several charges', () => {
  const rate = charge('sliding-window', 2, 1000)
  const quota = charge('quota', 3, 10_000)

  it('are all counted, or none when one of them refuses', () => {
    const { store, at } = counters()
    store.take([rate, quota])
    store.take([rate, quota])
    expect(store.take([rate, quota])).toEqual({
      refusedBy: 0,
      standings: [
        { remaining: 0, resetMs: 1000 },
        { remaining: 1, resetMs: 10_000 },
      ],
    })
    at(1000)
    expect(store.take([rate, quota]).refusedBy).toBe(-1)
    expect(store.take([rate, quota]).refusedBy).toBe(1)
    expect(store.peek([rate, quota])[0]!.remaining).toBe(1)
  })

  it('name the first that refused', () => {
    const { store } = counters()
    const full = charge('gcra', 0, 1000)
    expect(store.take([rate, full, quota, { ...full, scope: 'x' }]).refusedBy).toBe(1)
    expect([store.take([]), store.size]).toEqual([{ refusedBy: -1, standings: [] }, 0])
  })
})

describe('the number of counters', () => {
  const of = (subject: number, periodMs: number): Charge =>
    charge('sliding-window', 1, periodMs, { subject: `k${subject}` })

  it('shrinks as counters end, without a timer', () => {
    const { store, at } = counters()
    for (let i = 0; i < 500; i++) store.take([of(i, 1000)])
    expect(store.size).toBe(500)
    at(1000)
    for (let i = 500; i < 1000; i++) store.take([of(i, 1000)])
    expect([store.size, store.evicted]).toEqual([500, 0])
  })

  it('never exceeds the capacity, and what was forgotten while in use is told', () => {
    const { store } = counters(100)
    for (let i = 0; i < 1000; i++) {
      store.take([of(i, 1000), charge('quota', 1, 5000, { subject: `k${i}` })])
      expect(store.size).toBeLessThanOrEqual(100)
    }
    expect(store.evicted).toBe(1900)
  })

  it('forgets first what has ended, then what ends soonest', () => {
    const { store, at, take } = counters(4)
    take(of(0, 50_000))
    take(of(1, 20_000))
    take(of(2, 10_000))
    take(of(3, 30_000))
    take(of(4, 60_000))
    expect([store.evicted, take(of(0, 50_000))[0], take(of(1, 20_000))[0], take(of(3, 30_000))[0]]).toEqual([
      1,
      false,
      false,
      false,
    ])
    at(20_000)
    take(of(5, 60_000))
    expect([store.evicted, store.size]).toEqual([1, 4])
  })

  it('is not raised by what is refused or only looked at', () => {
    const { store } = counters()
    store.take([charge('quota', 0, 1000), charge('gcra', 1, 1000)])
    store.peek([charge('quota', 5, 1000)])
    expect(store.size).toBe(0)
  })
})

describe('a rate', () => {
  const name = { subject: 'k1', scope: 'orders', endpoint: 'GET /a' }

  it.each([
    [{ rate: 5, per: 10 }, 5, 10_000],
    [{ rate: 2.5, per: 1 }, 2, 1000],
    [{ rate: 0.5, per: 1 }, 1, 2000],
    [{ rate: 0.3, per: 10 }, 1, 33_334],
    [{ rate: 1, per: 1.1 }, 1, 1100],
    [{ rate: 10, per: 0.25 }, 10, 250],
    [{ rate: 1, per: 0.0001 }, 1, 1],
    [{ rate: 0, per: 5 }, 0, 5000],
    [{ rate: -1, per: 5 }, 0, 5000],
    [{ rate: 1e9, per: 60 }, 1e9, 60_000],
  ])('of %o is at most %d in %d ms', (limit, max, periodMs) => {
    const made = rateCharge(limit, 'gcra', name)
    expect(made).toEqual({ kind: 'gcra', ...name, max, periodMs })
    expect(Object.isFrozen(made)).toBe(true)
  })

  it.each([
    [{ max: 100, renewalSeconds: 3600 }, 100, 3_600_000],
    [{ max: 100, renewalSeconds: 0 }, 100, Infinity],
    [{ max: 100, renewalSeconds: -1 }, 100, Infinity],
    [{ max: 1.5, renewalSeconds: Infinity }, 1, Infinity],
    [{ max: -1, renewalSeconds: 1 }, 0, 1000],
  ])('as a quota of %o is at most %d in %d ms', (limit, max, periodMs) => {
    const made = quotaCharge(limit, { subject: 'k1', scope: 's' })
    expect(made).toEqual({ kind: 'quota', subject: 'k1', scope: 's', endpoint: '', max, periodMs })
    expect(Object.isFrozen(made)).toBe(true)
  })
})
