import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Gateway } from '@postern/core'
import type { Served } from './log.ts'

/** Tells of every request when it is over. */
export class RequestWatch {
  readonly #gateway: Pick<Gateway, 'explain'>
  readonly #tell: (served: Served) => void

  constructor(gateway: Pick<Gateway, 'explain'>, tell: (served: Served) => void) {
    this.#gateway = gateway
    this.#tell = tell
  }

  /** To be called before anybody answers. */
  request(req: IncomingMessage, res: ServerResponse): void {
    const over = this.#begin(req)
    res.once('close', () => over(res.headersSent ? res.statusCode : undefined))
  }

  /** A connection that is upgraded is one request until it ends. */
  upgrade(req: IncomingMessage, socket: Duplex): void {
    const over = this.#begin(req)
    let status: number | undefined
    // The answer is written by whoever takes the connection, as bytes.
    for (const how of ['write', 'end'] as const) {
      const original = socket[how].bind(socket) as (...parameters: readonly unknown[]) => never
      socket[how] = (...parameters: readonly unknown[]) => {
        status ??= statusOf(parameters[0])
        return original(...parameters)
      }
    }
    socket.once('close', () => over(status))
  }

  #begin({ method = 'GET', url = '/' }: IncomingMessage): (status: number | undefined) => void {
    const started = performance.now()
    // Asked now: a reload may have other answers when the request is over.
    const api = this.#gateway.explain(method, url).api?.name
    return (status) =>
      this.#tell({ method, path: withoutValues(url), status, ms: round(performance.now() - started), api })
  }
}

function statusOf(head: unknown): number | undefined {
  const text =
    typeof head === 'string' ? head : head instanceof Uint8Array ? Buffer.from(head).toString('latin1', 0, 12) : ''
  const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(text) ?? []
  return status === undefined ? undefined : Number(status)
}

/** `/orders;id=7/lines?key=secret&SECRET` as `/orders/lines?key`: what is no `name=value` may be nothing but a value. */
function withoutValues(target: string): string {
  const [, path = '', query = ''] = /^([^?]*)\??(.*)$/s.exec(target) ?? []
  // The equals signs at the end of a secret in base64 make it no name.
  const names = query.split('&').flatMap((pair) => /^([^=]+)=[^=]/.exec(pair)?.[1] ?? [])
  const plain = path.replaceAll(/(?:;|%3b)[^/]*/gi, '')
  return names.length === 0 ? plain : `${plain}?${names.join('&')}`
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}
