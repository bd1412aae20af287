import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import zlib from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contentDecoder, decodeContent } from '../../packages/core/src/http/encoding.ts'
import { ZstdFrames } from '../../packages/core/src/http/zstd-frames.ts'

const PLAIN = Buffer.from('text '.repeat(20_000))
const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Buffer, options?: object) => Buffer }

const CODINGS: readonly (readonly [name: string, encode: (bytes: Buffer) => Buffer])[] = [
  ['gzip', (bytes) => zlib.gzipSync(bytes)],
  ['x-gzip', (bytes) => zlib.gzipSync(bytes)],
  ['deflate', (bytes) => zlib.deflateSync(bytes)],
  ['deflate without its head', (bytes) => zlib.deflateRawSync(bytes)],
  ['br', (bytes) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 3 } })],
  ...(zstdCompressSync === undefined ? [] : [['zstd', (bytes: Buffer) => zstdCompressSync(bytes)] as const]),
]

const named = (name: string): string => name.split(' ')[0]!

async function streamed(name: string, chunks: readonly Buffer[]): Promise<Buffer> {
  const decoded: Buffer[] = []
  await pipeline(Readable.from(chunks), contentDecoder(named(name))!, async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) decoded.push(chunk)
  })
  return Buffer.concat(decoded)
}

const cut = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))

describe.each(CODINGS)('%s', (name, encode) => {
  it('is undone at once, and byte for byte as it comes', async () => {
    const encoded = encode(PLAIN)
    expect((await decodeContent(encoded, named(name), PLAIN.length)).equals(PLAIN)).toBe(true)
    for (const size of [1, 3, 1_000]) expect((await streamed(name, cut(encoded, size))).equals(PLAIN)).toBe(true)
  })

  it('is undone whatever it holds and however it arrives', () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5_000 }), fc.integer({ min: 1, max: 500 }), async (bytes, size) => {
        const plain = Buffer.from(bytes)
        const encoded = encode(plain)
        expect((await decodeContent(encoded, named(name), 5_000)).equals(plain)).toBe(true)
        expect((await streamed(name, cut(encoded, size))).equals(plain)).toBe(true)
      }),
      { numRuns: 50 },
    ))

  it('gives what is known of an event before the next one arrives', async () => {
    const encoder = { gzip: zlib.createGzip, deflate: zlib.createDeflate, br: zlib.createBrotliCompress }[name]
    if (encoder === undefined) return
    const source = encoder()
    const decoder = contentDecoder(name)!
    const events = source.pipe(decoder)[Symbol.asyncIterator]()
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      source.write(event)
      source.flush()
      expect(String((await events.next()).value)).toBe(event)
    }
    decoder.destroy()
    source.destroy()
  })

  it('is refused where it breaks off, at once and as it comes', async () => {
    const encoded = encode(PLAIN)
    for (const length of [1, 2, encoded.length >> 1, encoded.length - 1]) {
      const part = encoded.subarray(0, length)
      const refusal = { code: 'PSTN_RESPONSE_ENCODING' }
      await expect(decodeContent(part, named(name), PLAIN.length), `${length} bytes`).rejects.toMatchObject(refusal)
      await expect(streamed(name, cut(part, 100)), `${length} bytes`).rejects.toMatchObject(refusal)
    }
  })

  it('stops at the limit, and not before', async () => {
    const encoded = encode(PLAIN)
    expect(await decodeContent(encoded, named(name), PLAIN.length)).toHaveLength(PLAIN.length)
    await expect(decodeContent(encoded, named(name), PLAIN.length - 1)).rejects.toThrow('raise maxBufferedBytes')
  })

  it('takes no more while nobody reads', async () => {
    const pieces = cut(encode(randomBytes(5_000_000)), 10_000)
    let taken = 0
    const source = Readable.from(
      (function* () {
        for (const piece of pieces) {
          taken += 1
          yield piece
        }
      })(),
    )
    const decoder = source.pipe(contentDecoder(named(name))!)
    let before = -1
    await expect.poll(() => before === (before = taken), { interval: 30 }).toBe(true)
    expect(taken).toBeLessThan(pieces.length / 2)
    let out = 0
    for await (const chunk of decoder) out += (chunk as Buffer).length
    expect([out, taken]).toEqual([5_000_000, pieces.length])
  })

  it('is an empty body where the body is empty', async () => {
    expect(await streamed(name, [])).toHaveLength(0)
  })
})

describe('several members', () => {
  it.each(CODINGS.filter(([name]) => name === 'gzip' || name === 'zstd'))(
    'of %s are one body, wherever the chunks end',
    async (name, encode) => {
      const all = Buffer.concat([encode(Buffer.from('one, ')), encode(PLAIN), encode(Buffer.from(', three'))])
      const plain = Buffer.concat([Buffer.from('one, '), PLAIN, Buffer.from(', three')])
      expect((await decodeContent(all, name, 1_000_000)).equals(plain)).toBe(true)
      const first = encode(Buffer.from('one, ')).length
      for (const chunks of [[all], cut(all, 1), [all.subarray(0, first), all.subarray(first)]])
        expect((await streamed(name, chunks)).equals(plain)).toBe(true)
    },
  )

  it.each(['gzip', 'br', 'deflate'])('what pads %s behind its end is left out', async (name) => {
    const [, encode] = CODINGS.find(([coding]) => coding === name)!
    const all = Buffer.concat([encode(PLAIN), Buffer.alloc(100)])
    expect((await decodeContent(all, name, 1_000_000)).equals(PLAIN)).toBe(true)
    expect((await streamed(name, [...cut(all, 50), Buffer.alloc(100_000)])).equals(PLAIN)).toBe(true)
  })
})

describe('zstd', () => {
  it.runIf(zstdCompressSync === undefined)('is refused by a Node that has none, with the one that has', () => {
    expect(() => contentDecoder('zstd')).toThrow(`Node ${process.version} has no zstd, Node 22.15`)
  })

  it.skipIf(zstdCompressSync === undefined)('needs no more memory than the standard allows', async () => {
    const { ZSTD_c_windowLog } = zlib.constants as unknown as { ZSTD_c_windowLog: number }
    const encoded = zstdCompressSync!(Buffer.alloc(40_000_000, 'abcd'), { params: { [ZSTD_c_windowLog]: 25 } })
    await expect(decodeContent(encoded, 'zstd', 100_000_000)).rejects.toMatchObject({ code: 'PSTN_RESPONSE_ENCODING' })
  })

  // `hello ` and `world`; a block of one repeated byte with a checksum; a frame to be skipped, and one with all optional fields.
  const FRAMES: readonly (readonly [what: string, hex: string])[] = [
    ['a frame', '28b52ffd200631000068656c6c6f20'],
    ['a frame of an unknown size with a checksum', '28b52ffd0458290000776f726c64a1b2c3d4'],
    ['a repeated byte', '28b52ffd045853000061a1b2c3d4'],
    ['a frame of two blocks', '28b52ffd005810000061611100006262'],
    ['a frame to be skipped', '542a4d1803000000ffffff'],
    ['an empty frame to be skipped', '502a4d1800000000'],
    ['a frame with a dictionary and a size of eight bytes', '28b52ffde301020304060000000000000031000068656c6c6f20'],
    ['an empty frame', '28b52ffd2000010000'],
  ]

  it('knows where its frames end', () => {
    const frames = FRAMES.map(([, hex]) => Buffer.from(hex, 'hex'))
    const all = Buffer.concat(frames)
    for (const size of [1, 2, 5, all.length]) {
      const reader = new ZstdFrames()
      const ends: number[] = []
      let before = 0
      for (const chunk of cut(all, size)) {
        for (let at = 0; at < chunk.length;) {
          at = reader.read(chunk, at)
          if (reader.complete) ends.push(before + at)
        }
        before += chunk.length
      }
      let end = 0
      expect(ends).toEqual(frames.map(({ length }) => (end += length)))
    }
  })

  it('leaves to its decoder what is none', () => {
    const reader = new ZstdFrames()
    const bytes = Buffer.from('hello, world')
    expect([reader.read(bytes, 0), reader.complete, reader.read(bytes, 3)]).toEqual([12, false, 12])
  })
})

describe('a coding nobody can undo', () => {
  it.each([
    ['compress', 'known: gzip, x-gzip, deflate, br'],
    ['gzip, br', 'of several codings none is undone'],
    ['__proto__', 'known:'],
  ])('is refused by name: %s', (name, why) => {
    expect(() => contentDecoder(name)).toThrow(why)
  })
})
