/** What the upstream answers to the small GET: 200 bytes of JSON. */
export const SMALL = padded(
  { sku: 'apple', name: 'Golden Delicious', left: 312, price: { amount: 129, currency: 'EUR' } },
  200,
)
export const POSTED = padded({ order: 'A-1', lines: [{ sku: 'apple', count: 3 }], note: '' }, 1_024)
export const LARGE = Buffer.alloc(100 * 1_024, '0123456789abcdef'.repeat(64))

/** Every contestant is sent one of these, whether it looks or not: the same bytes for all. */
export const LOAD_KEY = 'bench-load-0123456789abcdef'
/** Its limit is there to be reached. */
export const FEW_KEY = 'bench-few-0123456789abcdef'
export const FEW = 5
/** So many in an hour, whatever the number of processes that let them through. */
export const EXACT_KEY = 'bench-exact-0123456789abcdef'
export const EXACT = 300

/** A rate nobody reaches: every request is counted, none is refused. */
export const MANY = 1_000_000

function padded(value: object, bytes: number): string {
  const text = JSON.stringify({ ...value, pad: '' })
  return JSON.stringify({ ...value, pad: 'x'.repeat(bytes - Buffer.byteLength(text)) })
}
