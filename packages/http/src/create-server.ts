import { createServer as createPlainServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer, type ServerOptions as TlsOptions } from 'node:https'
import type { Socket } from 'node:net'
import { describe, GatewayError, isFields, suggest } from '@postern/core/host'
import { checkListener } from './check-listener.ts'
import { guardServer } from './guard-server.ts'
import { networkOf } from './network.ts'

/** What `createServer` takes; milliseconds and bytes. */
export interface ServerOptions {
  /** A request head may take. Default 15,000; 408 above. */
  readonly headersTimeoutMs?: number
  /** A whole request may take to come in. Default 300,000; 408 above. */
  readonly requestTimeoutMs?: number
  /** A connection may wait for its next request. Default 5,000. */
  readonly keepAliveTimeoutMs?: number
  /** A connection may be silent both ways while a request is worked on. Default 320,000. */
  readonly idleTimeoutMs?: number
  /** All header fields of a request together. Default 16,384; 431 above. */
  readonly maxHeaderBytes?: number
  /** Connections at once. Default: no limit. */
  readonly maxConnections?: number
  /** Connections at once from one address; an IPv6 network of 64 bits is one. Default: no limit. */
  readonly maxConnectionsPerAddress?: number
  /** Certificate and key, or what else `https.createServer` takes: the server speaks HTTPS. */
  readonly tls?: TlsOptions
}

/**
 * `http.createServer` with settings that are safe for a server strangers can reach, for any listener: a gateway, an
 * Express app, `app.callback()` of Koa. Node's own defaults leave some of them open; `docs/budgets.md` lists all.
 *
 * @example
 * createServer(app).listen(8080)
 */
export function createServer(listener: RequestListener, options: ServerOptions = {}): Server {
  checkListener(listener, options)
  checkOptions(options)
  const requestTimeout = options.requestTimeoutMs ?? 300_000
  const settings = {
    ...options.tls,
    insecureHTTPParser: false,
    // Asked for by the guard, which ends the connection as well.
    requireHostHeader: false,
    maxHeaderSize: options.maxHeaderBytes ?? 16_384,
    // Node refuses one that is longer than the whole request may take.
    headersTimeout: options.headersTimeoutMs ?? Math.min(15_000, requestTimeout || 15_000),
    requestTimeout,
    keepAliveTimeout: options.keepAliveTimeoutMs ?? 5_000,
    // Node looks for late requests every 30 seconds: a deadline is kept to this.
    connectionsCheckingInterval: 500,
    // From Node 24.9 on; without it an upgrade nobody here could take ends its connection.
    shouldUpgradeCallback: (req: IncomingMessage) =>
      server.listenerCount('upgrade') > 0 && !/^(?:h2c|tls\/)/i.test(req.headers.upgrade ?? ''),
  }
  const server: Server = options.tls === undefined ? createPlainServer(settings) : createSecureServer(settings)
  // None: the size of the head bounds their number, and above a number Node drops fields without a word.
  server.maxHeadersCount = 0
  server.timeout = options.idleTimeoutMs ?? 320_000
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections
  if (options.maxConnectionsPerAddress !== undefined) limitPerAddress(server, options.maxConnectionsPerAddress)
  guardServer(server, listener)
  return server
}

const KNOWN = [
  'headersTimeoutMs',
  'requestTimeoutMs',
  'keepAliveTimeoutMs',
  'idleTimeoutMs',
  'maxHeaderBytes',
  'maxConnections',
  'maxConnectionsPerAddress',
  'tls',
]

/** Those of `https.createServer` that most write beside the others. */
const OF_TLS = ['key', 'cert', 'ca', 'pfx', 'passphrase']

/** A limit that is misspelt would be none. */
function checkOptions(options: ServerOptions): void {
  if (!isFields(options))
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `createServer's options are ${describe(options)}; expected an object such as { tls: { key, cert } }.`,
    )
  for (const [name, value] of Object.entries<unknown>(options)) {
    if (!KNOWN.includes(name))
      throw new GatewayError(
        'PSTN_OPTIONS_INVALID',
        `Unknown option "${name}"; ${tlsHint(name, options)}${suggest(name, KNOWN)}.`,
      )
    if (name === 'tls' && value !== undefined && !isFields(value))
      throw new GatewayError(
        'PSTN_OPTIONS_INVALID',
        `createServer's tls is ${describe(value)}; expected an object such as { key, cert }, or nothing for plain HTTP.`,
      )
    // 0 switches a deadline of Node's off; as a limit it means none, Node's own, or nobody at all.
    const least = name.startsWith('max') ? 1 : 0
    if (name !== 'tls' && value !== undefined && !(Number.isInteger(value) && (value as number) >= least))
      throw new GatewayError(
        'PSTN_OPTIONS_INVALID',
        `createServer's ${name} is ${describe(value)}; expected an integer, ${least} or more.`,
      )
  }
}

function tlsHint(name: string, options: object): string {
  if (!OF_TLS.includes(name)) return ''
  return `write tls: { ${OF_TLS.filter((one) => one in options).join(', ')} }; `
}

function limitPerAddress(server: Server, most: number): void {
  const open = new Map<string, number>()
  const counted = new WeakSet<Socket>()
  server.on('connection', (socket: Socket) => {
    // One that an upgrade gave back comes again.
    if (counted.has(socket)) return
    counted.add(socket)
    const network = networkOf(socket.remoteAddress ?? '')
    const count = (open.get(network) ?? 0) + 1
    if (count > most) {
      socket.destroy()
      return
    }
    open.set(network, count)
    socket.once('close', () => {
      const left = (open.get(network) ?? 1) - 1
      if (left === 0) open.delete(network)
      else open.set(network, left)
    })
  })
}
