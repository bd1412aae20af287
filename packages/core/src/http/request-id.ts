import { randomUUID } from 'node:crypto'
import { GatewayHeaders, sameName } from './headers.ts'
import type { GatewayRequest } from './request.ts'

/** What logs may hold without a second look. */
const PLAIN = /^[\w.~:+/=@-]{1,128}$/

/** What the client calls its request, where that is one plain token; else a new one. Plugins have no part in it. */
export function requestIdOf({ headers }: GatewayRequest): string {
  const lines = GatewayHeaders.received(headers)
  const given = lines.filter((_, i) => i % 2 === 1 && sameName(lines[i - 1]!, 'x-request-id'))
  const [id = ''] = given
  return given.length === 1 && PLAIN.test(id) ? id : randomUUID()
}
