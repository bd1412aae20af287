import { readChunks } from './read-requests.ts'

/** What an upstream has said, read by the letter of RFC 9112. */
export type Said =
  | {
      readonly kind: 'whole'
      readonly status: number
      readonly body: string
      /** Nothing about it, or around it, lets a careful reader refuse it. */
      readonly certain: boolean
      /** A beginning of the body is all that a reader may see, and he cannot know that it is only that. */
      readonly mayEndEarly: boolean
    }
  | { readonly kind: 'broken'; readonly why: string }

/** What stands behind the number is for people, and nobody passes it on. */
const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: .*)?$/
const PLAIN = /^[\t\u0020-\u007E\u0080-\u00FF]*$/
const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\u0020-\u007E\u0080-\u00FF]*?)[ \t]*$/

const broken = (why: string): Said => ({ kind: 'broken', why })

export function readUpstream(text: string, method: string, ending: 'stays' | 'ends' | 'resets'): Said {
  let from = 0
  for (;;) {
    const headEnd = text.indexOf('\r\n\r\n', from)
    if (headEnd === -1) return broken('no head')
    const [first = '', ...lines] = text.slice(from, headEnd).split('\r\n')
    const [, minor, code] = STATUS_LINE.exec(first) ?? []
    if (code === undefined) return broken('status line')
    const status = Number(code)
    // What only announces an answer is thrown away, whatever its fields are.
    if (status >= 100 && status < 200 && status !== 101 && !lines.some((line) => /[\r\n\0]/.test(line))) {
      from = headEnd + 4
      continue
    }
    const fields = lines.map((line) => FIELD.exec(line))
    if (fields.includes(null)) return broken('fields')
    if (status < 200 || status > 599) return broken('status')
    const all = (wanted: string): string[] =>
      fields.filter((field) => field![1]!.toLowerCase() === wanted).map((field) => field![2]!)
    const framed = bodyOf(text, headEnd + 4, {
      method,
      status,
      ending,
      lengths: all('content-length'),
      codings: all('transfer-encoding'),
    })
    if (framed.kind === 'broken') return framed
    // A reset may overtake what was sent before it; a reader may count fields, and need not like what stands behind, or
    // what is no text in a reason (RFC 9112 4).
    const plain =
      ending !== 'resets' &&
      PLAIN.test(first) &&
      from === 0 &&
      minor === '1' &&
      framed.plain &&
      headEnd < 8000 &&
      all('upgrade').length === 0
    return { kind: 'whole', status, body: framed.body, certain: plain, mayEndEarly: framed.mayEndEarly }
  }
}

interface Framing {
  readonly method: string
  readonly status: number
  readonly ending: 'stays' | 'ends' | 'resets'
  readonly lengths: readonly string[]
  readonly codings: readonly string[]
}

type Framed =
  | { readonly kind: 'framed'; readonly body: string; readonly plain: boolean; readonly mayEndEarly: boolean }
  | (Said & { readonly kind: 'broken' })

function bodyOf(text: string, start: number, { method, status, ending, lengths, codings }: Framing): Framed {
  const no = (why: string): Framed => ({ kind: 'broken', why })
  const one = (body: string, end: number, plain = true, mayEndEarly = false): Framed => ({
    kind: 'framed',
    body,
    plain: plain && end === text.length,
    mayEndEarly,
  })
  if (lengths.length > 0 && codings.length > 0) return no('two framings')
  if (lengths.length > 1 || (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0]!))) return no('lengths')
  const unreadable = codings.length > 1 || (codings.length === 1 && codings[0]!.toLowerCase() !== 'chunked')
  // Nobody can tell whether what follows is a body; a coding nobody knows may be refused all the same.
  if (method === 'HEAD' || status === 204 || status === 304) return one('', start, !unreadable)
  if (codings.length > 0) {
    if (unreadable) return no('codings')
    const chunks = readChunks(text, start)
    return typeof chunks === 'string'
      ? no(`chunks: ${chunks}`)
      : one(chunks.body, chunks.end, chunks.trailers === '' && !chunks.extended)
  }
  if (lengths.length === 1) {
    const end = start + Number(lengths[0])
    return end > text.length ? no('short') : one(text.slice(start, end), end)
  }
  // A reset that comes at once is no more than an end to whoever reads slowly, and what the system of the upstream had not
  // sent by then it throws away.
  return ending === 'stays' ? no('no end') : one(text.slice(start), text.length, true, ending === 'resets')
}
