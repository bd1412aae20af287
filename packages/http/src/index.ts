import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DefinitionInput, Gateway, GatewayOptions } from '@postern/core'
import { createCore, refuse, withBasePath } from '@postern/core/host'
import { handle, type HostContext } from './handle.ts'
import { upgradeListener } from './upgrade.ts'
import { writeResponse } from './write-response.ts'

export { createServer, type ServerOptions } from './create-server.ts'
export { stopOnSignals, type StopOptions } from './stop-on-signals.ts'

/** A request listener for `node:http`; `next` is called for a request no API accepts, and for APIs without an upstream. */
export interface HttpGateway extends Gateway {
  (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void): void
}

/**
 * A gateway as a plain request listener.
 *
 * @example
 * const gateway = createGateway({ name: 'orders', upstream: 'http://127.0.0.1:9000' })
 * http.createServer(gateway).listen(8080)
 */
export function createGateway(
  definition: DefinitionInput | readonly DefinitionInput[],
  options?: GatewayOptions,
): HttpGateway {
  const core = createCore(definition, options)
  const listener = (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void): void => {
    try {
      handle(core, req, res, new ListenerHost(req, res, next))
    } catch (error) {
      nobodyLeft(req, res, error)
    }
  }
  return Object.assign(listener, core.facade, { upgrade: upgradeListener(core) })
}

/** What Express says of a path it has taken off, where this listener is mounted in it. */
interface Mounted extends IncomingMessage {
  readonly originalUrl?: string
  readonly baseUrl?: string
}

/** A class, not a literal: V8 may keep those beyond the time of what they hold (bench/NOTES.md). */
class ListenerHost implements HostContext {
  readonly originalUrl: string
  readonly target: string
  readonly basePath: string
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #next: ((error?: unknown) => void) | undefined

  constructor(req: IncomingMessage, res: ServerResponse, next: ((error?: unknown) => void) | undefined) {
    const { url = '/', originalUrl = url, baseUrl = '' } = req as Mounted
    this.originalUrl = originalUrl
    this.basePath = baseUrl
    this.target = baseUrl === '' ? url : withBasePath(baseUrl, url)
    this.#req = req
    this.#res = res
    this.#next = next
  }

  get standsBehind(): boolean {
    return this.#next !== undefined
  }

  /** An error never reaches the application: one that only answers would answer in the gateway's place. */
  next(error?: unknown): void {
    if (error === undefined && this.#next !== undefined) this.#next()
    else nobodyLeft(this.#req, this.#res, error)
  }
}

/** Without a `next` this listener is the whole application: it answers what nobody else will. */
function nobodyLeft(req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (error !== undefined)
    process.emitWarning(
      error instanceof Error ? error : 'A host application failed without an Error.',
      'PosternWarning',
    )
  if (res.headersSent) {
    res.destroy()
    return
  }
  const contentType = req.headers['content-type'] ?? null
  const response =
    error === undefined
      ? refuse(404, 'Not Found', contentType, 0)
      : refuse(500, 'Internal Server Error', contentType, 0)
  writeResponse(res, response, req.method ?? 'GET')
}
