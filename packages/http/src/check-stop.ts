import type { Gateway } from '@postern/core'
import { describe, GatewayError, isFields, suggest } from '@postern/core/host'

/** A gateway, as far as it is needed to stop one. */
export type Closable = Pick<Gateway, 'close'>

/** What is no server would be found out when the signal comes, in the middle of a deploy. */
export function checkServer(server: unknown): void {
  if (!isServer(server))
    refuse(
      `was given ${describe(server)} for the server; expected a server of node:http, such as createServer(app) and app.listen() return`,
    )
}

/** One or several, as a list. */
export function gatewaysOf(given: Closable | readonly Closable[]): readonly Closable[] {
  const gateways: readonly unknown[] = Array.isArray(given) ? given : [given]
  for (const gateway of gateways)
    // A server has a close() too, and what is behind it would stay open.
    if (typeof (gateway as Partial<Closable> | null | undefined)?.close !== 'function' || isServer(gateway))
      refuse(
        `was given ${describe(gateway)} for a gateway; expected what createGateway(definition) returns, or an array of them`,
      )
  return gateways as readonly Closable[]
}

const OPTIONS: Readonly<Record<string, readonly [fits: (value: unknown) => boolean, expected: string]>> = {
  // Above, a timer of Node's is over at once.
  graceMs: [
    (value) => typeof value === 'number' && value >= 0 && value <= 2_147_000_000,
    'milliseconds from 0 to 2,147,000,000',
  ],
  signals: [(value) => Array.isArray(value) && value.every(isSignal), "an array of signals, such as ['SIGTERM']"],
  onStopped: [(value) => typeof value === 'function', 'a function'],
}

/** A signal or a time that is misspelt would be none. */
export function checkStopOptions(options: unknown): void {
  if (!isFields(options))
    return refuse(`was given ${describe(options)} for its options; expected { ${Object.keys(OPTIONS).join(', ')} }`)
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(OPTIONS, name)) refuse(`has no option "${name}"; ${suggest(name, Object.keys(OPTIONS))}`)
    const [fits, expected] = OPTIONS[name]!
    if (value !== undefined && !fits(value)) refuse(`was given ${describe(value)} for ${name}; expected ${expected}`)
  }
}

function isServer(value: unknown): boolean {
  const { closeAllConnections, closeIdleConnections } = (value ?? {}) as Record<string, unknown>
  return typeof closeAllConnections === 'function' && typeof closeIdleConnections === 'function'
}

function isSignal(value: unknown): boolean {
  return typeof value === 'string' && /^SIG[A-Z\d]+$/.test(value)
}

function refuse(what: string): never {
  throw new GatewayError('PSTN_OPTIONS_INVALID', `stopOnSignals ${what}.`)
}
