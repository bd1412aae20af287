import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nearest } from '../../packages/core/src/nearest.ts'

const KNOWN = [
  'listenPath',
  'upstream',
  'hooks',
  'endpoints',
  'pluginTimeoutMs',
  'id',
  'pre',
  'post',
  'postAuth',
  'auth',
]

describe('nearest', () => {
  it.each([
    ['listenpath', 'listenPath'],
    ['listen_path', 'listenPath'],
    ['listen-path', 'listenPath'],
    ['LISTENPATH', 'listenPath'],
    ['lisetnPath', 'listenPath'],
    ['listPath', 'listenPath'],
    ['hook', 'hooks'],
    ['hoosk', 'hooks'],
    ['pluginTimeout', 'pluginTimeoutMs'],
    ['listen', 'listenPath'],
    ['endpo', 'endpoints'],
    ['post_auth', 'postAuth'],
    ['Pre', 'pre'],
    ['aut', 'auth'],
    ['ID', 'id'],
  ])('takes %j for %j', (found, meant) => {
    expect(nearest(found, KNOWN)).toBe(meant)
  })

  it.each(['zzzz', 'somethingElse', '', 'x', '__proto__', '☕'])('takes %j for none', (found) => {
    expect(nearest(found, ['listenPath', 'upstream', 'hooks', 'endpoints'])).toBeUndefined()
  })

  it('finds a known name in itself, and among none nothing', () => {
    expect(KNOWN.map((name) => nearest(name, KNOWN))).toEqual(KNOWN)
    expect(nearest('hooks', [])).toBeUndefined()
  })

  it('finds a long name through any one slip', () => {
    const name = 'pluginTimeoutMs'
    const at = fc.nat({ max: name.length - 2 })
    const slip = fc.oneof(
      at.map((i) => name.slice(0, i) + name.slice(i + 1)),
      at.map((i) => `${name.slice(0, i)}q${name.slice(i)}`),
      at.map((i) => name.slice(0, i) + name[i + 1]! + name[i]! + name.slice(i + 2)),
    )
    fc.assert(
      fc.property(slip, (found) => {
        expect(nearest(found, KNOWN)).toBe(name)
      }),
    )
    expect.hasAssertions()
  })
})
