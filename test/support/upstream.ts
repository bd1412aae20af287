import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import { type Line, linesOf } from './lines.ts'
import { type Listening, listen } from './server.ts'

/** A request as an upstream or a host route met it. */
export interface Seen {
  readonly method: string
  readonly target: string
  readonly headers: IncomingHttpHeaders
  /** Field lines as they came, in order. */
  readonly lines: readonly Line[]
  readonly body: Buffer
}

export interface Upstream extends Listening<Server> {
  /** Every request whose body has arrived, in order. */
  readonly seen: readonly Seen[]
  /** The only one; fails when there is none, or more. */
  readonly only: () => Seen
}

type Answer = (res: ServerResponse, seen: Seen, req: IncomingMessage) => void

/** An upstream that reads each request whole, remembers it and answers; `ok` when left out. */
export async function startUpstream(answer: Answer = (res) => res.end('ok')): Promise<Upstream> {
  const seen: Seen[] = []
  const listening = await listen((req, res) => {
    readRequest(req).then(
      (request) => {
        seen.push(request)
        answer(res, request, req)
      },
      () => res.destroy(),
    )
  })
  const only = (): Seen => {
    if (seen.length !== 1) throw new Error(`The upstream has met ${seen.length} requests, not one.`)
    return seen[0]!
  }
  return { ...listening, seen, only }
}

export async function readRequest(req: IncomingMessage): Promise<Seen> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return {
    method: req.method ?? '',
    target: req.url ?? '',
    headers: req.headers,
    lines: linesOf(req.rawHeaders),
    body: Buffer.concat(chunks),
  }
}
