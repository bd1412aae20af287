import type { Transform } from 'node:stream'
import zlib from 'node:zlib'
import { describe, GatewayError } from '../errors.ts'
import { type Coding, ContentDecoder } from './content-decoder.ts'
import { ZstdFrames } from './zstd-frames.ts'

const GZIP = (): Coding => ({ start: () => zlib.createGunzip() })

/** Many servers call by this name what has neither head nor sum, which RFC 9110 8.4.1.2 knows and all clients take. */
const DEFLATE = (): Coding => ({
  start: (beginning) => (hasZlibHeader(beginning) ? zlib.createInflate() : zlib.createInflateRaw()),
})

const BROTLI = (): Coding => ({ start: () => zlib.createBrotliDecompress() })

/** Node has it since 22.15. */
const { createZstdDecompress } = zlib as {
  createZstdDecompress?: (options: { readonly params: Readonly<Record<number, number>> }) => Transform
}
const WINDOW_LOG_MAX = (zlib.constants as { ZSTD_d_windowLogMax?: number }).ZSTD_d_windowLogMax ?? 100

/** Nobody may need more than 8 MiB to undo it (RFC 9659 3). */
const zstdWith = (create: NonNullable<typeof createZstdDecompress>) => (): Coding => {
  const frames = new ZstdFrames()
  return {
    start: () => create({ params: { [WINDOW_LOG_MAX]: 23 } }),
    pieces(chunk) {
      const pieces: Buffer[] = []
      for (let at = 0; at < chunk.length;) {
        const end = frames.read(chunk, at)
        pieces.push(chunk.subarray(at, end))
        at = end
      }
      return pieces
    },
    isWhole: () => frames.complete,
  }
}

const CODINGS: ReadonlyMap<string, () => Coding> = new Map([
  ['gzip', GZIP],
  ['x-gzip', GZIP],
  ['deflate', DEFLATE],
  ['br', BROTLI],
  ...(createZstdDecompress === undefined ? [] : [['zstd', zstdWith(createZstdDecompress)] as const]),
])

/** One layer of `content-encoding` undone, with a cap on what comes out of it (a small answer can hold gigabytes). */
export async function decodeContent(bytes: Buffer, encoding: string | null, limitBytes: number): Promise<Buffer> {
  // In whatever coding: a HEAD names one and has no body.
  if (bytes.length === 0) return bytes
  const decoder = contentDecoder(encoding)
  if (decoder === undefined) return bytes
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    decoder.on('data', (chunk: Buffer) => {
      length += chunk.length
      chunks.push(chunk)
      if (length <= limitBytes) return
      decoder.destroy()
      reject(
        new GatewayError(
          'PSTN_RESPONSE_TOO_LARGE',
          `The response is larger than ${limitBytes} bytes once decoded; raise maxBufferedBytes or use transform().`,
        ),
      )
    })
    decoder.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
    decoder.on('error', reject)
    decoder.end(bytes)
  })
}

/** The decoder of a streamed answer, or undefined when there is nothing to undo. */
export function contentDecoder(encoding: string | null): Transform | undefined {
  const name = encoding?.trim().toLowerCase()
  if (name === undefined || name === '' || name === 'identity') return undefined
  const coding = CODINGS.get(name)
  if (coding === undefined) throw new GatewayError('PSTN_RESPONSE_ENCODING', unknownCoding(name))
  return new ContentDecoder(name, coding())
}

function unknownCoding(name: string): string {
  const what = `Cannot decode content-encoding ${describe(name)}`
  if (name === 'zstd')
    return `${what}: Node ${process.version} has no zstd, Node 22.15 and later have. Run one of these, or take zstd off accept-encoding in a pre plugin.`
  if (name.includes(',')) return `${what}: of several codings none is undone. The upstream has to apply one.`
  return `${what}; known: ${[...CODINGS.keys()].join(', ')}.`
}

/** RFC 1950 2.2: the method is 8, and both bytes together are a multiple of 31. */
function hasZlibHeader(beginning: Buffer): boolean {
  return (beginning[0]! & 0x0f) === 8 && beginning.length > 1 && beginning.readUInt16BE(0) % 31 === 0
}
