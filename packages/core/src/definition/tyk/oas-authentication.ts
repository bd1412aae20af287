import { describe } from '../../errors.ts'
import type { TykAuthentication, TykKeySource } from './api.ts'
import type { Found, Place } from './document.ts'
import { isEnabled, whereEnabled, wholeSeconds } from './oas-values.ts'
import { isOn } from './vocabulary.ts'

export function readAuthentication(document: Place, block: Place): TykAuthentication {
  const enabled = isEnabled(block)
  const security = document.at('security')
  if (!block.at('enabled').present && security.list().some((one) => one.entries().length > 0))
    security.warn('ignored: without server.authentication the API is keyless, whatever "security" asks for')
  const schemes = enabled ? readSchemes(document, block) : NO_SCHEMES
  const custom = block.at('custom')
  return {
    keyless: { value: !enabled, path: block.at('enabled').path },
    custom: custom.at('enabled').flag(),
    token: { value: schemes.token?.at('enabled').flag().value ?? false, path: schemes.token?.path ?? block.path },
    other: schemes.other || isOn(block.at('hmac').value) || isOn(block.at('oidc').value),
    tokenSource: schemes.tokenSource,
    customSource: custom.present ? keySourceOf(custom) : undefined,
    strip: block.at('stripAuthorizationData').flag(),
    baseIdentity: block.at('baseIdentityProvider').text(),
    lifetime: wholeSeconds(whereEnabled(block.at('customKeyLifetime'), 'value', (value) => value.seconds())),
    keepUntilExpiry: block.at('customKeyLifetime', 'respectValidity').flag(),
  }
}

function keySourceOf(place: Place): TykKeySource {
  const named = (key: string): Found<string | undefined> => whereEnabled(place.at(key), 'name', (name) => name.text())
  const header = named('header')
  const byHeader = isEnabled(place.at('header'))
  const fallback = (key: string): Found<string | undefined> => {
    const { value, path } = named(key)
    return { value: isEnabled(place.at(key)) ? (value ?? header.value ?? 'Authorization') : undefined, path }
  }
  return {
    path: place.path,
    header: { value: byHeader ? (header.value ?? 'Authorization') : false, path: header.path },
    query: fallback('query'),
    cookie: fallback('cookie'),
    refused: [],
  }
}

interface Schemes {
  readonly token: Place | undefined
  readonly tokenSource: TykKeySource | undefined
  /** One of another kind is switched on, which has been reported. */
  readonly other: boolean
}

const NO_SCHEMES: Schemes = { token: undefined, tokenSource: undefined, other: false }

/** OpenAPI says what a scheme is and which are asked for; the extension says which of them the gateway looks at. */
function readSchemes(document: Place, block: Place): Schemes {
  const requirements = document.at('security').list()
  const mode = block.at('securityProcessingMode')
  const alternatives = requirements.length + block.at('security').list().length
  const { value: processing } = mode.text()
  if (processing === 'compliant' && alternatives > 1)
    mode.problem(`a choice of ${alternatives} ways to authenticate is not supported; name one`)
  const asked = requirements[0]?.entries().map(([name]) => name) ?? []
  let token: Place | undefined
  let other = false
  for (const [name, scheme] of block.at('securitySchemes').entries()) {
    const isAsked = asked.includes(name)
    const native = document.at('components', 'securitySchemes', name)
    if (isAsked && native.at('type').text().value === 'apiKey') token = scheme
    else if (isEnabled(scheme)) {
      other = true
      scheme.problem(isAsked ? unsupported(native) : notAskedFor(asked))
    }
  }
  const keys = asked.filter((name) => document.at('components', 'securitySchemes', name, 'type').value === 'apiKey')
  if (token !== undefined && keys.length > 1)
    document
      .at('security', 0)
      .problem(
        `asks for ${keys.length} keys of one request, ${keys.map((name) => describe(name)).join(' and ')}, and only one would be asked for; name one, and let a plugin check the others`,
      )
  return { token, tokenSource: token && apiKeyOf(document, token), other }
}

function unsupported(native: Place): string {
  return `${kindOf(native)} is not supported, only keys (type "apiKey"); let a plugin at server.authentication.custom check it`
}

/** As people call it: OpenAPI says "http" of JWT and of passwords. */
function kindOf(native: Place): string {
  if (native.at('$ref').present) return 'a security scheme that is a "$ref"'
  const type = native.at('type').text().value
  const scheme = type === 'http' ? native.at('scheme').text().value?.toLowerCase() : type
  return KINDS.get(scheme ?? '') ?? `authentication of the type ${describe(type)}`
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ['bearer', 'authentication by JWT (type "http", scheme "bearer")'],
  ['basic', 'basic authentication (type "http", scheme "basic")'],
  ['oauth2', 'OAuth 2 (type "oauth2")'],
  ['openIdConnect', 'OpenID Connect (type "openIdConnect")'],
])

function notAskedFor(asked: readonly string[]): string {
  const first = asked.map((name) => describe(name)).join(' and ') || 'nothing'
  return `is switched on, but "security" of the document asks for ${first}; name it there, in the first entry`
}

/** The place OpenAPI names, besides those of the scheme itself. */
function apiKeyOf(document: Place, scheme: Place): TykKeySource {
  const source = keySourceOf(scheme)
  const native = document.at('components', 'securitySchemes', scheme.key)
  const key = native.at('name').text()
  const where = native.at('in').text()
  if (!['header', 'query', 'cookie'].includes(where.value ?? ''))
    native.at('in').problem(`found ${describe(where.value)}, expected "header", "query" or "cookie"`)
  const certificate = scheme.at('enableClientCertificate')
  const signature = scheme.at('signatureValidation')
  return {
    ...source,
    ...(where.value === 'header' ? { header: { value: key.value ?? 'Authorization', path: key.path } } : {}),
    ...(where.value === 'query' ? { query: key } : {}),
    ...(where.value === 'cookie' ? { cookie: key } : {}),
    refused: [
      ...(certificate.flag().value ? [{ value: 'keys made of client certificates', path: certificate.path }] : []),
      ...(isOn(signature.value) ? [{ value: 'signatures of keys', path: signature.path }] : []),
    ],
  }
}
