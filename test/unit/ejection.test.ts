import { describe, expect, it } from 'vitest'
import { Ejection } from '../../packages/core/src/forward/ejection.ts'

const spare = (): boolean => true

describe('an ejection', () => {
  it('comes after that many failures in a row', () => {
    const ejection = new Ejection(3, 100)
    expect([ejection.failed(0, spare), ejection.failed(0, spare)]).toEqual([false, false])
    ejection.succeeded()
    expect([ejection.failed(0, spare), ejection.failed(0, spare), ejection.failed(0, spare)]).toEqual([
      false,
      false,
      true,
    ])
    expect([ejection.ejected(99), ejection.ejected(100), ejection.doubted]).toEqual([true, false, true])
  })

  it('lasts twice as long each time, up to ten times, until an answer comes', () => {
    const ejection = new Ejection(1, 100)
    const lengths: number[] = []
    let now = 0
    for (let i = 0; i < 6; i += 1) {
      ejection.failed(now, spare)
      const from = now
      while (ejection.ejected(now)) now += 50
      lengths.push(now - from)
    }
    expect(lengths).toEqual([100, 200, 400, 800, 1_000, 1_000])
    ejection.succeeded()
    ejection.failed(now, spare)
    expect([ejection.ejected(now + 99), ejection.ejected(now + 100)]).toEqual([true, false])
  })

  it('does not count failures of requests that were under way when it began', () => {
    const ejection = new Ejection(1, 100)
    expect([ejection.failed(0, spare), ejection.failed(50, spare)]).toEqual([true, false])
    expect(ejection.ejected(100)).toBe(false)
  })

  it('does not come where nobody else would be there', () => {
    const ejection = new Ejection(1, 100)
    expect(ejection.failed(0, () => false)).toBe(false)
    expect([ejection.ejected(0), ejection.doubted]).toEqual([false, false])
  })
})
