import type {
  ApiDefinition,
  ApiDefinitionInput,
  IdExtractorInput,
  LimitsInput,
  PluginEntry,
  PluginSettings,
  Token,
  TokenInput,
} from '../api.ts'
import { describe } from '../errors.ts'
import { canonicalPath, encodePath } from '../http/path.ts'
import { parseUpstreamUrl } from '../http/upstream-url.ts'
import type { IdExtractor } from '../session/extract-id.ts'
import { parsePolicies } from '../session/policy.ts'
import { definitionError, type Problem, schemaProblems } from './problems.ts'
import { ruleProblems } from './rules.ts'
import { definitionSchema } from './schema.ts'
import { BREAKER_DEFAULTS, HEALTH_DEFAULTS, UPSTREAM_DEFAULTS } from './upstream-defaults.ts'

/** Validates one definition or several; every problem of all of them is in the one `PSTN_DEFINITION_INVALID` it throws. */
export function parseDefinitions(input: ApiDefinitionInput | readonly ApiDefinitionInput[]): readonly ApiDefinition[] {
  // Holes in a sparse array become entries, which `flatMap` would pass over.
  const inputs: readonly unknown[] = Array.isArray(input) ? Array.from<unknown>(input) : [input]
  if (inputs.length === 0) {
    throw definitionError('The list of definitions', [
      { path: '', message: 'found an empty array, expected at least one definition' },
    ])
  }
  const problems = inputs.flatMap((one, i) =>
    problemsOf(one).map(({ path, message }) => ({ path: inputs.length === 1 ? path : joined(i, path), message })),
  )
  if (problems.length > 0) throw definitionError(titleOf(inputs), problems)
  const definitions = (inputs as readonly ApiDefinitionInput[]).map(normalise)
  const clashes = clashesOf(definitions)
  if (clashes.length > 0) throw definitionError(titleOf(inputs), clashes)
  return definitions
}

function problemsOf(input: unknown): Problem[] {
  const ofSchema = schemaProblems(definitionSchema.safeParse(input).error)
  const known = new Set(ofSchema.map(({ path }) => path))
  // What has no valid shape need not be told twice.
  return [...ofSchema, ...ruleProblems(input).filter(({ path }) => !known.has(path))]
}

/** Two APIs that answer to the same id, name or listen path: one of them would never be reached. */
function clashesOf(definitions: readonly ApiDefinition[]): Problem[] {
  const problems: Problem[] = []
  for (const field of ['id', 'name', 'listenPath'] as const) {
    const seen = new Map<string, number>()
    for (const [i, definition] of definitions.entries()) {
      const other = seen.get(definition[field])
      // Two ids that are only the names again would say the same thing twice.
      const said =
        field === 'id' && definition.id === definition.name && definitions[other ?? i]?.name === definition.name
      if (other === undefined) seen.set(definition[field], i)
      else if (!said)
        problems.push({
          path: `[${i}].${field}`,
          message: `found ${describe(definition[field])}, which [${other}] already has`,
        })
    }
  }
  return problems
}

/** From here on there is one shape: every default filled in, nothing optional, nothing that can change. */
function normalise(input: ApiDefinitionInput): ApiDefinition {
  const hooks = input.hooks ?? {}
  const token = normaliseToken(input.authentication?.token)
  return deepFreeze({
    name: input.name,
    id: input.id ?? input.name,
    orgId: input.orgId ?? '',
    listenPath: normaliseListenPath(input.listenPath ?? '/'),
    stripListenPath: input.stripListenPath ?? true,
    upstream: normaliseUpstream(input.upstream),
    keyless: hooks.auth === undefined && token === undefined,
    authentication: {
      token,
      idExtractor: normaliseExtractor(input.authentication?.idExtractor),
      baseIdentity: input.authentication?.baseIdentity ?? (hooks.auth === undefined ? 'token' : 'plugin'),
    },
    limits: normaliseLimits(input.limits),
    policies: parsePolicies(input.policies ?? {}),
    version: input.version ?? '',
    sessionLifetime: input.sessionLifetime ?? THIRTY_DAYS,
    hooks: {
      pre: settingsOf(hooks.pre),
      auth: hooks.auth === undefined ? undefined : settings(hooks.auth),
      postAuth: settingsOf(hooks.postAuth),
      post: settingsOf(hooks.post),
      response: settingsOf(hooks.response),
      analytics: settingsOf(hooks.analytics),
    },
    endpoints: Object.fromEntries(Object.entries(input.endpoints ?? {}).map(([key, list]) => [key, settingsOf(list)])),
    ignoreCase: input.ignoreCase ?? false,
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
    records: input.records ?? true,
  })
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

function normaliseExtractor(input: IdExtractorInput | undefined): IdExtractor | undefined {
  return input === undefined ? undefined : { ...input, proof: input.proof ?? 'source' }
}

function normaliseLimits(input: LimitsInput = {}): ApiDefinition['limits'] {
  const { rate, per, endpoints = {}, algorithm = 'sliding-window', headers = 'both' } = input
  return {
    api: rate === undefined || per === undefined ? undefined : { rate, per },
    endpoints: Object.fromEntries(Object.entries(endpoints).map(([key, limit]) => [key, { ...limit }])),
    algorithm,
    headers,
  }
}

function settingsOf<P>(entries: readonly PluginEntry<P>[] | undefined): readonly PluginSettings<P>[] {
  return (entries ?? []).map(settings)
}

function settings<P>(entry: PluginEntry<P>): PluginSettings<P> {
  return typeof entry === 'function' ? { plugin: entry } : { ...(entry as PluginSettings<P>) }
}

/** Objects and arrays are copied so that freezing ours leaves the author's alone; instances are shared as they are. */
function copyPlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyPlain)
  if (!isPlain(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyPlain(inner)]))
}

function deepFreeze<T>(value: T): T {
  if (Array.isArray(value) || isPlain(value)) {
    for (const inner of Object.values(value)) deepFreeze(inner)
    Object.freeze(value)
  }
  return value
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function titleOf(inputs: readonly unknown[]): string {
  const [only] = inputs
  if (inputs.length > 1) return `The list of ${inputs.length} definitions`
  const name = typeof only === 'object' && only !== null ? (only as { name?: unknown }).name : undefined
  return typeof name === 'string' && name !== '' ? `The definition of "${name}"` : 'The definition'
}

function joined(index: number, path: string): string {
  return path === '' || path.startsWith('[') ? `[${index}]${path}` : `[${index}].${path}`
}
