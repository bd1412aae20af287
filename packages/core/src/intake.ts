import { ApiIndex, type ApiMatch } from './chain/api-index.ts'
import type { CompiledApi } from './chain/compiled-api.ts'
import { Exchange } from './chain/exchange.ts'
import { conclude } from './chain/recording.ts'
import { Running } from './chain/running.ts'
import { GatewayError, type GatewayErrorCode, stackOf } from './errors.ts'
import { isHandshake, upgradeProblem } from './forward/upgrade-handshake.ts'
import { Cancellation } from './http/cancellation.ts'
import { Client } from './http/client.ts'
import { GatewayHeaders } from './http/headers.ts'
import { headProblem, visibleLines } from './http/incoming-head.ts'
import { goesInCircles } from './http/loop.ts'
import { below, canonicalPath, parseTarget, type RequestTarget, withoutAuthority } from './http/path.ts'
import { GatewayRequest } from './http/request.ts'
import { KeptRequest } from './kept-request.ts'
import { withinTime } from './within-time.ts'
import { type Acceptance, AcceptedRequest, type Life, refused } from './accepted-request.ts'
import type { HostCall } from './host-call.ts'

/** Stage 0: one canonical spelling of the path, the longest listen path, and from then on an exchange. */
export class Intake implements Life {
  #apis: ApiIndex = new ApiIndex([])
  #passive = true
  readonly #running = new Running()
  /** Records still with their analytics plugins. */
  readonly #concluding = new Set<Promise<void>>()
  #closing: Promise<void> | undefined
  #idle: (() => void) | undefined
  /** One timer for the deadlines of all requests. */
  #sweep: NodeJS.Timeout | undefined
  readonly #kept = new KeptRequest()

  /** From the next request on these are the APIs; those that are under way keep theirs. */
  swap(apis: ApiIndex): void {
    this.#apis = apis
    this.#passive = apis.all.every((api) => api.passive)
    this.#kept.forget()
  }

  /** Undefined: no API listens there, the host goes on. */
  accept(call: HostCall): Acceptance | undefined {
    const target = parseTarget(call.target)
    const path = target === undefined ? undefined : belowMount(call.basePath, target.path)
    // No host has routed an upgrade: one that is not below the mount is nobody's here.
    const elsewhere = call.tunnel !== undefined && target !== undefined && path === undefined
    if (elsewhere && !this.#leadsAstray(call)) return undefined
    if (target === undefined || path === undefined) return this.#unreadable(call)
    const match = this.#apis.find(path)
    if (match === undefined) {
      if (call.basePath !== '') this.#warnOfDoubledMount(call, target.path)
      return this.#leadsAstray(call) ? this.#unreadable(call) : undefined
    }
    if (this.#closing !== undefined) return refused('PSTN_CLOSED', call)
    return this.#exchange(call, target, match)
  }

  /** Out of an API by dot segments: the host's router may read them as text, and be inside. */
  #leadsAstray({ target, basePath }: HostCall): boolean {
    const [raw = ''] = withoutAuthority(target).split('?', 1)
    return raw.startsWith(basePath) && this.#apis.find(raw.slice(basePath.length)) !== undefined
  }

  /** A path with two readings is dangerous where something is decided by it, and the host's own affair elsewhere. */
  #unreadable(call: HostCall): Acceptance | undefined {
    const ofServer = call.target === '*'
    if (this.#passive || (ofServer && this.#apis.find('/') === undefined)) return undefined
    // The one request that may ask about a server as a whole (RFC 9112 3.2.4); a gateway has nothing to say.
    return refused(ofServer && call.method === 'OPTIONS' ? 'PSTN_NOT_FOUND' : 'PSTN_PATH_INVALID', call)
  }

  /** Mounted at `/orders` with the listen path `/orders`, an API listens at `/orders/orders` and guards nothing else. */
  #warnOfDoubledMount({ basePath }: HostCall, path: string): void {
    const meant = this.#apis.find(path)?.api
    if (meant === undefined || meant.definition.listenPath === '/') return
    const { definition } = meant
    const { name } = definition
    meant.services.events.warn(
      `mount ${name}`,
      `API "${name}" is mounted at ${basePath}, so it listens at ${basePath}${definition.listenPath}, not at ${definition.listenPath}. Mount it at the root, or leave the mount path out of listenPath.`,
    )
  }

  close(timeoutMs: number, release: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(timeoutMs, release)
    return this.#closing
  }

  async #close(timeoutMs: number, release: () => Promise<void>): Promise<void> {
    const deadline = performance.now() + timeoutMs
    const idle = this.#running.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => (this.#idle = resolve))
    await withinTime(idle, timeoutMs)
    for (const { cancellation } of this.#running.list())
      cancellation.cancel(new GatewayError('PSTN_CLOSED', 'The gateway was closed.'))
    // What was cut has to be cut and recorded before anybody takes the process away.
    const cutting = Math.min(timeoutMs, CUTTING_MS)
    await withinTime(idle, cutting)
    clearInterval(this.#sweep)
    this.#kept.forget()
    await withinTime(Promise.all(this.#concluding), Math.max(deadline - performance.now(), cutting))
    // By now nothing useful runs: what still holds a connection is a call nobody reads.
    await release()
  }

  #exchange(call: HostCall, target: RequestTarget, { api, path, bare, respelled }: ApiMatch): Acceptance {
    const { maxBufferedBytes, underscoreHeaders } = api.definition
    const cancellation = new Cancellation()
    const lines = visibleLines(call.rawHeaders, underscoreHeaders)
    const request = new GatewayRequest({
      method: call.method,
      path,
      bare,
      search: target.search,
      originalUrl: call.originalUrl,
      headers: new GatewayHeaders(lines),
      body: () => call.body(api.definition),
      client: new Client(call.peer, lines, api.trust),
      upstream: api.upstream,
      cancellation,
      maxBufferedBytes,
      tunnel: call.tunnel,
    })
    const exchange = new Exchange(api, request, cancellation, undefined, call.httpVersion)
    this.#running.add(exchange)
    api.services.generation.enter()
    this.#watchDeadlines()
    const problem = problemOf(call)
    if (call.tunnel === undefined && isHandshake(lines)) warnOfOrdinaryHandshake(api)
    return new AcceptedRequest(exchange, call, this, problem, respelled ? undefined : target.path)
  }

  /** Not among the closures of a request, one of which holds its API: a timer keeps what any of them does. */
  #watchDeadlines(): void {
    this.#sweep ??= setInterval(() => this.#endLate(), SWEEP_MS).unref()
  }

  /** Ends what has found no answer in its time; stops looking when there is nothing to look at. */
  #endLate(): void {
    const now = performance.now()
    for (const exchange of this.#running.list()) {
      const { requestTimeoutMs } = exchange.api.definition
      if (exchange.answered || now - exchange.startedAt < requestTimeoutMs) continue
      const message = `No answer within ${requestTimeoutMs} ms (requestTimeoutMs).`
      exchange.cancellation.cancel(new GatewayError('PSTN_REQUEST_TIMEOUT', message))
    }
    this.#kept.renew()
    if (this.#running.size > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }

  get closing(): boolean {
    return this.#closing !== undefined
  }

  /** The answer of a request is out: what is left to do for it happens off the client's path. */
  finish(accepted: AcceptedRequest, status: number, cut: boolean): void {
    const { exchange } = accepted
    if (!this.#running.delete(exchange)) return
    if (!cut && !this.closing) this.#kept.offer(accepted)
    try {
      const concluding = conclude(exchange, { status, cut })
      if (concluding instanceof Promise) this.#track(concluding, exchange)
      else exchange.leave()
    } catch (error) {
      this.#unrecorded(exchange, error)
      exchange.leave()
    }
    if (this.#running.size === 0) this.#idle?.()
  }

  /** A mistake of ours. Nobody waits for this any more, and an exception here would be nobody's to catch. */
  #unrecorded({ api: { info, services } }: Exchange, error: unknown): void {
    services.records.drop()
    services.events.warn(`conclude ${info.id}`, `A request of API "${info.name}" was not recorded: ${stackOf(error)}`)
  }

  #track(concluding: Promise<void>, exchange: Exchange): void {
    this.#concluding.add(concluding)
    const done = (): void => {
      this.#concluding.delete(concluding)
      exchange.leave()
    }
    // A plugin's failure is its verdict's affair, and never rejects.
    concluding.catch((error: unknown) => this.#unrecorded(exchange, error)).then(done, done)
  }
}

/** Often enough for deadlines of minutes, too seldom to be seen in a profile. */
const SWEEP_MS = 500

/** How long connections that are cut may take to be gone. */
const CUTTING_MS = 1_000

function problemOf(call: HostCall): GatewayErrorCode | undefined {
  if (call.truncated) return 'PSTN_HEAD_TOO_LARGE'
  const problem = headProblem(call) ?? (call.tunnel === undefined ? undefined : upgradeProblem(call))
  return problem ?? (goesInCircles(call.rawHeaders) ? 'PSTN_LOOP' : undefined)
}

/** Node takes a handshake for an ordinary request where nobody listens to `upgrade`, and then the upstream does as well. */
function warnOfOrdinaryHandshake({ info, services }: CompiledApi): void {
  services.events.warn(
    `handshake ${info.id}`,
    `A WebSocket handshake for API "${info.name}" came as an ordinary request and was answered as one. Hand upgrades to the gateway: server.on('upgrade', gateway.upgrade). (warned once)`,
  )
}

/** A mounted gateway sees the whole path and takes the mount off itself, by segment: what does not fit is refused. */
function belowMount(basePath: string, path: string): string | undefined {
  if (basePath === '') return path
  const base = canonicalPath(basePath)
  return base === undefined ? undefined : below(base.replace(/\/+$/, ''), path)
}
