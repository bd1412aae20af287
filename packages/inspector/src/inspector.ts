import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Gateway } from '@postern/core'
import { type Access, mayLook } from './access.ts'
import { Audience } from './audience.ts'
import { Observation } from './observation.ts'
import { sendPage } from './page.ts'

export interface InspectorOptions {
  /** Who may look. Without it only connections over loopback may, asked for under a loopback name, and through no proxy. */
  readonly access?: Access | undefined
  /** How many of the last requests are kept. Default 200, at most 2,000. */
  readonly requests?: number | undefined
}

/** A request listener of node:http, and a middleware of Express. Answers whatever path it is given: mount it on one of its own. */
export interface Inspector {
  (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void): void
  /** Ends all pages and stops watching; a server cannot close before. */
  close(): void
}

type Watched = Pick<Gateway, 'apis' | 'explain' | 'on'>

const MOST_REQUESTS = 2_000

/**
 * Nothing is recorded until somebody opens the page, nor a minute after the last one has left it.
 *
 * @example
 * app.use('/inspector', createInspector(gateway, { access: (req) => isOperator(req) }))
 */
export function createInspector(gateway: Watched, { access, requests = 200 }: InspectorOptions = {}): Inspector {
  if (!Number.isInteger(requests) || requests < 1 || requests > MOST_REQUESTS)
    throw new RangeError(`requests is ${requests}: an integer from 1 to ${MOST_REQUESTS} would do.`)
  if (access !== undefined && typeof access !== 'function')
    throw new TypeError('access is not a function: (req) => boolean, or a promise of one, would do.')
  const observation = new Observation(gateway, requests)
  const audience = new Audience(observation)

  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const refusal = await mayLook(req, access)
    if (refusal !== undefined) {
      refuse(res, 403, refusal)
      return
    }
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      refuse(res.setHeader('allow', 'GET, HEAD'), 405, 'The inspector only shows: GET or HEAD.')
      return
    }
    const { pathname, search } = new URL(req.url ?? '/', 'http://localhost')
    // Express has taken the mount off; what is left belongs to somebody else.
    if ('baseUrl' in req && pathname !== '/') {
      refuse(res, 404, 'The inspector is one page.')
      return
    }
    if (search !== '?events') sendPage(res)
    else if (!audience.admit(res)) refuse(res, 503, 'Too many pages of the inspector are open.')
  }
  const inspector = (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void): void => {
    answer(req, res).catch((error: unknown) => {
      if (next !== undefined) next(error)
      else if (res.headersSent) res.destroy()
      else refuse(res, 400, 'The request target cannot be read.')
    })
  }
  return Object.assign(inspector, {
    close: () => {
      audience.close()
      observation.close()
    },
  })
}

function refuse(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  res.end(`${text}\n`)
}
