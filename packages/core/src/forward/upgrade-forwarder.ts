import { keptListenPath } from '../definition/kept-listen-path.ts'
import { Agent as HttpAgent, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { isIP, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ProxyServer } from 'http-proxy-3'
import type { ApiDefinition } from '../api.ts'
import { UPSTREAM_DEFAULTS, type UpstreamSettings } from '../definition/upstream-defaults.ts'
import { GatewayError } from '../errors.ts'
import { endToEnd } from '../http/hop-by-hop.ts'
import { GatewayHeaders } from '../http/headers.ts'
import { GatewayRequest } from '../http/request.ts'
import { GatewayResponse } from '../http/response.ts'
import type { ByteStream } from '../http/byte-stream.ts'
import type { UpstreamUrl } from '../http/upstream-url.ts'
import type { Forwarder } from './forwarder.ts'
import type { Lease } from './lease.ts'
import type { Leases } from './leases.ts'
import { forbidden, guardedLookup, isLinkLocal } from './link-local.ts'
import { type RequestHead, requestHead } from './request-head.ts'
import { ReceivedHead } from './received-head.ts'
import { noteSending } from './sent.ts'
import { isAcceptedBy, keyOf } from './upgrade-handshake.ts'
import { refusalBody } from './upgrade-refusal.ts'
import { UpgradeSocket } from './upgrade-socket.ts'
import type { Tried } from './targets.ts'
import { upstreamError } from './upstream-error.ts'
import { goneWith } from './waiting-line.ts'

const NOTHING = Buffer.alloc(0)

/** Upgrades go their own way; one to which a plugin gave another method or a body is an ordinary request from then on. */
export function withUpgrades(plain: Forwarder, upgrade: Forwarder): Forwarder {
  return (request) => {
    if (GatewayRequest.tunnel(request) === undefined) return plain(request)
    return request.method === 'GET' && GatewayRequest.body(request).untouched ? upgrade(request) : plain(request)
  }
}

/**
 * Forwards WebSocket handshakes and what follows them through http-proxy-3. Its part is to make the connection and to move
 * bytes; what is sent, what is believed and how everything ends is decided here.
 */
export function upgradeForwarder(leases: Leases, definition: ApiDefinition): Forwarder {
  const settings = definition.upstream ?? UPSTREAM_DEFAULTS
  const pathPrefix = keptListenPath(definition)
  let proxying: Promise<ProxyServer> | undefined

  const attempt = async (request: GatewayRequest, tunnel: ByteStream, lease: Lease): Promise<Outcome> => {
    noteSending(request, lease.url)
    const socket = new UpgradeSocket(tunnel)
    const free = once(() => lease.end())
    socket.once('close', free)
    try {
      const proxy = await (proxying ??= makeProxy())
      return await new Promise((done) => {
        const head = requestHead(request, lease.url, settings, pathPrefix)
        const key = keyOf(head.headers)
        handshakes.set(
          socket,
          new Handshake({ request, lease, free, socket, definition, settings, key, target: head.target, done }),
        )
        proxy.ws(incomingOf(head), socket, NOTHING, optionsFor(lease, settings))
      })
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  return async (request) => {
    const tunnel = GatewayRequest.tunnel(request)
    if (tunnel === undefined) throw new GatewayError('PSTN_INTERNAL', 'What asks for no upgrade was forwarded as one.')
    const tried: UpstreamUrl[] = []
    let failure: GatewayError | undefined
    for (;;) {
      const lease = await leased(leases, request, tried, failure)
      const outcome = await attempt(request, tunnel, lease)
      if (outcome instanceof GatewayResponse) return outcome
      failure = outcome.error
      tried.push(lease.url)
      const gone = GatewayRequest.cancelReason(request) !== undefined
      // Only where nobody was reached: what was sent cannot be taken back.
      const again = !outcome.connected && UNREACHED.has(failure.code) && tried.length <= settings.retries
      if (gone || !again || !leases.hasOthers(request, tried)) throw failure
    }
  }
}

/** It takes 12 MB, so only those load it who have tunnels. */
async function makeProxy(): Promise<ProxyServer> {
  const { createProxyServer } = await import('http-proxy-3')
  const proxy = createProxyServer()
  // Every failure is heard by its handshake; with no second listener here the library throws it.
  proxy.on('error', () => undefined)
  proxy.on('proxyReqWs', (outgoing, _, socket) => handshakes.get(socket)?.sending(outgoing))
  return proxy
}

const UNREACHED: ReadonlySet<string> = new Set(['PSTN_UPSTREAM_UNREACHABLE', 'PSTN_UPSTREAM_TIMEOUT'])

/** That nobody else can be asked is no news beside what happened to the one who was. */
async function leased(
  leases: Leases,
  request: GatewayRequest,
  tried: Tried,
  failure: Error | undefined,
): Promise<Lease> {
  try {
    const lease = await leases.lease(request, tried)
    if (GatewayRequest.cancelReason(request) === undefined) return lease
    lease.end()
  } catch (error) {
    throw failure ?? error
  }
  throw failure ?? goneWith(request)
}

function once(run: () => void): () => void {
  let ran = false
  return () => {
    if (!ran) run()
    ran = true
  }
}

const handshakes = new WeakMap<object, Handshake>()

/** The request as the library is to send it. By these lower-case names it looks for what makes an upgrade. */
function incomingOf({ headers: lines }: RequestHead): IncomingMessage {
  const headers = Object.create(null) as Record<string, string | string[]>
  const spellings = new Map<string, string>()
  for (let i = 0; i < lines.length; i += 2) {
    const name = spellings.get(lines[i]!.toLowerCase()) ?? lines[i]!
    spellings.set(name.toLowerCase(), name)
    const before = headers[name]
    headers[name] = before === undefined ? lines[i + 1]! : [before, lines[i + 1]!].flat()
  }
  headers['connection'] = 'Upgrade'
  headers['upgrade'] = 'websocket'
  // The library writes the address it is given to `debug`: the real one, which may have a key in it, is put in its place later.
  return { method: 'GET', url: '/', headers, httpVersion: '1.1', httpVersionMajor: 1 } as unknown as IncomingMessage
}

// Left to itself, the library makes one for each connection.
const PLAIN = new HttpAgent({ keepAlive: false })
const SECURE = new HttpsAgent({ keepAlive: false })

/** A new object each time: the library writes into what it is given. */
function optionsFor({ url: to, guarded }: Lease, { verifyTls }: UpstreamSettings): object {
  const { protocol, hostname, port } = new URL(to.origin)
  // An address is not looked up.
  if (guarded && isLinkLocal(hostname.replaceAll(/[[\]]/g, ''))) throw forbidden(hostname)
  const named = to.serverName !== undefined && isIP(to.serverName.replaceAll(/[[\]]/g, '')) === 0
  return {
    target: { protocol, host: hostname, hostname, port: port === '' ? undefined : Number(port) },
    // The path is sent as it is, not joined to another one or resolved.
    toProxy: true,
    secure: verifyTls,
    agent: protocol === 'https:' ? SECURE : PLAIN,
    ssl: {
      // TLS names no server that has an address only (RFC 6066 3).
      servername: named ? to.serverName : '',
      allowHalfOpen: true,
      ...(guarded && { lookup: guardedLookup }),
      insecureHTTPParser: false,
    },
  }
}

interface HandshakeInit {
  readonly request: GatewayRequest
  readonly lease: Lease
  /** Ends the lease. */
  readonly free: () => void
  readonly socket: UpgradeSocket
  readonly definition: ApiDefinition
  readonly settings: UpstreamSettings
  /** What the upstream's answer has to fit. */
  readonly key: string
  /** Path and query. */
  readonly target: string
  readonly done: (outcome: Outcome) => void
}

/** An answer, or why there is none, and whether anybody was reached. */
type Outcome = GatewayResponse | { readonly error: GatewayError; readonly connected: boolean }

/** One opening handshake with an upstream. It hears everything before the library does. */
class Handshake {
  readonly #init: HandshakeInit
  #timer: NodeJS.Timeout | undefined
  #connected = false
  #settled = false

  constructor(init: HandshakeInit) {
    this.#init = init
  }

  sending(outgoing: ClientRequest): void {
    const { request, socket, settings, target } = this.#init
    outgoing.path = target
    outgoing.on('error', (error) => this.#failed(error))
    outgoing.on('close', () => this.#failed(new Error('The connection was closed before an answer.')))
    outgoing.on('upgrade', (message, upstream: Socket) => this.#upgraded(message, upstream))
    outgoing.on('response', (message) => this.#refused(message, outgoing))
    outgoing.on('socket', (upstream: Socket) => {
      const connected = 'encrypted' in upstream ? 'secureConnect' : 'connect'
      ;(upstream as TLSSocket).once(connected, () => {
        this.#connected = true
        this.#wait(outgoing, 'send its headers', settings.headersTimeoutMs)
      })
    })
    this.#wait(outgoing, 'connect', settings.connectTimeoutMs)
    GatewayRequest.onCancel(request, () => {
      this.#failed(goneWith(request))
      outgoing.destroy()
      socket.destroy()
    })
  }

  #wait(outgoing: ClientRequest, what: string, ms: number): void {
    clearTimeout(this.#timer)
    if (this.#settled) return
    this.#timer = setTimeout(() => {
      outgoing.destroy(new GatewayError('PSTN_UPSTREAM_TIMEOUT', `The upstream took longer than ${ms} ms to ${what}.`))
    }, ms).unref()
  }

  #upgraded(message: IncomingMessage, upstream: Socket): void {
    const { lease, free, socket, key, definition, done } = this.#init
    if (!isAcceptedBy(message.rawHeaders, key)) {
      this.#failed(
        new GatewayError('PSTN_UPSTREAM_INVALID', 'The upstream switched protocols without accepting this handshake.'),
      )
      upstream.destroy()
      return
    }
    if (!this.#settle()) {
      upstream.destroy()
      return
    }
    lease.answered(101)
    // A tunnel may stay for days: counted as a request under way, some hundreds would keep all others out.
    free()
    socket.open(upstream, definition.upgradeIdleTimeoutMs)
    const headers = new GatewayHeaders(endToEnd(message.rawHeaders))
    done(GatewayResponse.switching(headers, socket.toClient, definition.maxBufferedBytes))
  }

  #refused(message: IncomingMessage, outgoing: ClientRequest): void {
    const { definition, settings, lease, socket, done } = this.#init
    const { statusCode: status = 0, rawHeaders } = message
    const body = refusalBody(message, settings.bodyTimeoutMs)
    // The library keeps count of a socket until it is closed.
    message.once('close', () => socket.destroy())
    try {
      const headers = new ReceivedHead(status, rawHeaders).headers()
      if (!this.#settle()) return
      lease.answered(status)
      done(new GatewayResponse(status, headers, body, definition.maxBufferedBytes))
    } catch (error) {
      this.#failed(error as Error)
      outgoing.destroy()
    }
  }

  #failed(cause: Error): void {
    if (!this.#settle()) return
    const { request, lease, socket, done } = this.#init
    socket.destroy()
    // Who could not be reached is to blame for that, also where the client has lost its patience over it.
    const gone = this.#connected ? GatewayRequest.cancelReason(request) : undefined
    const error = upstreamError(cause, false, gone)
    lease.failed(error)
    done({ error, connected: this.#connected })
  }

  #settle(): boolean {
    clearTimeout(this.#timer)
    if (this.#settled) return false
    this.#settled = true
    return true
  }
}
