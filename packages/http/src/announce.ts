import type { ServerResponse } from 'node:http'
import type { Acceptance } from '@postern/core/host'
import { setAll, type WriteHeadArguments } from './capture-response.ts'

/**
 * What the gateway has to tell the client goes out with whatever the host application answers: in place of what that says
 * in the same fields, and with the error page for which a framework has taken all fields off.
 */
export function announceToClient(accepted: Acceptance, res: ServerResponse): void {
  const fields = accepted.hostHeaders()
  if (fields.length === 0 || res.headersSent) return
  const announce = (): void => {
    for (const [name, value] of fields) res.setHeader(name, value)
  }
  // At once, for middleware that looks at them before the head leaves.
  announce()
  const writeHead = res.writeHead.bind(res) as (status: number, reason?: string) => ServerResponse
  const announcing = (...[status, second, third]: WriteHeadArguments): ServerResponse => {
    const reasoned = typeof second === 'string'
    setAll(res, reasoned ? third : second)
    announce()
    return reasoned ? writeHead(status, second) : writeHead(status)
  }
  res.writeHead = announcing
}
