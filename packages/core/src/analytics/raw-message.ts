import type { Transform } from 'node:stream'
import { contentDecoder } from '../http/encoding.ts'
import { firstValue, sameName } from '../http/headers.ts'
import type { Masks } from './masks.ts'
import type { SecretValues } from './secret-values.ts'

/** A request or an answer, as it was on the wire. */
export interface RawMessage {
  /** Secrets in it are masked already. */
  readonly startLine: string
  /** Flat `[name, value, ...]`. */
  readonly lines: readonly string[]
  /** Undefined where there can be none. */
  readonly body: RawBody | undefined
  /** Nothing of the body may be shown. */
  readonly isBodySecret: boolean
}

interface RawBody {
  /** The first of them. */
  readonly bytes: Buffer
  /** How many there were; undefined when nobody knows. */
  readonly total: number | undefined
}

/** What of a body is shown; one character is one byte. */
interface Shown {
  readonly text: string
  readonly note: string | undefined
}

const NOTE = 'Postern-Note'
const FRAMING: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'content-encoding',
  NOTE.toLowerCase(),
])

/**
 * The wire form of a message with everything secret masked, in base64: start line, fields, body. The body is decoded, and
 * the fields that frame it say what is here; what was cut off or left out is said in one more field. A promise only where a
 * body has to be decoded.
 */
export function rawText(
  message: RawMessage,
  masks: Masks,
  values: SecretValues,
  limitBytes: number,
): string | Promise<string> {
  const { body, isBodySecret, lines } = message
  const write = (shown: Shown | undefined): string => written(message, shown, masks, values)
  if (body === undefined) return write(undefined)
  if (isBodySecret) return write(leftOut('it says who is calling'))
  const coding = firstValue(lines, 'content-encoding')
  if (coding === undefined || body.bytes.length === 0) return write(shownOf(body, lines, masks))
  const decoder = decoderOf(coding)
  if (decoder === undefined) return write(leftOut('its content-encoding is unknown'))
  return decoded(body, decoder, limitBytes).then(
    (plain) => write(shownOf(plain, lines, masks)),
    () => write(leftOut('it is not what its content-encoding says')),
  )
}

function leftOut(why: string): Shown {
  return { text: '', note: `the body is left out: ${why}` }
}

/** Where fields can be found in a body, so that they can be masked. */
const READABLE =
  /^\s*(?:[\w.-]+\/(?:[\w.-]+\+)?(?:json|xml)|application\/(?:x-www-form-urlencoded|x-ndjson)|multipart\/[\w-]+|text\/(?!csv|tab-)[\w.+-]+)\s*(?:;|$)/i
const LOOKS_READABLE = /^\s*(?:[{["<]|[\w%.[\]-]+=)/
const WIDE = /charset\s*=\s*"?(?:utf-?(?:16|32)|ucs-?[24])/i

function isReadable(type: string | undefined, text: string): boolean {
  return type === undefined ? LOOKS_READABLE.test(text) : READABLE.test(type) && !WIDE.test(type)
}

function shownOf({ bytes, total }: RawBody, lines: readonly string[], masks: Masks): Shown {
  const text = bytes.toString('latin1')
  const type = firstValue(lines, 'content-type')
  if (masks.hasBodyFields && text !== '' && !isReadable(type, text))
    return leftOut('secret fields cannot be found in its content-type')
  const cut = total === undefined || total > bytes.length
  const note = `the first ${bytes.length}${total === undefined ? '' : ` of ${total}`} bytes of the body`
  return { text: masks.body(text, type ?? ''), note: cut ? note : undefined }
}

function written(
  { startLine, lines, body }: RawMessage,
  shown: Shown | undefined,
  masks: Masks,
  values: SecretValues,
): string {
  const text = shown === undefined ? '' : values.removeFrom(shown.text, shown.note !== undefined)
  const head = [values.removeFrom(startLine)]
  let framed = false
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i]!
    const framing = body !== undefined && FRAMING.has(name.toLowerCase())
    framed ||= framing && !sameName(name, 'content-encoding')
    if (!framing) head.push(`${name}: ${values.removeFrom(masks.header(name, lines[i + 1]!))}`)
  }
  if (framed || text !== '') head.push(`Content-Length: ${text.length}`)
  if (shown?.note !== undefined) head.push(`${NOTE}: ${shown.note}`)
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`, 'latin1').toString('base64')
}

function decoderOf(coding: string): Transform | 'none' | undefined {
  try {
    return contentDecoder(coding) ?? 'none'
  } catch {
    // What it cannot decode, it names: nobody here could say more than that it is left out.
    return undefined
  }
}

/** The start of a body without its encoding; rejects where that is not what it says. */
async function decoded(body: RawBody, decoder: Transform | 'none', limitBytes: number): Promise<RawBody> {
  if (decoder === 'none') return body
  const whole = body.total === body.bytes.length
  const chunks: Buffer[] = []
  let length = 0
  decoder.end(body.bytes)
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      const room = limitBytes - length
      chunks.push(chunk.subarray(0, room))
      length += Math.min(chunk.length, room)
      // Leaving the loop ends the decoder.
      if (chunk.length > room) return { bytes: Buffer.concat(chunks), total: undefined }
    }
  } catch (error) {
    // The beginning of one is no whole body of its encoding; what came of it so far is its beginning all the same.
    if (whole || length === 0) throw error
  }
  return { bytes: Buffer.concat(chunks), total: whole ? length : undefined }
}
