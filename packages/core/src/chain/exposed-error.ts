import { isGatewayError, publicMessage } from '../errors.ts'
import type { ReturnOverrides } from '../http/decision.ts'
import { type HeaderFields, headerFields, type HeadersInput } from '../http/headers.ts'

/**
 * The `http-errors` convention, which Express and Koa authors use already: an error with a 4xx `status` and
 * `expose: true` says "the client is at fault, tell it". It is a decision. Undefined for every other error.
 */
export function exposedDecision(error: unknown): ReturnOverrides | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  try {
    const { status, expose, message, headers } = error as {
      status?: unknown
      expose?: unknown
      message?: unknown
      headers?: unknown
    }
    if (expose !== true || typeof status !== 'number' || status < 400 || status > 499) return undefined
    const text = isGatewayError(error) ? publicMessage(error.code) : String(message)
    return { responseCode: status, responseError: text, responseHeaders: textHeaders(headers) }
  } catch {
    // A getter of the error threw: then it is no convention anybody follows, and its plugin has simply failed.
    return undefined
  }
}

function textHeaders(headers: unknown): HeaderFields | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined
  const fields = Object.entries(headerFields(headers as HeadersInput) ?? {})
  return Object.fromEntries(
    fields.map(([name, value]) => [name, Array.isArray(value) ? value.map(String) : String(value)]),
  )
}
