import { GatewayError } from '../errors.ts'
import { GatewayHeaders } from '../http/headers.ts'
import { isFinalStatus } from '../http/response.ts'
import { endToEnd } from '../http/hop-by-hop.ts'

/** The one place an upstream's response head is read: checked, and rid of what belongs to the upstream's connection. */
export function responseHeaders(status: number, lines: readonly string[]): GatewayHeaders {
  if (!isFinalStatus(status)) {
    throw new GatewayError('PSTN_UPSTREAM_INVALID', `The upstream answered with status ${status}; expected 200 to 599.`)
  }
  return new GatewayHeaders(endToEnd(lines))
}
