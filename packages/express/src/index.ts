import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DefinitionInput, Gateway, GatewayOptions } from '@postern/core'
import { createCore, withBasePath } from '@postern/core/host'
import { handle, type HostContext, upgradeListener } from '@postern/http/bridge'
import type { Request } from 'express'

/** Middleware for `app.use`, of Express 4 and of Express 5. */
export interface ExpressGateway extends Gateway {
  (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void): void
}

/**
 * A gateway as Express middleware, for Express 4 and 5. Requests no API accepts go on to the next middleware, and so do
 * those of an API without an upstream.
 *
 * @example
 * const gateway = createGateway({ name: 'orders', listenPath: '/orders/', upstream: 'http://127.0.0.1:9000' })
 * app.use(gateway)
 */
export function createGateway(
  definition: DefinitionInput | readonly DefinitionInput[],
  options?: GatewayOptions,
): ExpressGateway {
  const core = createCore(definition, options)
  const middleware = (incoming: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void): void => {
    // Express has dressed Node's request before any middleware meets it.
    const req = incoming as Request
    handle(core, req, res, new ExpressHost(req, next))
  }
  return Object.assign(middleware, core.facade, { upgrade: upgradeListener(core) })
}

/** A class, not a literal: V8 may keep those beyond the time of what they hold (bench/NOTES.md). */
class ExpressHost implements HostContext {
  readonly originalUrl: string
  /** Not the original: a middleware above may have sent the request elsewhere, and Express routes by this one. */
  readonly target: string
  readonly basePath: string
  readonly standsBehind = true
  readonly #req: Request
  readonly #next: (error?: unknown) => void

  constructor(req: Request, next: (error?: unknown) => void) {
    this.originalUrl = req.originalUrl
    this.target = withBasePath(req.baseUrl, req.url)
    this.basePath = req.baseUrl
    this.#req = req
    this.#next = next
  }

  next(error?: unknown): void {
    // Without arguments where there is no error: whoever counts them takes one for an error.
    if (error === undefined) this.#next()
    else this.#next(error)
  }

  onMoved(): void {
    refreshQuery(this.#req)
  }
}

/** Express 4 parses the query once, before any middleware; Express 5 on every look. */
function refreshQuery(req: Request): void {
  if (!Object.hasOwn(req, 'query')) return
  const parse = req.app.get('query parser fn') as ((query: string) => Request['query']) | false
  const mark = req.url.indexOf('?')
  if (parse !== false) req.query = parse(mark === -1 ? '' : req.url.slice(mark + 1))
}
