import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { checkServer, checkStopOptions, type Closable, gatewaysOf } from './check-stop.ts'
import { connectionEvent } from './server-settings.ts'

/** What `stopOnSignals` takes. */
export interface StopOptions {
  /** Milliseconds requests in flight, streams and WebSockets may still take. Default 10,000. */
  readonly graceMs?: number
  /** Default `SIGTERM` and `SIGINT`. */
  readonly signals?: readonly NodeJS.Signals[]
  /**
   * Called once at the end, with how many answers were cut. Event streams and WebSockets have no end of their own and do
   * not count. Default: ends the process, with 0 or, where one was cut, with 1.
   */
  readonly onStopped?: (cut: number) => void
}

/** What is left to do when every connection is gone: records, and connections of the gateway's own. */
const AFTERWARDS_MS = 500

/** What was sent before the signal has been read by then. */
const ON_THE_WAY_MS = 200

/**
 * Ends a server as an orchestrator expects it: takes no more connections, answers what is in flight with
 * `Connection: close`, closes idle connections at once and the rest when `graceMs` have passed. A second signal does not
 * wait. Returns the function that stops listening to signals. To be called before the server has its first connection.
 *
 * @param gateways what is behind the server, one or several
 * @example
 * const server = createServer(app)
 * stopOnSignals(server, gateway)
 * server.listen(8080)
 */
export function stopOnSignals(
  server: Server,
  gateways: Closable | readonly Closable[],
  options: StopOptions = {},
): () => void {
  checkServer(server)
  checkStopOptions(options)
  const { graceMs = 10_000, signals = ['SIGTERM', 'SIGINT'], onStopped = exit } = options
  const stopping = new Stopping(server, gatewaysOf(gateways), graceMs, onStopped)
  const onSignal = (): void => stopping.signal()
  for (const signal of signals) process.on(signal, onSignal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
    stopping.forget()
  }
}

const REQUESTS = ['request', 'checkContinue'] as const

class Stopping {
  readonly #server: Server
  readonly #gateways: readonly Closable[]
  readonly #graceMs: number
  readonly #onStopped: (cut: number) => void
  readonly #open = new Set<ServerResponse>()
  /** The server forgets those that were upgraded. */
  readonly #connections = new Set<Socket>()
  #state: 'running' | 'stopping' | 'stopped' = 'running'

  constructor(server: Server, gateways: readonly Closable[], graceMs: number, onStopped: (cut: number) => void) {
    this.#server = server
    this.#gateways = gateways
    this.#graceMs = graceMs
    this.#onStopped = onStopped
    server.on(connectionEvent(server), this.#onConnection)
    for (const event of REQUESTS) {
      // Without a listener Node sends the 100 itself and the request to `request`; with one it does neither.
      if (event === 'request' || server.listenerCount(event) > 0) server.prependListener(event, this.#onRequest)
    }
  }

  signal(): void {
    if (this.#state === 'running') void this.#stop()
    else this.#end(this.#cut())
  }

  forget(): void {
    this.#server.off(connectionEvent(this.#server), this.#onConnection)
    for (const event of REQUESTS) this.#server.off(event, this.#onRequest)
  }

  readonly #onConnection = (socket: Socket): void => {
    // One that an upgrade gave back comes again.
    if (this.#connections.has(socket)) return
    this.#connections.add(socket)
    socket.once('close', () => this.#connections.delete(socket))
  }

  readonly #onRequest = (_: IncomingMessage, res: ServerResponse): void => {
    if (this.#state !== 'running') res.shouldKeepAlive = false
    this.#open.add(res)
    res.once('close', () => {
      this.#open.delete(res)
      // Its head may have promised that the connection stays.
      if (this.#state !== 'running') setImmediate(() => this.#server.closeIdleConnections())
    })
  }

  async #stop(): Promise<void> {
    this.#state = 'stopping'
    for (const res of this.#open) if (!res.headersSent) res.shouldKeepAlive = false
    // The deadline of the requests is ours, so that what they lose can be counted; the gateway's is for what comes after.
    const timeoutMs = this.#graceMs + AFTERWARDS_MS
    const gatewaysClosed = Promise.all(this.#gateways.map((gateway) => closeGateway(gateway, timeoutMs)))
    const serverClosed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    setTimeout(() => this.#endUnused(), ON_THE_WAY_MS).unref()
    const inTime = await within(Promise.all([gatewaysClosed, serverClosed]), this.#graceMs)
    const cut = inTime ? 0 : this.#cut()
    if (!inTime) await within(gatewaysClosed, AFTERWARDS_MS)
    this.#end(cut)
  }

  /** Browsers and balancers open connections ahead, and to Node those are not idle. */
  #endUnused(): void {
    for (const socket of this.#connections) if (socket.bytesRead === 0) socket.destroy()
  }

  /** Ends all connections; how many answers that has cut. */
  #cut(): number {
    const cut = [...this.#open].filter((res) => !isEventStream(res)).length
    this.#server.closeAllConnections()
    for (const socket of this.#connections) socket.destroy()
    return cut
  }

  #end(cut: number): void {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#onStopped(cut)
  }
}

/** A gateway that cannot close is no reason not to stop. */
async function closeGateway(gateway: Closable, timeoutMs: number): Promise<void> {
  try {
    await gateway.close({ timeoutMs })
  } catch (error) {
    process.emitWarning(`The gateway did not close: ${String(error)}`, 'PosternWarning')
  }
}

/** A head that is out is text; its fields may never have been set one by one. */
function isEventStream(res: ServerResponse): boolean {
  const { _header: head } = res as ServerResponse & { readonly _header?: string | null }
  return /\r\ncontent-type: *text\/event-stream/i.test(head ?? '')
}

/** Whether the work was done in that time. */
async function within(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => (timer = setTimeout(resolve, timeoutMs, false)))
  const inTime = await Promise.race([work.then(() => true), late])
  clearTimeout(timer)
  return inTime
}

function exit(cut: number): void {
  // oxlint-disable-next-line no-console -- the last word of a process to whoever ends it
  if (cut > 0) console.error(`postern: ${cut} ${cut === 1 ? 'answer was' : 'answers were'} cut.`)
  process.exit(cut > 0 ? 1 : 0)
}
