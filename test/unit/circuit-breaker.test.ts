import { describe, expect, it } from 'vitest'
import { CircuitBreaker, type CircuitState } from '../../packages/core/src/forward/circuit-breaker.ts'

const SETTINGS = { failureRatio: 0.5, minRequests: 4, windowMs: 1_000, openMs: 100 }

function breaker(settings = SETTINGS): { readonly circuit: CircuitBreaker; readonly states: CircuitState[] } {
  const states: CircuitState[] = []
  return { circuit: new CircuitBreaker(settings, (state) => states.push(state)), states }
}

function fail(circuit: CircuitBreaker, times: number, now: number): void {
  for (let i = 0; i < times; i += 1) circuit.count(true, now)
}

describe('a circuit breaker', () => {
  it('opens when the ratio is reached among enough requests, not before', () => {
    const { circuit, states } = breaker()
    fail(circuit, 2, 5_000)
    circuit.count(false, 5_000)
    expect([circuit.admits(5_000), states]).toEqual([true, []])
    circuit.count(false, 5_000)
    expect([circuit.admits(5_000), circuit.waitMs(5_000), states]).toEqual([false, 100, ['open']])
  })

  it('stays closed below the ratio', () => {
    const { circuit, states } = breaker()
    for (let i = 0; i < 30; i += 1) circuit.count(i % 3 === 2, 5_000)
    expect([circuit.admits(5_000), states]).toEqual([true, []])
  })

  it('forgets what has left the window, a tenth at a time', () => {
    const { circuit, states } = breaker()
    fail(circuit, 3, 5_000)
    circuit.count(true, 6_050)
    expect(states).toEqual([])
    fail(circuit, 2, 6_950)
    expect(states).toEqual([])
    circuit.count(true, 6_990)
    expect(states).toEqual(['open'])
  })

  it('forgets everything after a long silence', () => {
    const { circuit, states } = breaker()
    fail(circuit, 3, 5_000)
    fail(circuit, 3, 500_000)
    expect(states).toEqual([])
  })

  it('lets one probe at a time pass when its time is over', () => {
    const { circuit, states } = breaker()
    fail(circuit, 4, 0)
    expect([circuit.admits(99), circuit.admits(100)]).toEqual([false, true])
    expect([circuit.pass(100), circuit.admits(199), states]).toEqual([true, false, ['open', 'half-open']])
  })

  it('closes after a probe that succeeded, and begins to count anew', () => {
    const { circuit, states } = breaker()
    fail(circuit, 4, 0)
    circuit.pass(100)
    circuit.probed(false, 150)
    fail(circuit, 3, 150)
    expect([circuit.admits(150), circuit.pass(150), states]).toEqual([true, false, ['open', 'half-open', 'closed']])
  })

  it('opens again after a probe that failed', () => {
    const { circuit, states } = breaker()
    fail(circuit, 4, 0)
    circuit.pass(100)
    circuit.probed(true, 150)
    expect([circuit.admits(249), circuit.admits(250), states]).toEqual([false, true, ['open', 'half-open', 'open']])
  })

  it('lets another probe pass when nobody knows what became of the first', () => {
    const { circuit, states } = breaker()
    fail(circuit, 4, 0)
    circuit.pass(100)
    circuit.probed(undefined, 150)
    expect([circuit.admits(150), circuit.pass(150), states]).toEqual([true, true, ['open', 'half-open']])
  })

  it('lets another probe pass while the first takes too long, and the first to end decides', () => {
    const { circuit, states } = breaker()
    fail(circuit, 4, 0)
    circuit.pass(100)
    expect([circuit.waitMs(150), circuit.admits(199), circuit.admits(200)]).toEqual([50, false, true])
    circuit.pass(200)
    expect(circuit.admits(299)).toBe(false)
    circuit.probed(false, 250)
    circuit.probed(true, 260)
    expect([circuit.admits(260), states]).toEqual([true, ['open', 'half-open', 'closed']])
  })

  it('does not listen to answers of requests that began before it opened', () => {
    const { circuit, states } = breaker()
    fail(circuit, 4, 0)
    for (let i = 0; i < 50; i += 1) circuit.count(false, 10)
    expect([circuit.admits(50), states]).toEqual([false, ['open']])
  })
})
