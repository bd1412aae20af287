import { isPlain } from '../fields.ts'
import type { ApiDefinition, Token } from '../api.ts'
import type {
  ApiDefinitionInput,
  IdExtractorInput,
  LimitsInput,
  PluginEntry,
  PluginReference,
  PluginSettings,
  RecordsInput,
  TokenInput,
} from '../api-input.ts'
import { canonicalPath, encodePath } from '../http/path.ts'
import { parseUpstreamUrl } from '../http/upstream-url.ts'
import type { IdExtractor } from '../session/extract-id.ts'
import { parsePolicies } from '../session/policy.ts'
import type { Draft, DraftPlugin } from './draft.ts'
import type { NamedPlugins } from './plugin-references.ts'
import { BREAKER_DEFAULTS, HEALTH_DEFAULTS, UPSTREAM_DEFAULTS } from './upstream-defaults.ts'

/** From here on there is one shape: every default filled in, nothing optional, nothing that can change. */
export function normalise(input: ApiDefinitionInput, plugins: NamedPlugins): Draft {
  const hooks = input.hooks ?? {}
  const token = normaliseToken(input.authentication?.token)
  const settings = <P>(entry: PluginEntry<P>): DraftPlugin<P> => draftPlugin(entry, plugins)
  const settingsOf = <P>(entries: readonly PluginEntry<P>[] = []): readonly DraftPlugin<P>[] => entries.map(settings)
  return {
    name: input.name,
    id: input.id ?? input.name,
    orgId: input.orgId ?? '',
    listenPath: normaliseListenPath(input.listenPath ?? '/'),
    stripListenPath: input.stripListenPath ?? true,
    upstream: normaliseUpstream(input.upstream),
    keyless: hooks.auth === undefined && token === undefined,
    authentication: {
      token,
      credential: normaliseCredential(input.authentication?.credential),
      idExtractor: normaliseExtractor(input.authentication?.idExtractor),
      baseIdentity: input.authentication?.baseIdentity ?? (hooks.auth === undefined ? 'token' : 'plugin'),
    },
    limits: normaliseLimits(input.limits),
    policies: parsePolicies(input.policies ?? {}),
    version: input.version ?? '',
    sessionLifetime: input.sessionLifetime ?? THIRTY_DAYS,
    keepUntilExpiry: input.keepUntilExpiry ?? false,
    hooks: {
      pre: settingsOf(hooks.pre),
      auth: hooks.auth === undefined ? undefined : settings(hooks.auth),
      postAuth: settingsOf(hooks.postAuth),
      post: settingsOf(hooks.post),
      response: settingsOf(hooks.response),
      analytics: settingsOf(hooks.analytics),
    },
    responseScope: input.responseScope ?? 'upstream',
    endpoints: Object.fromEntries(Object.entries(input.endpoints ?? {}).map(([key, list]) => [key, settingsOf(list)])),
    ignoreCase: input.ignoreCase ?? false,
    endpointOrder: input.endpointOrder ?? 'specific',
    config: copyPlain(input.config ?? {}) as Record<string, unknown>,
    pluginTimeoutMs: input.pluginTimeoutMs ?? 5_000,
    maxBufferedBytes: input.maxBufferedBytes ?? 10 * 1024 * 1024,
    maxBodyBytes: input.maxBodyBytes ?? Number.POSITIVE_INFINITY,
    bodyTimeoutMs: input.bodyTimeoutMs ?? 30_000,
    requestTimeoutMs: input.requestTimeoutMs ?? 300_000,
    sendTimeoutMs: input.sendTimeoutMs ?? 300_000,
    upgradeIdleTimeoutMs: input.upgradeIdleTimeoutMs ?? 300_000,
    underscoreHeaders: input.underscoreHeaders ?? 'drop',
    trustedProxies: [...(input.trustedProxies ?? [])],
    records: normaliseRecords(input.records),
    secrets: normaliseSecrets(input),
  }
}

function normaliseListenPath(path: string): string {
  const canonical = canonicalPath(encodePath(path))!.replace(/\/+$/, '')
  return canonical === '' ? '/' : canonical
}

function normaliseUpstream(input: ApiDefinitionInput['upstream']): ApiDefinition['upstream'] {
  if (input === undefined) return undefined
  const { url, targets, health, circuitBreaker, ...others } = typeof input === 'string' ? { url: input } : input
  const all = (targets ?? [url]).map((target) => {
    const { url: href, weight = 1 } = typeof target === 'string' ? { url: target } : target
    return { url: parseUpstreamUrl(href).href, weight }
  })
  const breaker = circuitBreaker === true ? {} : circuitBreaker === false ? undefined : circuitBreaker
  return {
    ...UPSTREAM_DEFAULTS,
    ...given(others),
    url: all[0]!.url,
    targets: all,
    health: health && { ...HEALTH_DEFAULTS, ...given(health), path: health.path },
    circuitBreaker: breaker && { ...BREAKER_DEFAULTS, ...given(breaker) },
  }
}

/** What is undefined is left out, so that it does not hide a default. */
function given<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> }
}

const THIRTY_DAYS = 2_592_000

function normaliseToken(input: boolean | TokenInput | undefined): Token | undefined {
  if (input === undefined || input === false) return undefined
  const { header = 'authorization', query, cookie, strip = 'query' } = input === true ? {} : input
  return { header: header === false ? undefined : header.toLowerCase(), query, cookie, strip }
}

/** What only the plugin reads is the plugin's to take off. */
function normaliseCredential(input: TokenInput = {}): Token {
  return normaliseToken({ ...input, strip: input.strip ?? 'none' })!
}

function normaliseExtractor(input: IdExtractorInput | undefined): IdExtractor | undefined {
  return input === undefined ? undefined : { ...input, proof: input.proof ?? 'source' }
}

function normaliseLimits(input: LimitsInput = {}): ApiDefinition['limits'] {
  const { rate, per, endpoints = {}, algorithm = 'sliding-window', headers = 'both' } = input
  const { keyRate = true, keyQuota = true } = input
  return {
    api: rate === undefined || per === undefined ? undefined : { rate, per },
    endpoints: Object.fromEntries(Object.entries(endpoints).map(([key, limit]) => [key, { ...limit }])),
    algorithm,
    headers,
    keyRate,
    keyQuota,
  }
}

function normaliseRecords(input: boolean | RecordsInput = true): ApiDefinition['records'] {
  if (input === false) return undefined
  const {
    tags = [],
    tagHeaders = [],
    track = [],
    skip = [],
    detailed = false,
    maxDetailedBytes = 65_536,
    retention,
  } = input === true ? {} : input
  return {
    tags: [...tags],
    tagHeaders: tagHeaders.map((name) => name.toLowerCase()),
    track: [...track],
    skip: [...skip],
    detailed,
    maxDetailedBytes,
    retention,
  }
}

const SECRET_HEADERS = ['authorization', 'proxy-authorization', 'cookie', 'set-cookie']

/** With everything a key or an id is read from. */
function normaliseSecrets({ secrets = {}, authentication = {} }: ApiDefinitionInput): ApiDefinition['secrets'] {
  const { headers = [], query = [], bodyFields = [] } = secrets
  const { token, credential, idExtractor } = authentication
  const places = [token, credential].map((place) => (typeof place === 'object' ? place : {}))
  const header = idExtractor?.source === 'header' ? idExtractor.header : undefined
  const field = idExtractor?.source === 'form' ? idExtractor.param : undefined
  return {
    headers: named(
      SECRET_HEADERS,
      places.map((place) => place.header || undefined),
      [header],
      headers,
    ).map((name) => name.toLowerCase()),
    query: named(
      places.map((place) => place.query),
      [field],
      query,
    ),
    bodyFields: named([field], bodyFields),
  }
}

/** Each once. */
function named(...lists: readonly (readonly (string | undefined)[])[]): string[] {
  return [...new Set(lists.flat().filter((name) => name !== undefined))]
}

/** A name becomes its function here; one in a file needs reading it first. */
function draftPlugin<P>(entry: PluginEntry<P>, plugins: NamedPlugins): DraftPlugin<P> {
  if (typeof entry === 'function') return { plugin: entry }
  const settings = entry as PluginSettings<P> | PluginReference
  if (settings.functionName === undefined) return { ...settings }
  const { functionName, path, name, timeoutMs } = settings
  if (path !== undefined) return { path, functionName, name: name ?? `${path}:${functionName}`, timeoutMs }
  return { plugin: plugins[functionName] as P, name: name ?? functionName, timeoutMs }
}

/** Objects and arrays are copied so that freezing ours leaves the author's alone; instances are shared as they are. */
function copyPlain(value: unknown, copies = new Map<unknown, unknown>()): unknown {
  const list = Array.isArray(value)
  if (!list && !isPlain(value)) return value
  // What is shared stays shared: copied anew at each place, data within data within data would double every time.
  const known = copies.get(value)
  if (known !== undefined) return known
  const copy: unknown = list
    ? value.map((inner) => copyPlain(inner, copies))
    : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyPlain(inner, copies)]))
  copies.set(value, copy)
  return copy
}

/** Down to the first instance of a class: those are shared. */
export function deepFreeze<T>(value: T, seen = new Set<unknown>()): T {
  if ((Array.isArray(value) || isPlain(value)) && !seen.has(value)) {
    seen.add(value)
    for (const inner of Object.values(value)) deepFreeze(inner, seen)
    Object.freeze(value)
  }
  return value
}
