import type { Server, Socket } from 'node:net'
import type { Line } from './lines.ts'
import { listenRaw } from './server.ts'

/** A request as it was on the wire between the gateway and its upstream. */
export interface WireRequest {
  readonly method: string
  readonly target: string
  readonly lines: readonly Line[]
  readonly body: string
  /** How its end was marked. */
  readonly framing: 'none' | 'length' | 'chunked'
  /** The how-manieth on its connection, from 0. */
  readonly turn: number
}

export interface StrictUpstream {
  readonly url: string
  readonly port: number
  /** Complete requests, in the order in which they were complete. */
  readonly seen: readonly WireRequest[]
  /** What no message may have (RFC 9112); the connection it came on was cut. */
  readonly violations: readonly string[]
  readonly server: Server
  readonly connections: () => number
  /** Connections that ended in the middle of a request. */
  readonly torn: () => number
}

type WireAnswer = (request: WireRequest, socket: Socket) => string | undefined

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\/[\u0021-\u007E]*|\*) HTTP\/1\.1$/

/** `body` as an answer with its length. */
export function wireAnswer(body: string, status = '200 OK', fields = ''): string {
  return `HTTP/1.1 ${status}\r\n${fields}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/**
 * An upstream that reads bytes by the letter of RFC 9112 and takes nothing it does not allow. Answers
 * `METHOD target` unless told otherwise; `undefined` as an answer means that `answer` has written to the socket itself.
 */
export async function strictUpstream(
  answer: WireAnswer = ({ method, target }) => wireAnswer(method === 'HEAD' ? '' : `${method} ${target}`),
): Promise<StrictUpstream> {
  const seen: WireRequest[] = []
  const violations: string[] = []
  let torn = 0
  const listening = await listenRaw((socket) => {
    let received = ''
    let turn = 0
    const violate = (what: string): void => {
      violations.push(`${what} in ${JSON.stringify(received.slice(0, 200))}`)
      socket.destroy()
    }
    const take = (): void => {
      for (;;) {
        if (received === '') return
        const parsed = parse(received, turn)
        if (typeof parsed === 'string') return violate(parsed)
        if (parsed === undefined) return
        received = received.slice(parsed.bytes)
        turn += 1
        seen.push(parsed.request)
        const text = answer(parsed.request, socket)
        if (text !== undefined) socket.write(text, 'latin1')
      }
    }
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      take()
    })
    socket.on('close', () => (torn += received === '' ? 0 : 1))
  })
  return { ...listening, seen, violations, torn: () => torn }
}

interface Parsed {
  readonly request: WireRequest
  readonly bytes: number
}

/** A whole request from the beginning of the text, undefined while it is not whole, or what is wrong with it. */
function parse(text: string, turn: number): Parsed | string | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return text.length > 1_048_576 ? 'an endless head' : undefined
  const [requestLine = '', ...fields] = text.slice(0, end).split('\r\n')
  const [, method, target] = REQUEST_LINE.exec(requestLine) ?? []
  if (method === undefined || target === undefined) return 'a broken request line'
  const lines: Line[] = []
  for (const field of fields) {
    const colon = field.indexOf(':')
    const name = field.slice(0, colon)
    const value = field.slice(colon + 1).trim()
    if (colon < 1 || !TOKEN.test(name) || /[^\t\u0020-\u007E\u0080-\u00FF]/.test(value)) return 'a broken field line'
    lines.push([name, value])
  }
  const all = (wanted: string): string[] =>
    lines.filter(([name]) => name.toLowerCase() === wanted).map((line) => line[1])
  if (all('host').length !== 1) return `${all('host').length} Host lines`
  const lengths = all('content-length')
  const codings = all('transfer-encoding')
  if (lengths.length > 1 || codings.length > 1 || (lengths.length > 0 && codings.length > 0)) return 'two framings'
  const start = end + 4
  if (codings.length > 0) {
    if (codings[0] !== 'chunked') return 'a coding that is not chunked'
    const body = chunks(text.slice(start))
    if (typeof body !== 'object') return body
    return {
      request: { method, target, lines, body: body.content, framing: 'chunked', turn },
      bytes: start + body.bytes,
    }
  }
  if (lengths.length === 0) return { request: { method, target, lines, body: '', framing: 'none', turn }, bytes: start }
  if (!/^\d+$/.test(lengths[0]!)) return 'a length that is no number'
  const bytes = start + Number(lengths[0])
  if (text.length < bytes) return undefined
  return { request: { method, target, lines, body: text.slice(start, bytes), framing: 'length', turn }, bytes }
}

function chunks(text: string): { readonly content: string; readonly bytes: number } | string | undefined {
  let content = ''
  let at = 0
  for (;;) {
    const end = text.indexOf('\r\n', at)
    if (end === -1) return undefined
    const size = text.slice(at, end)
    if (!/^[\da-f]+$/i.test(size)) return 'a broken chunk size'
    const from = end + 2
    const to = from + Number.parseInt(size, 16)
    if (text.length < to + 2) return undefined
    if (text.slice(to, to + 2) !== '\r\n') return 'a chunk that does not end'
    content += text.slice(from, to)
    at = to + 2
    if (to === from) return { content, bytes: at }
  }
}
