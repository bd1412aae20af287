import { GatewayError } from '../errors.ts'
import type { Hook } from '../hooks.ts'
import { createRequest, type RequestInput } from '../http/create.ts'
import { describePath, parseTarget, withoutAuthority } from '../http/path.ts'
import type { Charge } from '../limits/charge.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import { keptListenPath } from '../definition/kept-listen-path.ts'
import { parseUpstreamUrl, pathAt } from '../http/upstream-url.ts'
import type { ApiIndex, ApiMatch } from './api-index.ts'
import type { CompiledApi } from './compiled-api.ts'
import type { EndpointMatch } from './endpoint-tree.ts'

export interface ExplainedHook {
  readonly hook: Hook
  /** Names in the order they run. */
  readonly plugins: readonly string[]
  /** Why it runs, or why it does not. */
  readonly why: string
}

/** What a request would meet. Print it: `String(gateway.explain('GET', '/orders/1'))`. */
export interface Explanation {
  readonly method: string
  /** The canonical path; undefined when the URL has none (the request would be answered 400). */
  readonly path: string | undefined
  /** Undefined when no API listens: the host goes on, or answers 404. */
  readonly api: { readonly id: string; readonly name: string; readonly listenPath: string } | undefined
  /** The endpoint rule that matches, with its parameters. */
  readonly endpoint: { readonly key: string; readonly params: Readonly<Record<string, string>> } | undefined
  readonly hooks: readonly ExplainedHook[]
  /** What limits the API has for all callers; those of keys depend on who calls. */
  readonly limits: readonly string[]
  /** Where the request would go. */
  readonly upstream: string
  toString(): string
}

/** As much of an API as can be explained: nothing of it has to run. */
type ExplainedApi = Omit<CompiledApi, 'services'>

/** Works out what a request would meet, before any plugin has changed it. Runs nothing. */
export function explain(
  apis: ApiIndex<ExplainedApi>,
  method: string,
  url: string,
  init: RequestInput = {},
): Explanation {
  // Any text is a method, and a URL alone would pass for one.
  if (typeof method !== 'string' || typeof url !== 'string') {
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      `explain() takes a method and a URL, such as explain('GET', '/orders/1'); found ${describePath(method)} and ${describePath(url)}.`,
    )
  }
  const target = parseTarget(url)
  if (target === undefined) return noApi(method, undefined, unreadable(apis))
  const match = apis.find(target.path)
  if (match === undefined && apis.find(withoutAuthority(url).split('?', 1)[0]!) !== undefined)
    return noApi(method, undefined, unreadable(apis, 'dot segments lead out of an API'))
  if (match === undefined)
    return noApi(method, target.path, `none: no API listens there (${listening(apis)}); the host goes on, or 404`)
  const { api, path } = match
  const { definition, info } = api
  const endpoint = api.chain.endpoints.find(method, path)
  const tooLong = Number(createRequest('/', init).headers.get('content-length') ?? 0) > definition.maxBodyBytes
  return explanation({
    method,
    path: target.path,
    api: { id: info.id, name: info.name, listenPath: definition.listenPath },
    endpoint: endpoint === undefined ? undefined : { key: endpoint.key, params: { ...endpoint.params } },
    hooks: api.available ? hookRows(api, method, path, endpoint) : [],
    limits: api.chain.limits(method, path).map(limitText),
    upstream: tooLong
      ? `none: answered 413 at once, the body is longer than ${definition.maxBodyBytes} bytes`
      : upstreamOf(match, target.search),
  })
}

function noApi(method: string, path: string | undefined, upstream: string): Explanation {
  return explanation({ method, path, api: undefined, endpoint: undefined, hooks: [], limits: [], upstream })
}

function unreadable(apis: ApiIndex<ExplainedApi>, why = 'the path has no canonical spelling'): string {
  const left = apis.all.every((api) => api.passive)
  return left ? `none: ${why}; left to the host` : `none: answered 400, ${why}`
}

function listening(apis: ApiIndex<ExplainedApi>): string {
  return `listening: ${apis.all.map(({ definition }) => definition.listenPath).join(', ')}`
}

type EndpointPlugins = EndpointMatch<readonly LoadedPlugin<'endpoint'>[]>

function hookRows(
  api: ExplainedApi,
  method: string,
  path: string,
  endpoint: EndpointPlugins | undefined,
): ExplainedHook[] {
  const { plugins } = api.chain
  const { keyless, records } = api.definition
  return [
    row('pre', plugins.pre),
    row('auth', plugins.auth, authReason(api)),
    row('postAuth', plugins.postAuth, keyless ? 'never runs on a keyless API' : ''),
    row('endpoint', endpoint?.value ?? [], endpointReason(api, method, path, endpoint?.key)),
    row('post', plugins.post),
    row('response', plugins.response),
    row('analytics', plugins.analytics, records === undefined ? 'records are off' : ''),
  ]
}

/** Who is asked who is calling, besides the plugin. */
function authReason({ definition }: ExplainedApi): string {
  const { keyless, authentication, hooks } = definition
  if (keyless) return 'the API is keyless'
  const { token, idExtractor } = authentication
  const extracted = idExtractor === undefined ? '' : `by the id in the ${idExtractor.source} while its session vouches`
  if (token === undefined) return extracted
  const places = [
    ...(token.header === undefined ? [] : [`header ${token.header}`]),
    ...(token.query === undefined ? [] : [`query parameter ${token.query}`]),
    ...(token.cookie === undefined ? [] : [`cookie ${token.cookie}`]),
  ]
  const key = `a key in ${places.join(' or ')}`
  if (hooks.auth === undefined) return key
  return `${extracted === '' ? '' : `${extracted}; `}and ${key}: both have to let the caller in`
}

function limitText({ kind, max, periodMs, endpoint }: Charge): string {
  const where = endpoint === '' ? 'the API' : `"${endpoint}"`
  return `${max} in ${periodMs / 1000} s for ${where}, all callers together (${kind})`
}

function row(hook: Hook, plugins: readonly { readonly name: string }[], why = ''): ExplainedHook {
  return {
    hook,
    plugins: plugins.map(({ name }) => name),
    why: plugins.length === 0 && why === '' ? 'none defined' : why,
  }
}

function endpointReason({ chain }: ExplainedApi, method: string, path: string, key: string | undefined): string {
  if (key !== undefined) return `matches "${key}"`
  if (chain.endpoints.size === 0) return 'none defined'
  const others = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter(
    (other) => other !== method && chain.endpoints.find(other, path) !== undefined,
  )
  if (others.length > 0) return `the path matches, but only for ${others.join(', ')}`
  return `no endpoint matches ${path}`
}

function upstreamOf({ api, path, bare }: ApiMatch<ExplainedApi>, search: string): string {
  const { definition, available, customForwarder } = api
  if (!available) return 'none: answered 503, its plugins are not loaded; gateway.ready() says why'
  if (definition.upstream === undefined) return customForwarder ? 'the option forward' : 'the host application'
  const prefix = keptListenPath(definition)
  const behind = bare ? prefix : prefix + path
  const { targets } = definition.upstream
  const places = targets.map(({ url }) => {
    const target = parseUpstreamUrl(url)
    return target.origin + pathAt(target, behind) + (search === '' ? '' : `?${search}`)
  })
  return places.join(' or ')
}

function explanation(facts: Omit<Explanation, 'toString'>): Explanation {
  return Object.freeze({ ...facts, toString: () => print(facts) })
}

function print({ method, path, api, endpoint, hooks, limits, upstream }: Omit<Explanation, 'toString'>): string {
  const lines = [`${method} ${path ?? '(no canonical path)'}`]
  if (api !== undefined) lines.push(`  api        ${api.name} at ${api.listenPath}`)
  for (const { hook, plugins, why } of hooks) {
    const list = plugins.length === 0 ? '-' : plugins.join(' > ')
    lines.push(`  ${hook.padEnd(10)} ${list}${why === '' ? '' : `  (${why})`}`)
  }
  for (const limit of limits) lines.push(`  limit      ${limit}`)
  if (endpoint !== undefined && Object.keys(endpoint.params).length > 0)
    lines.push(`  params     ${JSON.stringify(endpoint.params)}`)
  lines.push(`  upstream   ${upstream}`)
  return lines.join('\n')
}
