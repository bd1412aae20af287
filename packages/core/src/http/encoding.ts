import type { Transform } from 'node:stream'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { describe, GatewayError } from '../errors.ts'

type Decode = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

// An empty body carries its content-encoding too; whether a body is whole, its framing says, not its compression.
const TO_THE_END = { finishFlush: zlib.constants.Z_SYNC_FLUSH }

const DECODERS = new Map<string, { readonly all: Decode; readonly stream: () => Transform }>([
  [
    'gzip',
    { all: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip), stream: () => zlib.createGunzip(TO_THE_END) },
  ],
  [
    'x-gzip',
    { all: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip), stream: () => zlib.createGunzip(TO_THE_END) },
  ],
  [
    'deflate',
    { all: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate), stream: () => zlib.createInflate(TO_THE_END) },
  ],
  [
    'br',
    {
      all: promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress),
      stream: () => zlib.createBrotliDecompress({ finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH }),
    },
  ],
])

/** One layer of `content-encoding` undone, with a cap on what comes out of it (a small answer can hold gigabytes). */
export async function decodeContent(bytes: Buffer, encoding: string | null, limitBytes: number): Promise<Buffer> {
  const name = codingOf(encoding)
  if (name === undefined || bytes.length === 0) return bytes
  const decoder = decoderOf(name)
  try {
    return await decoder.all(bytes, { maxOutputLength: limitBytes })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new GatewayError(
        'PSTN_RESPONSE_TOO_LARGE',
        `The response is larger than ${limitBytes} bytes once decoded; raise maxBufferedBytes or use transform().`,
        { cause },
      )
    }
    throw new GatewayError(
      'PSTN_RESPONSE_ENCODING',
      `The response is not valid ${name}, though its content-encoding says so.`,
      { cause },
    )
  }
}

/** The decoder of a streamed answer, or undefined when there is nothing to undo. */
export function contentDecoder(encoding: string | null): Transform | undefined {
  const name = codingOf(encoding)
  return name === undefined ? undefined : decoderOf(name).stream()
}

function codingOf(encoding: string | null): string | undefined {
  const name = encoding?.trim().toLowerCase()
  return name === undefined || name === '' || name === 'identity' ? undefined : name
}

function decoderOf(name: string): { readonly all: Decode; readonly stream: () => Transform } {
  const decoder = DECODERS.get(name)
  if (decoder !== undefined) return decoder
  throw new GatewayError(
    'PSTN_RESPONSE_ENCODING',
    `Cannot decode content-encoding ${describe(name)}; known: ${[...DECODERS.keys()].join(', ')}.`,
  )
}
