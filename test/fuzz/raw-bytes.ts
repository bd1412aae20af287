import fc from 'fast-check'

/** Changes of a text, byte by byte: what has no form is made this way. */
type Change =
  | { readonly kind: 'set'; readonly at: number; readonly byte: string }
  | { readonly kind: 'insert'; readonly at: number; readonly text: string }
  | { readonly kind: 'delete'; readonly at: number; readonly count: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly count: number }
  | { readonly kind: 'truncate'; readonly at: number }

const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code))

/** What parsers disagree about most. */
const NOTABLE = [
  '\r',
  '\n',
  '\r\n',
  '\n\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '"',
  '%',
  '#',
  '\\',
  '/',
  '\u00FF',
  '0',
  '\r\n ',
  '\r\n\r\n',
]

const at = fc.nat({ max: 100_000 })

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('set' as const), at, byte }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('insert' as const),
      at,
      text: fc.oneof(fc.constantFrom(...NOTABLE), byte),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('delete' as const), at, count: fc.integer({ min: 1, max: 20 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('repeat' as const), at, count: fc.integer({ min: 1, max: 60 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('truncate' as const), at }) },
)

export const changes: fc.Arbitrary<readonly Change[]> = fc.oneof(
  { weight: 5, arbitrary: fc.constant([]) },
  { weight: 3, arbitrary: fc.array(change, { minLength: 1, maxLength: 1 }) },
  { weight: 2, arbitrary: fc.array(change, { maxLength: 6 }) },
)

export function changed(text: string, made: readonly Change[]): string {
  let result = text
  for (const one of made) {
    const from = result.length === 0 ? 0 : one.at % (result.length + 1)
    const [head, tail] = [result.slice(0, from), result.slice(from)]
    if (one.kind === 'set') result = head + one.byte + tail.slice(1)
    else if (one.kind === 'insert') result = head + one.text + tail
    else if (one.kind === 'delete') result = head + tail.slice(one.count)
    else if (one.kind === 'repeat') result = head + tail.slice(0, one.count) + tail
    else result = head
  }
  return result
}

/** Where a text is cut into packets; none: it goes in one. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.oneof(
  { weight: 2, arbitrary: fc.constant([]) },
  { weight: 2, arbitrary: fc.array(fc.nat({ max: 2000 }), { maxLength: 6 }) },
)

export function packets(text: string, places: readonly number[]): readonly string[] {
  const ends = [...new Set(places.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b)
  return [...ends, text.length].map((end, i) => text.slice(i === 0 ? 0 : ends[i - 1], end)).filter((p) => p !== '')
}

/** Mostly the usual, now and then something else. */
export const often = <T>(usual: T, ...rare: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 2, arbitrary: fc.constantFrom(usual, ...rare) })
