import type { ApiDefinition, Token } from '../api.ts'
import type { GatewayRequest } from '../http/request.ts'

/** The key a request carries: the text, nothing, or too much. */
export type Credential = { readonly key: string } | 'missing' | 'ambiguous'

/** Longer ones are nobody's key, and are not worth hashing. */
const MAX_KEY_LENGTH = 4_096

/** Reads the key. Two different ones are refused: nobody may be let in by one and counted, or forwarded, as another. */
export function readKey(token: Token, request: GatewayRequest): Credential {
  let key: string | undefined
  for (const found of presented(token, request)) {
    const stripped = withoutBearer(found)
    if (stripped === '') continue
    if (key !== undefined && key !== stripped) return 'ambiguous'
    key = stripped
  }
  return key === undefined ? 'missing' : { key: key.length > MAX_KEY_LENGTH ? '' : key }
}

/** Takes the key off, so that what stands behind does not see it. */
export function stripKey({ header, query, cookie, strip }: Token, request: GatewayRequest): void {
  if (strip === 'none') return
  if (query !== undefined && request.query.has(query)) request.query.delete(query)
  if (strip === 'query') return
  if (header !== undefined && request.headers.has(header)) request.headers.delete(header)
  if (cookie !== undefined) stripCookie(cookie, request)
}

/**
 * The credential under which the store may already know a caller whom an `auth` plugin lets in; of several places the last
 * that has one, as in the real gateway.
 */
export function presentedToken(request: GatewayRequest, { credential }: ApiDefinition['authentication']): string {
  const { header, query, cookie } = credential
  let token = header === undefined ? '' : (request.headers.get(header) ?? '')
  if (query !== undefined) token = request.query.get(query) || token
  if (cookie !== undefined) token = cookiesOf(request, cookie).find((value) => value !== '') ?? token
  return withoutBearer(token)
}

function presented({ header, query, cookie }: Token, request: GatewayRequest): readonly string[] {
  const ofHeader = header === undefined ? [] : request.headers.getAll(header)
  if (query === undefined && cookie === undefined) return ofHeader
  return [
    ...ofHeader,
    ...(query === undefined ? [] : request.query.getAll(query)),
    ...(cookie === undefined ? [] : cookiesOf(request, cookie)),
  ]
}

function cookiesOf(request: GatewayRequest, name: string): string[] {
  return pairsOf(request).flatMap((pair) => {
    const equals = pair.indexOf('=')
    return equals !== -1 && pair.slice(0, equals).trim() === name ? [unquoted(pair.slice(equals + 1).trim())] : []
  })
}

function stripCookie(name: string, request: GatewayRequest): void {
  const pairs = pairsOf(request)
  const others = pairs.filter((pair) => pair.split('=', 1)[0]!.trim() !== name)
  if (others.length === pairs.length) return
  if (others.length === 0) request.headers.delete('cookie')
  else request.headers.set('cookie', others.map((pair) => pair.trim()).join('; '))
}

function pairsOf(request: GatewayRequest): readonly string[] {
  return request.headers.getAll('cookie').flatMap((line) => line.split(';'))
}

function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}

function withoutBearer(credential: string): string {
  return credential.replace(/^bearer /i, '')
}
