import { describe, expect, it } from 'vitest'
import { goesInCircles, loopValue } from '../../packages/core/src/http/loop.ts'

const first = loopValue([], [])
const id = first.replace('; hops=1', '')

/** The value after so many passes. */
function after(passes: number): string {
  let value = ''
  for (let i = 0; i < passes; i += 1) {
    const lines = value === '' ? [] : ['CDN-Loop', value]
    value = loopValue(lines, lines)
  }
  return value
}

describe('CDN-Loop', () => {
  it('names this process and counts how often a request has passed it', () => {
    expect(first).toMatch(/^postern-[0-9a-f]{12}; hops=1$/)
    expect([after(2), after(9)]).toEqual([`${id}; hops=2`, `${id}; hops=9`])
  })

  it('ends a request that comes for the eleventh time', () => {
    expect([goesInCircles(['cdn-loop', after(9)]), goesInCircles(['cdn-loop', after(10)])]).toEqual([false, true])
  })

  it('keeps what other gateways say', () => {
    const lines = ['CDN-Loop', 'edge.example; v=1, other', 'cdn-loop', `third, ${id}; hops=4`]
    expect(loopValue(lines, lines)).toBe(`edge.example; v=1, other, third, ${id}; hops=5`)
  })

  it('counts what came in, whatever a plugin has made of it', () => {
    expect(loopValue(['CDN-Loop', after(3)], [])).toBe(`${id}; hops=4`)
    expect(loopValue(['CDN-Loop', after(3)], ['CDN-Loop', `mine, ${id}; hops=0`])).toBe(`mine, ${id}; hops=4`)
  })

  it.each([
    ['another process', 'postern-000000000000; hops=99'],
    ['a longer name', `${id}a; hops=99`],
    ['nonsense', `; hops=99, ,,${'x'.repeat(1_000)}`],
    ['another field', ''],
  ])('is not about %s', (_, value) => {
    expect(goesInCircles(['CDN-Loop', value, 'X-CDN-Loop', after(10)])).toBe(false)
  })

  it.each([`${id}; hops=-9`, `${id}; hops=x`, id, `${id}; hops=1; hops=0`])(
    'counts at least one pass where the count is no count: %s',
    (value) => {
      expect(loopValue(['CDN-Loop', value], [])).toMatch(/; hops=[12]$/)
      expect(goesInCircles(['CDN-Loop', value])).toBe(false)
    },
  )
})
