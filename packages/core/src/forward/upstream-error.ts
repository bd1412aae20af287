import { GatewayError, type GatewayErrorCode, isGatewayError } from '../errors.ts'

const TIMEOUTS = new Set([
  'ERR_UPSTREAM_LATE',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'ETIMEDOUT',
])
const INVALID = /^(?:HPE_|UND_ERR_(?:RES|HEADERS_OVERFLOW|RESPONSE))/

/** What is wrong with the request or with us: it says nothing about the upstream. */
const OWN_FAULTS = new Set([
  'ERR_UNSENDABLE',
  'ERR_BODY_LENGTH',
  'ERR_POOL_CLOSED',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
])
const HANG_UPS = new Set(['ERR_UPSTREAM_CLOSED', 'UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED'])

export function isOwnFault(cause: Error): boolean {
  return OWN_FAULTS.has((cause as NodeJS.ErrnoException).code ?? '')
}

/** Whether the upstream has closed the connection, in whatever way. */
export function isHangUp(cause: Error): boolean {
  return HANG_UPS.has((cause as NodeJS.ErrnoException).code ?? '')
}

/** Which leg failed, in our codes. `answering` is true once the response's headers have arrived. */
export function upstreamError(cause: Error, answering: boolean, cancelled: Error | undefined): GatewayError {
  // A client that hangs up looks like a reset of the upstream: it comes first.
  if (cancelled !== undefined)
    return isGatewayError(cancelled) ? cancelled : new GatewayError('PSTN_CLIENT_CLOSED', cancelled.message, { cause })
  const own = findGatewayError(cause)
  if (own !== undefined) return own
  const code = (cause as NodeJS.ErrnoException).code ?? ''
  const [ours, what] = classify(code, cause.name, answering)
  return new GatewayError(ours, `${what} (${code === '' ? cause.name : code}: ${cause.message})`, { cause })
}

function classify(code: string, name: string, answering: boolean): [GatewayErrorCode, string] {
  if (TIMEOUTS.has(code)) return ['PSTN_UPSTREAM_TIMEOUT', 'The upstream was too slow']
  if (INVALID.test(code) || name === 'HTTPParserError')
    return ['PSTN_UPSTREAM_INVALID', 'The upstream sent something that is not HTTP']
  if (answering) return ['PSTN_UPSTREAM_BROKE', 'The upstream broke off in the middle of its answer']
  return ['PSTN_UPSTREAM_UNREACHABLE', 'The upstream could not be reached or closed the connection']
}

/** The request body's own failure (too large, broken off) comes back through the client library. */
function findGatewayError(error: unknown): GatewayError | undefined {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth += 1) {
    if (isGatewayError(current)) return current
  }
  return undefined
}
