import { describe, expect, it } from 'vitest'
import { parseGoDuration } from '../../packages/core/src/definition/tyk/go-duration.ts'

describe('a duration of Go', () => {
  it.each([
    ['1m30s', 90],
    ['1h', 3_600],
    ['1h0m1s', 3_601],
    ['1.5s', 1.5],
    ['250ms', 0.25],
    ['10µs', 0.000_01],
    ['10us', 0.000_01],
    ['5ns', 0.000_000_005],
    ['0s', 0],
    ['0', 0],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseGoDuration(text)).toBeCloseTo(seconds, 12)
  })

  it.each(['', '90', '1 m', '1d', 'm', '-1s', '1m30', '1s!', ' 1s'])('%j is none', (text) => {
    expect(parseGoDuration(text)).toBeUndefined()
  })

  it('is read in no time, however long it is', () => {
    expect(parseGoDuration(`${'1'.repeat(100_000)}x`)).toBeUndefined()
  })
})
