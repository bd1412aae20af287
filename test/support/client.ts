import { type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import { Readable } from 'node:stream'
import { type Line, linesOf } from './lines.ts'

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Field lines as they came, in order. */
  readonly lines: readonly Line[]
  readonly body: Buffer
  readonly text: string
  /** False when the connection broke before the end of the answer. */
  readonly complete: boolean
}

export interface SendInit {
  readonly method?: string
  /** An object, or Node's flat `[name, value, ...]` for duplicates and exact order. */
  readonly headers?: OutgoingHttpHeaders | readonly string[]
  readonly body?: string | Uint8Array | Readable
}

/** One request on its own connection, its target sent as it is written; nothing is followed, decoded or normalised. */
export async function send(base: string, target = '/', init: SendInit = {}): Promise<Reply> {
  const res = await open(base, target, init)
  const chunks: Buffer[] = []
  try {
    for await (const chunk of res) chunks.push(chunk as Buffer)
  } catch {
    // Broken off: `complete` says so.
  }
  const body = Buffer.concat(chunks)
  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    lines: linesOf(res.rawHeaders),
    body,
    text: body.toString(),
    complete: res.complete,
  }
}

/** The same, answered as soon as the head is there; the body is the caller's to read or to destroy. */
export function open(base: string, target = '/', init: SendInit = {}): Promise<IncomingMessage> {
  const { hostname, port, host } = new URL(base)
  const { method = 'GET', headers = {}, body } = init
  return new Promise((resolve, reject) => {
    const all = Array.isArray(headers) ? ['Host', host, ...(headers as readonly string[])] : headers
    const req = request({ hostname, port, path: target, method, headers: all as OutgoingHttpHeaders, agent: false })
    // After the head, a broken connection shows on the response.
    req.on('error', reject).on('response', (res) => resolve(res.on('error', () => undefined)))
    if (body instanceof Readable) body.pipe(req)
    else req.end(body)
  })
}

/** The events of an event stream, one at a time. */
export class EventReader {
  readonly #chunks: AsyncIterator<Buffer>
  #text = ''

  constructor(res: IncomingMessage) {
    this.#chunks = res[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  /** The next event, without the empty line that ends it; undefined at the end of the stream. */
  async next(): Promise<string | undefined> {
    let end = this.#text.indexOf('\n\n')
    while (end === -1) {
      const { done, value } = await this.#chunks.next()
      if (done === true) return undefined
      this.#text += value.toString()
      end = this.#text.indexOf('\n\n')
    }
    const event = this.#text.slice(0, end)
    this.#text = this.#text.slice(end + 2)
    return event
  }
}
