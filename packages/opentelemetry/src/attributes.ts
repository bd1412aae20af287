import type { Attributes } from '@opentelemetry/api'
import { isGatewayError } from '@postern/core'

/** RFC 9110 and PATCH: what the convention knows. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'])

/** `http.request.method`: any token is a method to HTTP, and only some are worth a series. */
export function knownMethod(method: string): string {
  return METHODS.has(method) ? method : '_OTHER'
}

/** How a span says it. */
export function methodAttributes(method: string): Attributes {
  const known = knownMethod(method)
  return {
    'http.request.method': known,
    ...(known !== method && { 'http.request.method_original': method }),
  }
}

/** The first word of a span's name. */
export function methodInName(method: string): string {
  const known = knownMethod(method)
  return known === '_OTHER' ? 'HTTP' : known
}

/** The convention has no minor version from HTTP/2 on. */
export function protocolVersion(httpVersion: string): string {
  return httpVersion === '2.0' ? '2' : httpVersion
}

/** Where a server is; of `host` and `host:port`, in brackets or not. */
export function serverAttributes(host: string, scheme: string): Attributes {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(host)
  if (match === null) return {}
  const [, ipv6, name, port] = match
  return {
    'server.address': ipv6 ?? name!,
    'server.port': port === undefined ? (scheme === 'https' ? 443 : 80) : Number(port),
  }
}

/** The two parts of a request target; an authority in front of them is dropped. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const mark = target.indexOf('?')
  const before = mark === -1 ? target : target.slice(0, mark)
  const path = before.replace(/^[a-z][a-z\d+.-]*:\/\/[^/]*/i, '')
  return { path: path === '' ? '/' : path, query: mark === -1 ? '' : target.slice(mark + 1) }
}

/** A query with its names only. */
export function withoutValues(query: string): string {
  return query
    .split('&')
    .map((pair) => (pair.includes('=') ? `${pair.slice(0, pair.indexOf('='))}=***` : pair))
    .join('&')
}

/** `error.type`: of few values, and without what the error says. */
export function errorType(error: unknown): string {
  try {
    if (isGatewayError(error)) return error.code
    return error instanceof Error && typeof error.name === 'string' ? error.name : typeof error
  } catch {
    // Of what cannot even be looked at (a getter that throws, a revoked proxy) nothing more can be said.
    return '_OTHER'
  }
}
