import { isClass } from './functions.ts'

/** What the client of the API is told, and nothing else: never a path, a host or a stack. `status` is null for failures no client can meet. */
interface ErrorRow {
  readonly status: number | null
  readonly answer: string | null
}

/** Every code postern uses. Codes are never reused; `docs/errors.md` is held equal to this table by a test. */
export const ERRORS = {
  PSTN_DEFINITION_INVALID: { status: null, answer: null },
  PSTN_OPTIONS_INVALID: { status: null, answer: null },
  PSTN_NOT_FOUND: { status: 404, answer: 'Not Found' },
  PSTN_PATH_INVALID: { status: 400, answer: 'Malformed request path' },
  PSTN_HEAD_INVALID: { status: 400, answer: 'Malformed request' },
  PSTN_HEAD_TOO_LARGE: { status: 431, answer: 'Request header fields too large' },
  PSTN_METHOD_REFUSED: { status: 405, answer: 'Method not allowed' },
  PSTN_EXPECTATION_FAILED: { status: 417, answer: 'Expectation failed' },
  PSTN_VERSION_UNSUPPORTED: { status: 505, answer: 'HTTP version not supported' },
  PSTN_CODING_UNSUPPORTED: { status: 501, answer: 'Transfer coding not supported' },
  PSTN_UPGRADE_INVALID: { status: 400, answer: 'Malformed upgrade request' },
  PSTN_UPGRADE_REQUIRED: { status: 426, answer: 'Upgrade required' },
  PSTN_HEADER_INVALID: { status: 500, answer: 'Middleware error' },
  PSTN_VALUE_INVALID: { status: 500, answer: 'Middleware error' },
  PSTN_READ_ONLY: { status: 500, answer: 'Middleware error' },
  PSTN_PLUGIN_THREW: { status: 500, answer: 'Middleware error' },
  PSTN_PLUGIN_TIMEOUT: { status: 500, answer: 'Middleware error' },
  PSTN_PLUGIN_BAD_RETURN: { status: 500, answer: 'Middleware error' },
  PSTN_PLUGIN_LATE: { status: null, answer: null },
  PSTN_PLUGIN_NOT_FOUND: { status: null, answer: null },
  PSTN_PLUGIN_UNLOADABLE: { status: null, answer: null },
  PSTN_AUTH_FAILED: { status: 403, answer: 'Key not authorised' },
  PSTN_SESSION_MISSING: { status: 403, answer: 'Forbidden' },
  PSTN_SESSION_INVALID: { status: null, answer: null },
  PSTN_SESSION_CORRUPT: { status: 403, answer: 'Access to this API has been disallowed' },
  PSTN_CREDENTIAL_MISSING: { status: 401, answer: 'Authorization field missing' },
  PSTN_CREDENTIAL_AMBIGUOUS: { status: 400, answer: 'More than one credential' },
  PSTN_CREDENTIAL_UNREADABLE: { status: 400, answer: 'Authorization field missing' },
  PSTN_KEY_EXISTS: { status: null, answer: null },
  PSTN_KEY_UNKNOWN: { status: 403, answer: 'Access to this API has been disallowed' },
  PSTN_KEY_INACTIVE: { status: 403, answer: 'Key is inactive, please renew' },
  PSTN_KEY_EXPIRED: { status: 401, answer: 'Key has expired, please renew' },
  PSTN_API_DISALLOWED: { status: 403, answer: 'Access to this API has been disallowed' },
  PSTN_URL_DISALLOWED: { status: 403, answer: 'Access to this resource has been disallowed' },
  PSTN_RATE_LIMITED: { status: 429, answer: 'Rate Limit Exceeded' },
  PSTN_API_RATE_LIMITED: { status: 429, answer: 'API Rate Limit Exceeded' },
  PSTN_QUOTA_EXCEEDED: { status: 403, answer: 'Quota exceeded' },
  PSTN_POLICY_INVALID: { status: 403, answer: 'Access to this API has been disallowed' },
  PSTN_STORE_UNAVAILABLE: { status: 503, answer: 'Session store unavailable' },
  PSTN_BODY_TOO_LARGE: { status: 413, answer: 'Request body too large' },
  PSTN_BODY_INVALID: { status: 400, answer: 'Malformed request body' },
  PSTN_BODY_CONSUMED: { status: 500, answer: 'There was a problem proxying the request' },
  PSTN_BODY_SENT: { status: 500, answer: 'Middleware error' },
  PSTN_BODY_ABORTED: { status: 400, answer: 'Incomplete request body' },
  PSTN_BODY_TIMEOUT: { status: 408, answer: 'Request timeout' },
  PSTN_REQUEST_TIMEOUT: { status: 504, answer: 'Gateway Timeout' },
  PSTN_CLIENT_STALLED: { status: null, answer: null },
  PSTN_RESPONSE_TOO_LARGE: { status: 500, answer: 'Middleware error' },
  PSTN_RESPONSE_ENCODING: { status: 500, answer: 'Middleware error' },
  PSTN_RESPONSE_INVALID: { status: 500, answer: 'Middleware error' },
  PSTN_RESPONSE_PARTIAL: { status: 500, answer: 'Middleware error' },
  PSTN_UPSTREAM_UNREACHABLE: { status: 502, answer: 'Bad Gateway' },
  PSTN_UPSTREAM_INVALID: { status: 502, answer: 'Bad Gateway' },
  PSTN_UPSTREAM_BROKE: { status: 502, answer: 'Bad Gateway' },
  PSTN_UPSTREAM_TIMEOUT: { status: 504, answer: 'Gateway Timeout' },
  PSTN_UPSTREAM_BUSY: { status: 503, answer: 'Service Unavailable' },
  PSTN_UPSTREAM_OPEN: { status: 503, answer: 'Service temporarily unavailable' },
  PSTN_UPSTREAM_FORBIDDEN: { status: 502, answer: 'Bad Gateway' },
  PSTN_LOOP: { status: 508, answer: 'Loop detected' },
  PSTN_CLIENT_CLOSED: { status: 499, answer: 'Client Closed Request' },
  PSTN_CALL_INVALID: { status: 500, answer: 'Middleware error' },
  PSTN_CALL_DEPTH: { status: 508, answer: 'Loop level too deep. Found more than 5 loops in single request' },
  PSTN_API_UNAVAILABLE: { status: 503, answer: 'Service Unavailable' },
  PSTN_SINK_FAILED: { status: null, answer: null },
  PSTN_CLOSED: { status: 503, answer: 'Service Unavailable' },
  PSTN_INTERNAL: { status: 500, answer: 'Internal Server Error' },
} as const satisfies Record<string, ErrorRow>

export type GatewayErrorCode = keyof typeof ERRORS

const BRAND = Symbol.for('postern.GatewayError')

/**
 * Everything that goes wrong in postern is one of these. `code` is for programs, `message` for the people who run the
 * gateway, `cause` for the log. What the client is told is the fixed sentence of its code.
 */
export class GatewayError extends Error {
  readonly code: GatewayErrorCode
  /** The HTTP status it becomes, or null when it can only happen while a gateway is built. */
  readonly status: number | null
  /** True when the client is at fault: thrown on by a plugin it answers `status`, as `http-errors` does. */
  readonly expose: boolean

  constructor(code: GatewayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'GatewayError'
    this.code = code
    const { status } = ERRORS[code]
    this.status = status
    this.expose = status === 400 || status === 408 || status === 413
  }
}

// On the prototype, and by a registry symbol: two copies of this package recognise each other's errors.
Object.defineProperty(GatewayError.prototype, BRAND, { value: true })

/** Recognises the error across duplicate installs of the package, where `instanceof` fails. */
export function isGatewayError(value: unknown): value is GatewayError {
  try {
    if (typeof value !== 'object' || value === null || !(BRAND in value)) return false
    const { code, message } = value as Partial<GatewayError>
    return typeof message === 'string' && typeof code === 'string' && Object.hasOwn(ERRORS, code)
  } catch {
    // A proxy that refuses to be looked at is nobody's GatewayError.
    return false
  }
}

/** The status a client gets for a code. */
export function publicStatus(code: GatewayErrorCode): number {
  return ERRORS[code].status ?? 500
}

/** The sentence a client is told for a code. */
export function publicMessage(code: GatewayErrorCode): string {
  return ERRORS[code].answer ?? 'Internal Server Error'
}

/** The stack of an error, or a description of whatever else was thrown; total as well. */
export function stackOf(value: unknown): string {
  try {
    return value instanceof Error && typeof value.stack === 'string' ? value.stack : describe(value)
  } catch {
    return describe(value)
  }
}

/** Describes any value shortly, for messages of the form "found X, expected Y"; total, whatever the value does. */
export function describe(value: unknown): string {
  try {
    if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean')
      return String(value)
    if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
    if (typeof value === 'function') return describeFunction(value)
    if (Array.isArray(value)) return `an array of ${value.length}`
    if (typeof value === 'object') return describeObject(value)
    return typeof value
  } catch {
    // A proxy or a getter that throws: what it is does not matter, that it is no valid value does.
    return 'an object that cannot be read'
  }
}

/** The same for what may be a client's, such as a credential: text is not quoted. */
export function describeUnquoted(value: unknown): string {
  return typeof value === 'string' ? `a text of ${value.length} characters` : describe(value)
}

/** Why a text is no JSON, without a piece of that text: an error goes where no body is to go. */
export function jsonProblem(error: unknown): string {
  const { message } = error as Error
  // What it quotes may be anything; where it stands is told by the others.
  if (message.startsWith('Unexpected token ')) return 'unexpected token'
  return message.replace(/^./, (first) => first.toLowerCase())
}

function describeFunction(value: { readonly name: string }): string {
  const kind = isClass(value) ? 'class' : 'function'
  return value.name === '' ? `a ${kind}` : `the ${kind} ${value.name}`
}

function describeObject(value: object): string {
  // Its own field of that name is data.
  const name: unknown = (Object.getPrototypeOf(value) as object | null)?.constructor.name
  if (value instanceof Error) return `${value.name}: ${value.message}`
  if (typeof name === 'string' && name !== 'Object' && name !== '') return `an instance of ${name}`
  const keys = Object.keys(value)
  return keys.length === 0 ? 'an empty object' : `an object with ${keys.slice(0, 5).map(plainly).join(', ')}`
}

/** A key that is no word is quoted: in a message it must not pass for a line of its own. */
function plainly(key: string): string {
  return /^[\w$-]+$/.test(key) ? key : JSON.stringify(key)
}
