/** A request as RFC 9112 reads it from bytes, by nobody's code but this. */
interface ReadRequest {
  readonly method: string
  readonly target: string
  readonly body: string
}

export interface ReadStream {
  /** Those that are whole and have one reading. */
  readonly requests: readonly ReadRequest[]
  /**
   * What comes behind them: nothing; the beginning of another; what has no or more than one reading; or what nobody may
   * look at, because the last one ended the connection.
   */
  readonly rest: 'nothing' | 'beginning' | 'bad' | 'ended'
}

/** More than one space is nothing but untidy. */
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) +([\u0021-\u007E\u0080-\u00FF]+) +HTTP\/(1\.[01])$/
const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\u0020-\u007E\u0080-\u00FF]*?)[ \t]*$/

export function readRequests(text: string): ReadStream {
  const requests: ReadRequest[] = []
  let at = 0
  for (;;) {
    // Empty lines between requests, also those of which only half is there: no body of anything can be hidden in them.
    while (text[at] === '\r' || text[at] === '\n') at += 1
    if (at === text.length) return { requests, rest: 'nothing' }
    const one = readOne(text, at)
    if (typeof one === 'string') return { requests, rest: one }
    requests.push(one.request)
    if (one.last) return { requests, rest: 'ended' }
    at = one.end
  }
}

interface One {
  readonly request: ReadRequest
  readonly end: number
  readonly last: boolean
}

function readOne(text: string, from: number): One | 'beginning' | 'bad' {
  const headEnd = text.indexOf('\r\n\r\n', from)
  if (headEnd === -1) return 'beginning'
  const [first = '', ...rest] = text.slice(from, headEnd).split('\r\n')
  const [, method, target, version] = REQUEST_LINE.exec(first) ?? []
  const fields = rest.map((line) => FIELD.exec(line))
  if (method === undefined || target === undefined || fields.includes(null)) return 'bad'
  const all = (wanted: string): string[] =>
    fields.filter((field) => field![1]!.toLowerCase() === wanted).map((field) => field![2]!)
  const hosts = all('host')
  if (hosts.length > 1 || (hosts.length === 0 && version === '1.1')) return 'bad'
  const [lengths, codings] = [all('content-length'), all('transfer-encoding')]
  if (lengths.length > 1 || codings.length > 1 || (lengths.length > 0 && codings.length > 0)) return 'bad'
  const connection = new Set(
    all('connection')
      .join(',')
      .toLowerCase()
      .split(',')
      .map((token) => token.trim()),
  )
  const last =
    method === 'CONNECT' ||
    connection.has('close') ||
    (version === '1.0' && !connection.has('keep-alive')) ||
    (connection.has('upgrade') && all('upgrade').length > 0)
  const start = headEnd + 4
  if (codings.length > 0) {
    if (codings[0]!.toLowerCase() !== 'chunked' || version === '1.0') return 'bad'
    const chunks = readChunks(text, start)
    if (typeof chunks === 'string') return chunks
    return { request: { method, target, body: chunks.body }, end: chunks.end, last }
  }
  const length = lengths[0] ?? '0'
  if (!/^\d{1,15}$/.test(length)) return 'bad'
  const end = start + Number(length)
  if (end > text.length) return 'beginning'
  return { request: { method, target, body: text.slice(start, end) }, end, last }
}

interface Chunks {
  readonly body: string
  readonly trailers: string
  /** A chunk has an extension, which some refuse. */
  readonly extended: boolean
  readonly end: number
}

/** A body in chunks, of a request or of an answer. */
export function readChunks(text: string, from: number): Chunks | 'beginning' | 'bad' {
  let body = ''
  let extended = false
  let at = from
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) return /^[\da-f]*(?:[ \t]*;[^\r\n]*)?\r?$/i.test(text.slice(at)) ? 'beginning' : 'bad'
    // An extension nobody knows is thrown away; Node is not strict about how one is written (RFC 9112 7.1.1).
    const line = /^([\da-f]{1,8})(?:[ \t]*;[\t\u0020-\u007E\u0080-\u00FF]+)?$/i.exec(text.slice(at, lineEnd))
    if (line === null) return 'bad'
    const size = Number.parseInt(line[1]!, 16)
    extended ||= line[0].length > line[1]!.length
    at = lineEnd + 2
    if (size === 0) return readTrailers(text, at, body, extended)
    if (text.length < at + size + 2) {
      const tail = text.slice(at + size)
      return tail === '' || tail === '\r' ? 'beginning' : 'bad'
    }
    if (text.slice(at + size, at + size + 2) !== '\r\n') return 'bad'
    body += text.slice(at, at + size)
    at += size + 2
  }
}

function readTrailers(text: string, from: number, body: string, extended: boolean): Chunks | 'beginning' | 'bad' {
  let at = from
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) return 'beginning'
    const line = text.slice(at, lineEnd)
    at = lineEnd + 2
    if (line === '') return { body, trailers: text.slice(from, at - 2), extended, end: at }
    if (!FIELD.test(line)) return 'bad'
  }
}
