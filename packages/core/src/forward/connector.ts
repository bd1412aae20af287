import {
  connect as connectPlain,
  isIP,
  type LookupFunction,
  type OnReadOpts,
  type Socket,
  type TcpNetConnectOpts,
} from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import { forbidden, guardedLookup, isLinkLocal } from './link-local.ts'

/** What makes two upstreams need different connections. */
export interface PoolSettings {
  readonly connectTimeoutMs: number
  readonly verifyTls: boolean
}

/** Runs something outside of the request that happens to need it first. */
export type Outside = (work: () => void) => void

/** Where to, as undici says it. */
interface Destination {
  readonly hostname: string
  /** `http:` or `https:` */
  readonly protocol: string
  /** Empty: the protocol's own. */
  readonly port: string
  readonly servername?: string | undefined
  /** Takes what is read, in place of the stream. */
  readonly onread?: OnReadOpts
}

type Connected = (...outcome: [error: null, socket: Socket | TLSSocket] | [error: Error, socket: null]) => void

/** Makes one connection; `done` is called once. */
export type Connector = (to: Destination, done: Connected) => void

const KEEP_ALIVE_PROBE_MS = 60_000

/** How connections are made; those of one connector go to one origin, and share the session of TLS. */
export function connector(settings: PoolSettings, guarded: boolean, outside: Outside): Connector {
  const lookup = guarded ? guardedLookup : undefined
  const secure = secureConnector(settings.verifyTls, lookup)
  return (to, done) => {
    // An address is not looked up.
    if (guarded && isLinkLocal(to.hostname)) done(forbidden(to.hostname), null)
    else
      outside(() => {
        const socket = to.protocol === 'https:' ? secure(to) : connectPlain(addressOf(to, 80, lookup))
        settle(socket, to, settings.connectTimeoutMs, done)
      })
  }
}

function addressOf(
  { hostname, port, onread }: Destination,
  ordinary: number,
  lookup: LookupFunction | undefined,
): TcpNetConnectOpts {
  return {
    host: hostname,
    port: port === '' ? ordinary : Number(port),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    ...(lookup !== undefined && { lookup }),
    ...(onread !== undefined && { onread }),
  }
}

/** TLS names no server that has an address only (RFC 6066 3). */
function secureConnector(
  rejectUnauthorized: boolean,
  lookup: LookupFunction | undefined,
): (to: Destination) => TLSSocket {
  let session: Buffer | undefined
  return (to) => {
    const name = to.servername ?? to.hostname
    const socket = tls.connect({
      ...addressOf(to, 443, lookup),
      servername: isIP(name.replaceAll(/[[\]]/g, '')) === 0 ? name : '',
      rejectUnauthorized,
      ALPNProtocols: ['http/1.1'],
      ...(session !== undefined && { session }),
    })
    return socket.on('session', (made) => (session = made))
  }
}

/** Until it is there, or is not; an error after that is its user's. */
function settle(socket: Socket | TLSSocket, { hostname, port }: Destination, timeoutMs: number, done: Connected): void {
  const timer = setTimeout(() => {
    const where = port === '' ? hostname : `${hostname}:${port}`
    const error = new Error(`No connection to ${where} within ${timeoutMs} ms.`)
    socket.destroy(Object.assign(error, { code: 'ERR_CONNECT_TIMEOUT' }))
  }, timeoutMs)
  const onError = (error: Error): void => {
    clearTimeout(timer)
    // What is told about it later is news to nobody.
    socket.on('error', () => undefined)
    done(error, null)
  }
  socket.once('error', onError)
  socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
    clearTimeout(timer)
    socket.off('error', onError)
    done(null, socket)
  })
}
