import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Gateway } from '@postern/core'

/** What `stopOnSignals` takes. */
export interface StopOptions {
  /** Milliseconds requests in flight, streams and WebSockets may still take. Default 10,000. */
  readonly graceMs?: number
  /** Default `SIGTERM` and `SIGINT`. */
  readonly signals?: readonly NodeJS.Signals[]
  /** Called at the end, with how many answers were cut. Default: ends the process, with 0 or, where one was cut, with 1. */
  readonly onStopped?: (cut: number) => void
}

/**
 * Ends a server as an orchestrator expects it: takes no more connections, answers what is in flight with
 * `Connection: close`, closes idle connections at once and the rest when `graceMs` have passed. A second signal does not
 * wait. Returns the function that stops listening to signals.
 *
 * @example
 * stopOnSignals(createServer(app).listen(8080), gateway)
 */
export function stopOnSignals(
  server: Server,
  gateway: Pick<Gateway, 'close'>,
  { graceMs = 10_000, signals = ['SIGTERM', 'SIGINT'], onStopped = exit }: StopOptions = {},
): () => void {
  const open = new Set<ServerResponse>()
  let stopping = false
  const onRequest = (_: IncomingMessage, res: ServerResponse): void => {
    if (stopping) res.shouldKeepAlive = false
    open.add(res)
    res.once('close', () => open.delete(res))
  }
  for (const event of ['request', 'checkContinue'] as const) server.prependListener(event, onRequest)
  const onSignal = (): void => {
    if (stopping) {
      onStopped(open.size)
      return
    }
    stopping = true
    for (const res of open) if (!res.headersSent) res.shouldKeepAlive = false
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    void stop(closed)
  }
  const stop = async (closed: Promise<void>): Promise<void> => {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)))
    await Promise.race([Promise.all([gateway.close({ timeoutMs: graceMs }), closed]), late])
    clearTimeout(timer)
    const cut = open.size
    server.closeAllConnections()
    onStopped(cut)
  }
  for (const signal of signals) process.on(signal, onSignal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
    for (const event of ['request', 'checkContinue'] as const) server.off(event, onRequest)
  }
}

function exit(cut: number): void {
  // oxlint-disable-next-line no-console -- the last word of a process to whoever ends it
  if (cut > 0) console.error(`postern: ${cut} ${cut === 1 ? 'answer was' : 'answers were'} cut.`)
  process.exit(cut > 0 ? 1 : 0)
}
