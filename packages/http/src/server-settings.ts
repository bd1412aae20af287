import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'

/** What a server says of itself; Node keeps the options it was made with under the same names. */
interface Settings extends Pick<Server, 'headersTimeout' | 'requestTimeout' | 'maxHeadersCount'> {
  readonly insecureHTTPParser?: boolean
  readonly requireHostHeader?: boolean
}

/**
 * Node shows this many fields of a request where `server.maxHeadersCount` is not set, and drops the others silently; newer
 * versions (24.21) refuse such a request.
 */
const SHOWN_BY_DEFAULT = 1_000

const checked = new WeakSet<object>()
const askingForHost = new WeakSet<object>()

/** This server refuses requests without a Host itself, whatever its settings say. */
export function asksForHost(server: object): void {
  askingForHost.add(server)
}

/** Whether the server has dropped fields of this request. */
export function isTruncated(req: IncomingMessage): boolean {
  const fields = req.rawHeaders.length / 2
  // Nearly all requests are told apart without asking the server.
  if (fields < SHOWN_BY_DEFAULT && fields < (serverOf(req)?.maxHeadersCount || SHOWN_BY_DEFAULT)) return false
  const most = serverOf(req)?.maxHeadersCount ?? SHOWN_BY_DEFAULT
  return most > 0 && fields >= most
}

/** What a server is told a connection with. */
export function connectionEvent(server: Server): 'connection' | 'secureConnection' {
  return server instanceof TlsServer ? 'secureConnection' : 'connection'
}

/** Warns once for each server about settings that let through what a gateway cannot see. */
export function checkServer(req: IncomingMessage): void {
  const server = serverOf(req)
  if (server === undefined || checked.has(server)) return
  checked.add(server)
  const risks = [
    ...(server.headersTimeout === 0
      ? ['headersTimeout is 0: a client that never ends its request head holds its connection for ever']
      : []),
    ...(server.requestTimeout === 0
      ? ['requestTimeout is 0: a client that never ends its request holds its connection for ever']
      : []),
    ...(server.insecureHTTPParser === true
      ? ['insecureHTTPParser is on: requests with two readings reach the application']
      : []),
    ...(server.requireHostHeader === false && !askingForHost.has(server)
      ? ['requireHostHeader is off: requests without a Host reach the application']
      : []),
  ]
  for (const risk of risks)
    process.emitWarning(
      `The server in front of the gateway is not safe: ${risk}. createServer of @postern/http has safe settings.`,
      'PosternWarning',
    )
}

function serverOf(req: IncomingMessage): Settings | undefined {
  return (req.socket as Socket & { readonly server?: Settings | undefined }).server
}
