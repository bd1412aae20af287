import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GatewayQuery } from '../../packages/core/src/http/query.ts'

describe('a query nobody touches', () => {
  it.each(['', 'a=1', 'a=%7e&b=+', '&&a&=&=b', 'a=1&a=2&A=3', '%zz=%', 'a=b=c', '?a', 'é=☕', '__proto__=1'])(
    'is sent byte for byte: %j',
    (raw) => {
      const query = new GatewayQuery(raw)
      query.get('a')
      query.has('b')
      query.delete('not there')
      expect([String(query), GatewayQuery.touched(query)]).toEqual([raw, false])
    },
  )
})

describe('a query that is changed', () => {
  it.each<[string, (query: GatewayQuery) => void, string]>([
    ['set keeps the bytes of the others', (query) => query.set('b', '2'), 'a=%7e&b=2&c=+'],
    [
      'set keeps the place of the first and drops the others of its name',
      (query) => {
        query.append('a', 'x')
        query.set('a', '~')
      },
      'a=%7E&b=1&c=+',
    ],
    ['append goes to the end', (query) => query.append('d', 'a b&c'), 'a=%7e&b=1&c=+&d=a+b%26c'],
    ['delete takes all of a name', (query) => query.delete('b'), 'a=%7e&c=+'],
    [
      'delete with a value takes that one',
      (query) => {
        query.append('b', '2')
        query.delete('b', '1')
      },
      'a=%7e&c=+&b=2',
    ],
    [
      'sort keeps their bytes',
      (query) => {
        query.append('a', 'x')
        query.sort()
      },
      'a=%7e&a=x&b=1&c=+',
    ],
  ])('%s', (_, change, expected) => {
    const query = new GatewayQuery('a=%7e&b=1&c=+')
    change(query)
    expect([String(query), GatewayQuery.touched(query)]).toEqual([expected, true])
  })

  it('is replaced as a whole', () => {
    const query = new GatewayQuery('a=1')
    GatewayQuery.replace(query, 'b=%7e')
    expect([String(query), query.get('a'), query.get('b')]).toEqual(['b=%7e', null, '~'])
  })

  it('no longer changes once it is sealed, and says so', () => {
    const query = new GatewayQuery('a=1')
    let late = 0
    GatewayQuery.seal(query, { lateChange: () => (late += 1) })
    query.set('a', '2')
    query.append('a', '2')
    query.delete('a')
    expect([String(query), late]).toEqual(['a=1', 3])
  })
})

type Both = GatewayQuery | URLSearchParams
const name = fc.constantFrom('a', 'b', 'A', '', 'a b', 'é', '+', '__proto__', 'constructor', 'a[]')
const value = fc.oneof(fc.constantFrom('', '1', '2', ' ', '+', '%', '&', '=', '☕', '?'), fc.string({ maxLength: 4 }))
const change = fc.oneof(
  fc.tuple(name, value).map(([key, text]) => ({ what: `set ${key}`, run: (query: Both) => query.set(key, text) })),
  fc
    .tuple(name, value)
    .map(([key, text]) => ({ what: `append ${key}`, run: (query: Both) => query.append(key, text) })),
  name.map((key) => ({ what: `delete ${key}`, run: (query: Both) => query.delete(key) })),
  fc
    .tuple(name, value)
    .map(([key, text]) => ({ what: `delete ${key} ${text}`, run: (query: Both) => query.delete(key, text) })),
  // oxlint-disable-next-line unicorn/no-array-sort -- a query is no array
  fc.constant({ what: 'sort', run: (query: Both) => query.sort() }),
)
const raw = fc
  .array(
    fc.oneof(
      fc.tuple(name, value).map(([key, text]) => `${encodeURIComponent(key)}=${encodeURIComponent(text)}`),
      fc.constantFrom('', 'a', '=', 'a=', '=1', 'a=1=2', '%', 'a=%zz', 'a=+', 'b=%C3', '?a'),
    ),
    { maxLength: 6 },
  )
  .map((pieces) => pieces.join('&'))
  // The one thing URLSearchParams does to a text as a whole: it takes a leading question mark for punctuation.
  .filter((text) => !text.startsWith('?'))

function everything(query: Both): unknown {
  const walked: unknown[] = []
  query.forEach((text, key) => walked.push([key, text]))
  return {
    size: query.size,
    pairs: [...query],
    entries: [...query.entries()],
    keys: [...query.keys()],
    values: [...query.values()],
    walked,
    looked: ['a', 'b', 'A', '', '__proto__', 'nope'].map((key) => [
      query.get(key),
      query.getAll(key),
      query.has(key),
      query.has(key, '1'),
    ]),
  }
}

describe('GatewayQuery, beside URLSearchParams,', () => {
  it('reads the same, whatever was sent and whatever was changed', () => {
    fc.assert(
      fc.property(raw, fc.array(change, { maxLength: 5 }), (text, changes) => {
        const ours = new GatewayQuery(text)
        const theirs = new URLSearchParams(text)
        expect(everything(ours)).toEqual(everything(theirs))
        for (const { run } of changes) {
          run(ours)
          run(theirs)
          expect(everything(ours)).toEqual(everything(theirs))
        }
        expect([...new URLSearchParams(`&${String(ours)}`)]).toEqual([...theirs])
      }),
      { numRuns: 1_000 },
    )
    expect.hasAssertions()
  })

  it('keeps the bytes of every parameter nobody changed', () => {
    fc.assert(
      fc.property(raw, value, (text, written) => {
        const query = new GatewayQuery(text)
        query.set('written by a plugin', written)
        const kept = String(query).split('&').slice(0, -1)
        expect(kept).toEqual(text.split('&').filter((part) => part !== ''))
      }),
    )
    expect.hasAssertions()
  })
})
