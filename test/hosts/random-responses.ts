import zlib from 'node:zlib'
import fc from 'fast-check'
import type { Line } from '../support/lines.ts'

/** What is done to a response on its way. */
const HOOKS = ['nothing', 'head', 'read', 'transform', 'web transform', 'write'] as const
export type Hook = (typeof HOOKS)[number]

/** An answer as an upstream gives it, and how it is sent. */
export interface RandomResponse {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly hook: Hook
  readonly status: number
  readonly lines: readonly Line[]
  /** Undefined: the client sees what its coding is, and nobody can undo it. */
  readonly plain: Buffer | undefined
  /** With its coding; as it is on the wire where the method and the status allow it. */
  readonly body: Buffer
  readonly framing: 'length' | 'chunks' | 'close'
  /** Sizes of chunks, and of what is written at once. */
  readonly pieces: readonly number[]
}

const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Buffer) => Buffer }

/** Each with the `content-encoding` it is told as. */
const CODINGS: readonly (readonly [name: string | undefined, encode: (plain: Buffer) => Buffer])[] = [
  [undefined, (plain) => plain],
  ['identity', (plain) => plain],
  ['gzip', (plain) => zlib.gzipSync(plain, { level: 1 })],
  ['X-GZIP', (plain) => zlib.gzipSync(plain, { level: 0 })],
  ['gzip', (plain) => Buffer.concat(thirds(plain).map((part) => zlib.gzipSync(part, { level: 1 })))],
  ['deflate', (plain) => zlib.deflateSync(plain, { level: 1 })],
  ['deflate', (plain) => zlib.deflateRawSync(plain, { level: 1 })],
  ['br', (plain) => zlib.brotliCompressSync(plain, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })],
  ...(zstdCompressSync === undefined
    ? []
    : [
        ['zstd', (plain: Buffer) => zstdCompressSync(plain)] as const,
        ['zstd', (plain: Buffer) => Buffer.concat(thirds(plain).map(zstdCompressSync))] as const,
      ]),
]

const UNKNOWN: readonly string[] = ['compress', 'gzip, br', 'x-none']

const thirds = (bytes: Buffer): Buffer[] => {
  const third = Math.ceil(bytes.length / 3)
  return [0, 1, 2].map((i) => bytes.subarray(i * third, (i + 1) * third))
}

/** Bytes of that many kinds: 1 is one byte again and again, 256 is noise. */
function content(size: number, kinds: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size)
  let state = seed | 1
  for (let i = 0; i < size; i += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = 32 + ((state >>> 16) % kinds)
  }
  return bytes
}

const size = fc.oneof(
  fc.integer({ min: 0, max: 20 }),
  fc.integer({ min: 0, max: 3_000 }),
  fc.integer({ min: 60_000, max: 70_000 }),
  fc.integer({ min: 0, max: 307_200 }),
)
const coding = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...CODINGS) },
  { weight: 1, arbitrary: fc.constantFrom(...UNKNOWN) },
)
const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)
const line = (name: string, ...values: readonly string[]): fc.Arbitrary<Line> =>
  (values.length === 0 ? value : fc.constantFrom(...values)).map((text): Line => [name, text])
const lines = fc
  .tuple(
    fc.array(line('Set-Cookie'), { maxLength: 4 }),
    fc.array(fc.oneof(line('X-Dup'), line('x-dup'), line('X-Gone'), line('X-Kept', '')), { maxLength: 5 }),
    fc.array(line('Vary', 'Accept', 'Accept-Encoding, Origin'), { maxLength: 2 }),
    fc.option(line('ETag', '"v1"', 'W/"v1"', '""'), { nil: undefined }),
    fc.option(line('Repr-Digest', 'sha-256=:abc:'), { nil: undefined }),
    fc.option(line('Accept-Ranges', 'bytes'), { nil: undefined }),
    fc.option(line('Content-Type', 'text/plain', 'application/json; charset=utf-8', 'application/octet-stream'), {
      nil: undefined,
    }),
  )
  .map(([cookies, dups, vary, ...single]) => {
    const some = single.filter((field) => field !== undefined)
    return cookies.concat(dups, vary, some)
  })

export const randomResponse: fc.Arbitrary<RandomResponse> = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'GET', 'POST', 'HEAD'),
    hook: fc.constantFrom(...HOOKS),
    status: fc.oneof(
      { weight: 4, arbitrary: fc.constant(200) },
      { weight: 3, arbitrary: fc.constantFrom(201, 203, 226, 301, 400, 404, 416, 418, 500, 503, 599) },
      { weight: 2, arbitrary: fc.constantFrom(204, 205, 206, 304) },
    ),
    lines,
    size,
    kinds: fc.constantFrom(1, 2, 90, 224),
    seed: fc.integer(),
    coding,
    framing: fc.constantFrom('length', 'length', 'chunks', 'chunks', 'close'),
    pieces: fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1_000, max: 100_000 })), {
      minLength: 1,
      maxLength: 6,
    }),
  })
  .map(({ size: length, kinds, seed, coding: chosen, lines: given, ...rest }): RandomResponse => {
    const bare = rest.status === 204 || rest.status === 205 || rest.status === 304
    const made = bare ? Buffer.alloc(0) : content(length, kinds, seed)
    const [name, encode] = typeof chosen === 'string' ? [chosen, undefined] : chosen
    // A part of what is encoded cannot be undone by itself.
    const told =
      name === undefined || (rest.status === 206 && encode !== undefined) ? [] : [['Content-Encoding', name] as const]
    const encoded = encode === undefined || told.length === 0 || bare ? made : encode(made)
    const response = {
      ...rest,
      lines: [...given, ...told],
      plain: encode === undefined ? undefined : made,
      body: encoded,
    }
    // Not its bytes: a failure has to be read by somebody.
    const shown = JSON.stringify({
      ...rest,
      lines: response.lines,
      length,
      kinds,
      seed,
      coding: String(encode ?? name),
    })
    return Object.defineProperty(response, fc.toStringMethod, { value: () => shown })
  })
