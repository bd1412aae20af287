import { Readable } from 'node:stream'
import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Body, encodeBody } from '../../packages/core/src/http/body.ts'
import { ByteStream } from '../../packages/core/src/http/byte-stream.ts'
import { contentDecoder, decodeContent } from '../../packages/core/src/http/encoding.ts'
import { GatewayError } from '../../packages/core/src/errors.ts'
import { describeReplacedBody } from '../../packages/core/src/http/framing.ts'
import { GatewayHeaders } from '../../packages/core/src/http/headers.ts'

const tooLarge = (limit: number): GatewayError => new GatewayError('PSTN_BODY_TOO_LARGE', `larger than ${limit}`)
const streamOf = (...chunks: string[]): ByteStream =>
  ByteStream.from(Readable.from(chunks.map((chunk) => Buffer.from(chunk))))

describe('a body', () => {
  it('is read once and shared by everybody who asks', async () => {
    const body = new Body(streamOf('a', 'b'), 10, tooLarge)
    expect(body.untouched).toBe(true)
    const [first, second] = await Promise.all([body.bytes(), body.bytes()])
    expect([first.toString(), first === second, body.untouched]).toEqual(['ab', true, false])
    expect((await body.bytes()).toString()).toBe('ab')
    expect(body.content()).toBe(first)
  })

  it('that nobody reads stays the stream it was', () => {
    const stream = streamOf('a')
    const body = new Body(stream, 10, tooLarge)
    expect([body.content() === stream, body.untouched]).toEqual([true, true])
  })

  it('that is absent has no bytes', async () => {
    const body = new Body(undefined, 10, tooLarge)
    expect([(await body.bytes()).length, body.content()]).toEqual([0, undefined])
  })

  it('above its limit fails for everybody, also for who asks later', async () => {
    const body = new Body(streamOf('abc', 'def'), 5, tooLarge)
    await expect(body.bytes()).rejects.toThrow('larger than 5')
    await expect(body.bytes()).rejects.toThrow('larger than 5')
    await expect(body.content()).rejects.toThrow('larger than 5')
  })

  it('whose reading nobody waits for causes no unhandled rejection', async () => {
    const seen: unknown[] = []
    const listener = (reason: unknown): void => void seen.push(reason)
    process.on('unhandledRejection', listener)
    void new Body(streamOf('abc'), 1, tooLarge).bytes()
    await new Promise((resolve) => setTimeout(resolve, 10))
    process.off('unhandledRejection', listener)
    expect(seen).toEqual([])
  })

  it('that is replaced while it is read lets the reading end, but not beyond the request', async () => {
    const source = new Readable({ read: () => undefined })
    const body = new Body(ByteStream.from(source), 10, tooLarge)
    const reading = body.bytes()
    body.settle()
    body.replace(Buffer.from('new'))
    expect(source.destroyed).toBe(false)
    body.settle()
    await expect(reading).rejects.toThrow('The exchange was over')
    expect([source.destroyed, (await body.bytes()).toString()]).toEqual([true, 'new'])
  })

  it('that is abandoned ends, whoever reads it', async () => {
    const source = new Readable({ read: () => undefined })
    const body = new Body(ByteStream.from(source), 10, tooLarge)
    const reading = body.bytes()
    body.abandon()
    await expect(reading).rejects.toThrow('The exchange was over')
    expect(source.destroyed).toBe(true)
  })

  it('that is replaced gives up the old one', async () => {
    const source = new Readable({ read: () => undefined })
    const body = new Body(ByteStream.from(source), 10, tooLarge)
    body.replace(Buffer.from('new'))
    expect([source.destroyed, body.replaced, body.untouched, (await body.bytes()).toString()]).toEqual([
      true,
      true,
      false,
      'new',
    ])
  })

  it('that is replaced while somebody reads it is the new one for who asks next', async () => {
    const body = new Body(streamOf('old'), 10, tooLarge)
    const reading = body.bytes()
    body.replace(Buffer.from('new'))
    expect([(await reading).toString(), (await body.bytes()).toString()]).toEqual(['old', 'new'])
  })
})

describe('encodeBody', () => {
  it.each<[string, string | Uint8Array | object, string, string]>([
    ['text', 'é', 'é', 'text/plain; charset=utf-8'],
    ['bytes', new Uint8Array([97, 98]), 'ab', 'application/octet-stream'],
    ['a part of a buffer', new Uint8Array([97, 98, 99]).subarray(1), 'bc', 'application/octet-stream'],
    ['an object', { a: 1 }, '{"a":1}', 'application/json'],
    ['an array', [1], '[1]', 'application/json'],
  ])('makes of %s its bytes and its type', (_, input, text, type) => {
    const { content, type: found } = encodeBody(input)
    expect([(content as Buffer).toString(), found]).toEqual([text, type])
  })

  it('makes a stream of a Readable', async () => {
    const { content, type } = encodeBody(Readable.from(['a', 'b']))
    expect(type).toBe('application/octet-stream')
    expect((await (content as ByteStream).collect(10, () => tooLarge(10))).toString()).toBe('ab')
  })
})

describe('the headers of a replaced body', () => {
  const replaced = (lines: string[], body: string | object): Record<string, string> => {
    const headers = new GatewayHeaders(lines)
    const { content, type } = encodeBody(body)
    describeReplacedBody(headers, content, type)
    return Object.fromEntries(headers)
  }

  it.each<[string, string[], string | object, Record<string, string>]>([
    [
      'get the new length',
      ['Content-Length', '99', 'Content-Type', 'text/html'],
      'é',
      { 'content-length': '2', 'content-type': 'text/html' },
    ],
    [
      'get a type where there was none',
      [],
      'a',
      { 'content-length': '1', 'content-type': 'text/plain; charset=utf-8' },
    ],
    [
      'say JSON of an object',
      ['Content-Type', 'text/html'],
      {},
      { 'content-length': '2', 'content-type': 'application/json' },
    ],
    [
      'keep a JSON type of their own',
      ['Content-Type', 'application/problem+json'],
      {},
      { 'content-length': '2', 'content-type': 'application/problem+json' },
    ],
    [
      'lose what was true of the old one',
      [
        'Content-Encoding',
        'gzip',
        'Transfer-Encoding',
        'chunked',
        'Trailer',
        'x',
        'Content-MD5',
        'x',
        'Digest',
        'x',
        'Content-Digest',
        'x',
        'Repr-Digest',
        'x',
        'X-A',
        '1',
      ],
      'a',
      { 'x-a': '1', 'content-length': '1', 'content-type': 'text/plain; charset=utf-8' },
    ],
    [
      'lose the length of a stream',
      ['Content-Length', '99'],
      Readable.from([]),
      { 'content-type': 'application/octet-stream' },
    ],
  ])('%s', (_, lines, body, expected) => {
    expect(replaced(lines, body)).toEqual(expected)
  })
})

describe('decoding', () => {
  const plain = Buffer.from('text '.repeat(100))
  const CODINGS: readonly (readonly [string, Buffer])[] = [
    ['gzip', zlib.gzipSync(plain)],
    ['GZIP', zlib.gzipSync(plain)],
    [' gzip ', zlib.gzipSync(plain)],
    ['x-gzip', zlib.gzipSync(plain)],
    ['deflate', zlib.deflateSync(plain)],
    ['br', zlib.brotliCompressSync(plain)],
    ['identity', plain],
    ['', plain],
  ]

  it.each(CODINGS)('undoes %j', async (encoding, bytes) => {
    expect((await decodeContent(bytes, encoding, 1_000)).equals(plain)).toBe(true)
  })

  it('leaves what is not encoded alone', async () => {
    expect(await decodeContent(plain, null, 1)).toBe(plain)
    expect(contentDecoder(null)).toBeUndefined()
    expect(contentDecoder('identity')).toBeUndefined()
  })

  it('of nothing is nothing: a HEAD answer names an encoding and has no body', async () => {
    expect((await decodeContent(Buffer.alloc(0), 'gzip', 1)).length).toBe(0)
  })

  it.each(['gzip', 'deflate', 'br'])('of %s stops at the limit', async (encoding) => {
    const [, bytes] = CODINGS.find(([name]) => name === encoding)!
    await expect(decodeContent(bytes, encoding, 499)).rejects.toMatchObject({ code: 'PSTN_RESPONSE_TOO_LARGE' })
  })

  it.each(['gzip', 'deflate', 'br'])('of %s refuses what is not', async (encoding) => {
    await expect(decodeContent(plain, encoding, 1_000)).rejects.toMatchObject({ code: 'PSTN_RESPONSE_ENCODING' })
  })

  it.each(['gzip', 'deflate', 'br'])('of %s refuses what breaks off', async (encoding) => {
    const [, bytes] = CODINGS.find(([name]) => name === encoding)!
    const half = bytes.subarray(0, Math.floor(bytes.length / 2))
    await expect(decodeContent(half, encoding, 1_000)).rejects.toMatchObject({ code: 'PSTN_RESPONSE_ENCODING' })
  })

  it.each(['compress', 'zstd-unknown', 'gzip, br', '__proto__'])('of %j is refused by name', async (encoding) => {
    await expect(decodeContent(plain, encoding, 1_000)).rejects.toThrow(JSON.stringify(encoding))
    expect(() => contentDecoder(encoding)).toThrow(expect.objectContaining({ code: 'PSTN_RESPONSE_ENCODING' }))
  })

  it('of a stream undoes it as it flows', async () => {
    const chunks: Buffer[] = []
    for await (const chunk of Readable.from([zlib.gzipSync(plain)]).pipe(contentDecoder('gzip')!))
      chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).equals(plain)).toBe(true)
  })
})
