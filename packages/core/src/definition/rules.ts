import { describe, isGatewayError } from '../errors.ts'
import { type Fields, isFields, isPlain } from '../fields.ts'
import { compileTrust } from '../http/client.ts'
import { canonicalPath, encodePath } from '../http/path.ts'
import { ignoresCase } from './loose-case.ts'
import { parseUpstreamUrl } from '../http/upstream-url.ts'
import { extractorProblems } from '../session/extract-id.ts'
import { parsePolicies, type PolicyInput, readPolicy } from '../session/policy.ts'
import { parseEndpointKey, signatures } from './endpoint-key.ts'
import { pathText, type Problem, within } from './problems.ts'

/**
 * What a schema cannot say: rules over several fields and over the inside of a text. They look at the input as it was
 * written, so that their problems are reported together with those of the schema.
 */
export function ruleProblems(input: unknown): Problem[] {
  if (!isFields(input)) return []
  return [
    ...listenPathProblems(input),
    ...upstreamProblems(input),
    ...hookProblems(input),
    ...authenticationProblems(input),
    ...endpointProblems(input['ignoreCase'] === true, 'endpoints', input['endpoints']),
    ...recordProblems(input),
    ...limitProblems(input),
    ...policyProblems(input),
    ...trustProblems(input),
    ...underscoreProblems(input),
    ...configProblems(input),
  ]
}

function listenPathProblems({ listenPath }: Fields): Problem[] {
  if (typeof listenPath !== 'string' || listenPath === '') return []
  const [mark] = /[*:{}]/.exec(listenPath) ?? []
  if (mark !== undefined) {
    const message = `found ${describe(listenPath)}, expected a path without "${mark}": a listen path is no pattern, and everything below it is met`
    return [{ path: 'listenPath', message }]
  }
  if (listenPath.startsWith('/') && !listenPath.includes('?') && canonicalPath(encodePath(listenPath)) !== undefined)
    return []
  return [
    {
      path: 'listenPath',
      message: `found ${describe(listenPath)}, expected a path that starts with "/", such as "/orders/"`,
    },
  ]
}

function upstreamProblems({ upstream }: Fields): Problem[] {
  if (!isFields(upstream)) return urlProblems('upstream', upstream)
  const { url, targets } = upstream
  if (url === undefined && targets === undefined) {
    const message =
      'missing, expected an http: or https: URL such as "http://127.0.0.1:9000", or targets: several of them'
    return [{ path: 'upstream.url', message }]
  }
  if (url !== undefined && targets !== undefined) {
    const message = 'found beside upstream.url; put all URLs here, or leave this out'
    return [{ path: 'upstream.targets', message }]
  }
  return url === undefined ? targetProblems(targets) : urlProblems('upstream.url', url)
}

function urlProblems(path: string, url: unknown): Problem[] {
  return typeof url !== 'string' || url === '' ? [] : attempt(path, () => parseUpstreamUrl(url))
}

function targetProblems(targets: unknown): Problem[] {
  if (!Array.isArray(targets)) return []
  const problems: Problem[] = []
  const seen = new Map<string, string>()
  for (const [i, target] of targets.entries()) {
    const path = typeof target === 'string' ? `upstream.targets[${i}]` : `upstream.targets[${i}].url`
    const url: unknown = isFields(target) ? target['url'] : target
    const wrong = urlProblems(path, url)
    problems.push(...wrong)
    if (wrong.length > 0 || typeof url !== 'string' || url === '') continue
    const { origin, basePath } = parseUpstreamUrl(url)
    const twin = seen.get(origin + basePath)
    if (twin === undefined) seen.set(origin + basePath, path)
    else problems.push({ path, message: `found ${describe(url)}, which ${twin} already is; give a target a weight` })
  }
  return problems
}

function hookProblems({ hooks, authentication }: Fields): Problem[] {
  if (!isFields(hooks)) return []
  if ('auth' in hooks && hooks['auth'] === undefined) {
    const message = 'found undefined, expected a plugin; is its import misspelt? leave the key out for a keyless API'
    return [{ path: 'hooks.auth', message }]
  }
  const byToken = isFields(authentication) && asksForToken(authentication)
  const { postAuth } = hooks
  const isEmpty = postAuth === undefined || (Array.isArray(postAuth) && postAuth.length === 0)
  if (hooks['auth'] !== undefined || byToken || isEmpty) return []
  return [
    {
      path: 'hooks.postAuth',
      message:
        'would never run: this API has no hooks.auth and no authentication.token, so it is keyless; add one, or move these plugins to hooks.pre or hooks.post',
    },
  ]
}

const AUTHENTICATION = new Set(['token', 'credential', 'idExtractor', 'baseIdentity'])

function asksForToken({ token }: Fields): boolean {
  return token === true || isFields(token)
}

function authenticationProblems({ authentication, hooks }: Fields): Problem[] {
  if (!isFields(authentication)) return []
  const { token, credential, idExtractor, baseIdentity } = authentication
  const byToken = asksForToken(authentication)
  const byPlugin = isFields(hooks) && hooks['auth'] !== undefined
  const problems: Problem[] = []
  for (const [name, place] of Object.entries({ token, credential }))
    if (isFields(place) && place['header'] === false && place['query'] === undefined && place['cookie'] === undefined)
      problems.push({
        path: `authentication.${name}`,
        message: 'names no place for the key; give header, query or cookie',
      })
  const misspelt = Object.keys(authentication).some((name) => !AUTHENTICATION.has(name))
  // Who is asked for more than there is, is told so below.
  const told = credential !== undefined || idExtractor !== undefined || baseIdentity !== undefined
  if (!byToken && !byPlugin && !misspelt && !told)
    problems.push({
      path: 'authentication',
      message: 'asks nobody who they are: expected token, or a plugin at hooks.auth; leave it out for a keyless API',
    })
  if (baseIdentity !== undefined && !(byToken && byPlugin))
    problems.push({
      path: 'authentication.baseIdentity',
      message: `says whose session counts where both token and hooks.auth ask; here is ${byToken ? 'only token' : byPlugin ? 'only hooks.auth' : 'neither'}`,
    })
  if (credential !== undefined && !byPlugin)
    problems.push({
      path: 'authentication.credential',
      message: 'says where the auth plugin finds its credential; this API has no hooks.auth',
    })
  if (idExtractor === undefined) return problems
  if (!byPlugin)
    problems.push({
      path: 'authentication.idExtractor',
      message: 'vouches for what the auth plugin has decided; this API has no hooks.auth',
    })
  for (const { path, message } of extractorProblems(idExtractor))
    problems.push({ path: pathText(['authentication', 'idExtractor', ...(path === '' ? [] : [path])]), message })
  return problems
}

function limitProblems(input: Fields): Problem[] {
  const { limits } = input
  if (!isFields(limits)) return []
  const ignoreCase = ignoresCase({ ignoreCase: input['ignoreCase'] === true, upstream: input['upstream'] })
  const problems = endpointProblems(ignoreCase, 'limits.endpoints', limits['endpoints'])
  const { rate, per } = limits
  if ((rate === undefined) !== (per === undefined)) {
    const missing = rate === undefined ? 'rate' : 'per'
    problems.push({
      path: `limits.${missing}`,
      message: 'missing; a rate limit is { rate, per }: requests per seconds',
    })
  }
  return problems
}

function policyProblems({ policies }: Fields): Problem[] {
  if (!isFields(policies)) return []
  return Object.entries(policies).flatMap(([id, policy]) => {
    const at = `policies[${JSON.stringify(id)}]`
    // Field by field, so that all of them are told; then what only shows in the whole.
    const fields = isFields(policy) ? Object.entries(policy) : []
    const ofFields = fields.flatMap(([key, value]) => attempt(within(at, key), () => readPolicy(id, { [key]: value })))
    const all = ofFields.length > 0 ? ofFields : attempt(at, () => parsePolicies({ [id]: policy as PolicyInput }))
    return all.map(({ path, message }) => ({ path, message: message.replaceAll(`The policy "${id}"`, 'this policy') }))
  })
}

function endpointProblems(ignoreCase: boolean, where: string, endpoints: unknown): Problem[] {
  if (!isFields(endpoints)) return []
  return keyProblems(
    ignoreCase,
    Object.keys(endpoints).map((key) => [`${where}[${JSON.stringify(key)}]`, key]),
  )
}

function recordProblems(input: Fields): Problem[] {
  const { records } = input
  if (!isFields(records)) return []
  return ['track', 'skip'].flatMap((name) => {
    const keys = records[name]
    if (!Array.isArray(keys)) return []
    const written = keys.flatMap((key: unknown, i) =>
      typeof key === 'string' && key !== '' ? [[`records.${name}[${i}]`, key] as const] : [],
    )
    return keyProblems(input['ignoreCase'] === true, written)
  })
}

function keyProblems(ignoreCase: boolean, keys: readonly (readonly [path: string, key: string])[]): Problem[] {
  const problems: Problem[] = []
  const seen = new Map<string, string>()
  for (const [path, key] of keys) {
    const endpoint = parseEndpointKey(key)
    if (typeof endpoint === 'string') {
      problems.push({ path, message: endpoint })
      continue
    }
    const texts = new Set(signatures(endpoint, ignoreCase))
    const twin = [...texts].map((text) => seen.get(text)).find((other) => other !== undefined)
    if (twin !== undefined)
      problems.push({
        path,
        message: `meets the same requests as ${JSON.stringify(twin)}; put all of an endpoint under one key`,
      })
    for (const text of texts) seen.set(text, key)
  }
  return problems
}

function trustProblems({ trustedProxies }: Fields): Problem[] {
  if (!Array.isArray(trustedProxies)) return []
  return trustedProxies.flatMap((range: unknown, i) =>
    typeof range === 'string' && range !== '' ? attempt(`trustedProxies[${i}]`, () => compileTrust([range])) : [],
  )
}

/** A field nobody would ever see: who reads it has to say that it is wanted. */
function underscoreProblems({ authentication, underscoreHeaders }: Fields): Problem[] {
  if (underscoreHeaders === 'keep' || !isFields(authentication)) return []
  return ['token', 'credential', 'idExtractor'].flatMap((where) => {
    const reader = authentication[where]
    const header = isFields(reader) ? reader['header'] : undefined
    if (typeof header !== 'string' || !header.includes('_')) return []
    const message = `found ${describe(header)}, but fields with "_" are dropped; set underscoreHeaders: "keep"`
    return [{ path: `authentication.${where}.header`, message }]
  })
}

function configProblems({ config }: Fields): Problem[] {
  const problem = endlessness(config, [], new Set())
  return problem === undefined ? [] : [{ path: 'config', message: problem }]
}

/** Deeper data would exhaust the stack of whoever walks it. */
const MAX_DEPTH = 100

function endlessness(value: unknown, above: readonly unknown[], fine: Set<unknown>): string | undefined {
  // Only what is copied: instances (a client, a pool) are shared as they are.
  // What is shared is looked at once: within each other, shared parts would double the work every time.
  if ((!Array.isArray(value) && !isPlain(value)) || fine.has(value)) return undefined
  if (above.includes(value)) return 'contains itself; expected data that ends somewhere'
  if (above.length === MAX_DEPTH) return `is more than ${MAX_DEPTH} levels deep`
  const inside = [...above, value]
  for (const inner of Object.values(value)) {
    const problem = endlessness(inner, inside, fine)
    if (problem !== undefined) return problem
  }
  fine.add(value)
  return undefined
}

function attempt(path: string, parse: () => unknown): Problem[] {
  try {
    parse()
    return []
  } catch (error) {
    if (!isGatewayError(error)) throw error
    return [{ path, message: error.message }]
  }
}
