import { z } from 'zod'
import type { ApiDefinitionInput } from '../api-input.ts'
import { describe } from '../errors.ts'
import { LONGEST_TIMER_MS } from '../longest-timer.ts'
import { nearest } from '../nearest.ts'
import { OPTION_NAMES } from '../option-names.ts'
import type { JsonSchema } from '../json-schema.ts'
import { inJson, jsonSchemaOf } from './json-form.ts'
import { isFunction } from '../functions.ts'
import { type Elsewhere, unknownKeysMessage } from './problems.ts'

/** A hundred years. */
const MAX_LIFETIME_SECONDS = 3_155_760_000

type Say = (issue: { readonly input?: unknown }) => string

/** What a wrong value is told in: what was found, and what would work. */
export function expected(what: string): Say {
  return ({ input }) =>
    input === undefined ? `missing, expected ${what}` : `found ${describe(input)}, expected ${what}`
}

/** An object that refuses keys it does not know and says which one was probably meant, or where it belongs. */
function strict<T extends z.ZodRawShape>(
  what: string,
  shape: T,
  elsewhere: Elsewhere = () => undefined,
): z.ZodObject<T, z.core.$strict> {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return expected(what)(issue)
      return unknownKeysMessage(issue.keys, known, elsewhere)
    },
  })
}

function integer(what: string, min: number, max: number): z.ZodNumber {
  const error = expected(what)
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error })
}

const timeout = integer(`an integer of milliseconds from 1 to ${LONGEST_TIMER_MS}`, 1, LONGEST_TIMER_MS)
const bytes = integer('a number of bytes, 0 or more', 0, Number.MAX_SAFE_INTEGER)
const flag = z.boolean({ error: expected('true or false') })
/** Not `z.string().min(1)`: that asks whatever has a `length` for it, and compares what may be no number. */
const filled = (what: string): z.ZodType<string> =>
  inJson(
    z.custom<string>((value) => typeof value === 'string' && value !== '', { error: expected(what) }),
    { type: 'string', minLength: 1 },
  )

const PLUGIN = 'a function, { plugin, name, timeoutMs }, or { functionName, path, name, timeoutMs }'

const settings = strict(PLUGIN, {
  plugin: z.custom<never>(isFunction, { error: expected('the plugin function') }),
  name: filled('a name').optional(),
  timeoutMs: timeout.optional(),
})

/** A plugin as a text names it. */
export const pluginReference = strict(PLUGIN, {
  functionName: filled('the name of a function'),
  path: filled('a path below the plugins directory, such as "auth.js"').optional(),
  name: filled('a name').optional(),
  timeoutMs: timeout.optional(),
})

/** A plugin where it stands: told apart before zod sees it, so that the message is about the one the author meant. */
const plugin = inJson(
  z.unknown().superRefine((value, context) => {
    if (isFunction(value)) return
    const form = formMeant(value)
    if (form === undefined) context.addIssue({ code: 'custom', message: expected(PLUGIN)({ input: value }) })
    for (const issue of form?.safeParse(value).error?.issues ?? []) context.addIssue({ ...issue, code: 'custom' })
  }),
  { $ref: '#/$defs/plugin' },
)

/** By the key that makes it one, also where that is misspelt; undefined where it is neither. */
function formMeant(value: unknown): z.ZodType | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  if ('plugin' in value) return settings
  if ('functionName' in value) return pluginReference
  const meant = new Set(Object.keys(value).map((key) => nearest(key, ['plugin', 'functionName'])))
  if (meant.has('plugin')) return settings
  return meant.has('functionName') || 'path' in value ? pluginReference : undefined
}

const plugins = z.array(plugin, {
  error: ({ input }) =>
    typeof input === 'function'
      ? `found ${describe(input)}, expected an array of plugins: write [${input.name}]`
      : expected('an array of plugins')({ input }),
})

/** By `parseUpstreamUrl`, which has the last word. */
const URL_IN_JSON = { type: 'string', pattern: '^[Hh][Tt][Tt][Pp][Ss]?:[^?#\\\\@\\s]+$' }
const upstreamUrl = inJson(filled('an http: or https: URL such as "http://127.0.0.1:9000"'), URL_IN_JSON)

const count = integer('an integer, 1 or more', 1, 1_000_000)

/** A value one of whose forms is an object: told apart before zod sees it, so that the message is about the one meant. */
const either = (isOther: (value: unknown) => boolean, other: JsonSchema, shape: z.ZodType): z.ZodType =>
  inJson(
    z.unknown().superRefine((value, context) => {
      if (isOther(value)) return
      for (const issue of shape.safeParse(value).error?.issues ?? []) context.addIssue({ ...issue, code: 'custom' })
    }),
    () => ({ anyOf: [other, jsonSchemaOf(shape)] }),
  )
const flagOr = (shape: z.ZodType): z.ZodType =>
  either((value) => typeof value === 'boolean', { type: 'boolean' }, shape)

const target = strict('an http: or https: URL, or { url, weight }', {
  url: upstreamUrl,
  weight: integer('an integer from 1 to 1000', 1, 1_000).optional(),
})

const health = strict('an object: { path, ... }', {
  path: z.string({ error: expected('a path such as "/health"') }).regex(/^\/[!-~]*$/, {
    error: expected('a path such as "/health"'),
  }),
  intervalMs: timeout.optional(),
  timeoutMs: timeout.optional(),
  unhealthyAfter: count.optional(),
  healthyAfter: count.optional(),
})

const ratio = z
  .number({ error: expected('a number above 0, up to 1') })
  .positive({ error: expected('a number above 0, up to 1') })
  .max(1, { error: expected('a number above 0, up to 1') })

const circuitBreaker = strict('true, or { failureRatio, minRequests, windowMs, openMs }', {
  failureRatio: ratio.optional(),
  minRequests: count.optional(),
  windowMs: timeout.optional(),
  openMs: timeout.optional(),
})

const upstream = inJson(
  strict('a URL, or { url, ... }', {
    url: upstreamUrl.optional(),
    targets: z
      .array(
        either((value) => typeof value === 'string' && value !== '', URL_IN_JSON, target),
        { error: expected('an array of URLs') },
      )
      .min(1, { error: expected('at least one URL') })
      .optional(),
    preserveHost: flag.optional(),
    forwarded: z
      .enum(['append', 'set', 'remove', 'off'], { error: expected('"append", "set", "remove" or "off"') })
      .optional(),
    connectTimeoutMs: timeout.optional(),
    headersTimeoutMs: timeout.optional(),
    bodyTimeoutMs: timeout.optional(),
    verifyTls: flag.optional(),
    balance: z
      .enum(['round-robin', 'least-pending'], { error: expected('"round-robin" or "least-pending"') })
      .optional(),
    retries: integer('an integer from 0 to 10', 0, 10).optional(),
    ejectAfter: count.optional(),
    ejectMs: timeout.optional(),
    health: health.optional(),
    circuitBreaker: flagOr(circuitBreaker).optional(),
    maxConnections: count.optional(),
    maxQueued: integer('an integer, 0 or more', 0, 1_000_000).optional(),
    queueTimeoutMs: timeout.optional(),
  }),
  { oneOf: [{ required: ['url'] }, { required: ['targets'] }] },
)

/** `parseEndpointKey` says more, and which methods there are. */
const ENDPOINT_IN_JSON = '^(?:\\*|[A-Z][A-Z-]*) (?:/|~.)'
const byEndpoint = <T extends z.ZodType>(value: T, what: string): z.ZodRecord<z.ZodString, T> =>
  inJson(z.record(z.string(), value, { error: expected(what) }), { propertyNames: { pattern: ENDPOINT_IN_JSON } })
const endpointKeys = z.array(
  inJson(filled('an endpoint, such as "GET /stock/:sku"'), { type: 'string', pattern: ENDPOINT_IN_JSON }),
  { error: expected('an array of endpoints') },
)

const positive = (what: string): z.ZodNumber => {
  const error = expected(what)
  return z.number({ error }).positive({ error })
}

const rateLimit = strict('{ rate, per }', {
  rate: positive('a number of requests above 0'),
  per: positive('a number of seconds above 0'),
})

const oneOf = <const T extends readonly [string, ...string[]]>(
  ...values: T
): z.ZodEnum<z.core.util.ToEnum<T[number]>> =>
  z.enum(values, { error: expected(values.map((value) => `"${value}"`).join(' or ')) })

const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/
const headerName = inJson(
  z.custom<string>((value) => typeof value === 'string' && HEADER_NAME.test(value), {
    error: expected('a header name'),
  }),
  { type: 'string', pattern: HEADER_NAME.source },
)

const token = strict('true, or { header, query, cookie, strip }', {
  header: z.union([z.literal(false), headerName], { error: expected('a header name, or false') }).optional(),
  query: filled('the name of a query parameter').optional(),
  cookie: filled('the name of a cookie').optional(),
  strip: oneOf('query', 'all', 'none').optional(),
})

const idExtractor = strict('an object: where the id is and how it is read', {
  source: oneOf('header', 'form', 'body'),
  mode: oneOf('value', 'regex', 'xpath'),
  header: filled('a header name').optional(),
  param: filled('the name of a form field').optional(),
  expression: filled('an expression').optional(),
  matchIndex: integer('an integer from 0 to 99', 0, 99).optional(),
  proof: oneOf('source', 'id').optional(),
})

const authentication = strict('an object: who may call', {
  token: flagOr(token).optional(),
  credential: token.optional(),
  idExtractor: idExtractor.optional(),
  baseIdentity: oneOf('plugin', 'token').optional(),
})

const limits = inJson(
  strict('an object of limits', {
    rate: positive('a number of requests above 0').optional(),
    per: positive('a number of seconds above 0').optional(),
    endpoints: byEndpoint(rateLimit, 'an object of { rate, per } by "METHOD /path"').optional(),
    algorithm: oneOf('sliding-window', 'fixed-window', 'gcra').optional(),
    headers: oneOf('both', 'ietf', 'x-ratelimit', 'none').optional(),
    keyRate: flag.optional(),
    keyQuota: flag.optional(),
  }),
  { dependentRequired: { rate: ['per'], per: ['rate'] } },
)

const records = strict('true, false, or { tags, tagHeaders, track, skip, detailed, maxDetailedBytes, retention }', {
  tags: z.array(filled('a tag'), { error: expected('an array of tags') }).optional(),
  tagHeaders: z.array(headerName, { error: expected('an array of header names') }).optional(),
  track: endpointKeys.optional(),
  skip: endpointKeys.optional(),
  detailed: flag.optional(),
  maxDetailedBytes: bytes.optional(),
  retention: integer('an integer of seconds, 1 or more', 1, MAX_LIFETIME_SECONDS).optional(),
})

const names = (what: string): z.ZodType<readonly string[]> =>
  z.array(filled(what), { error: expected('an array of names') })

const secrets = strict('{ headers, query, bodyFields }', {
  headers: z.array(headerName, { error: expected('an array of header names') }).optional(),
  query: names('the name of a query parameter').optional(),
  bodyFields: names('the name of a field').optional(),
})

const isPlainObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && typeof value !== 'function'

/** Plugins of the hooks of a request, in their places. */
const HOOK_SHAPE = {
  pre: plugins.optional(),
  auth: plugin.optional(),
  postAuth: plugins.optional(),
  post: plugins.optional(),
  response: plugins.optional(),
  analytics: plugins.optional(),
}

const besideHooks: Elsewhere = (key) =>
  ['endpoint', 'endpoints'].includes(key)
    ? 'those of endpoints stand beside hooks: { endpoints: { "GET /stock/:sku": [...] } }'
    : undefined

const SHAPE = {
  name: filled('a name, such as "orders"'),
  id: z
    .string({ error: expected('an id, such as "orders-v1"') })
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, { error: expected('an id of letters, digits, ".", "_" and "-"') })
    .optional(),
  orgId: z.string({ error: expected('text') }).optional(),
  listenPath: inJson(filled('a path such as "/orders/"'), { type: 'string', pattern: '^/[^?*:{}]*$' }).optional(),
  stripListenPath: flag.optional(),
  upstream: inJson(
    z.unknown().superRefine((value, context) => {
      const parsed = typeof value === 'string' ? upstreamUrl.safeParse(value) : upstream.safeParse(value)
      for (const issue of parsed.error?.issues ?? []) context.addIssue({ ...issue, code: 'custom' })
    }),
    () => ({ anyOf: [URL_IN_JSON, jsonSchemaOf(upstream)] }),
  ).optional(),
  hooks: strict('an object of plugins by hook', HOOK_SHAPE, besideHooks).optional(),
  responseScope: oneOf('upstream', 'all').optional(),
  endpoints: byEndpoint(plugins, 'an object of plugin arrays by "METHOD /path"').optional(),
  authentication: authentication.optional(),
  limits: limits.optional(),
  policies: inJson(z.custom<Record<string, never>>(isPlainObject, { error: expected('an object of policies by id') }), {
    type: 'object',
    additionalProperties: { $ref: '#/$defs/policy' },
  }).optional(),
  version: filled('the name of a version').optional(),
  sessionLifetime: integer('an integer of seconds, 1 or more', 1, MAX_LIFETIME_SECONDS).optional(),
  keepUntilExpiry: flag.optional(),
  ignoreCase: flag.optional(),
  endpointOrder: oneOf('specific', 'listed').optional(),
  config: inJson(z.custom<Record<string, unknown>>(isPlainObject, { error: expected('an object') }), {
    type: 'object',
  }).optional(),
  pluginTimeoutMs: timeout.optional(),
  maxBufferedBytes: bytes.optional(),
  maxBodyBytes: bytes.optional(),
  bodyTimeoutMs: timeout.optional(),
  requestTimeoutMs: timeout.optional(),
  sendTimeoutMs: timeout.optional(),
  upgradeIdleTimeoutMs: timeout.optional(),
  underscoreHeaders: oneOf('drop', 'keep').optional(),
  trustedProxies: z
    .array(filled('an IP address or CIDR range'), { error: expected('an array of IP addresses and CIDR ranges') })
    .optional(),
  records: flagOr(records).optional(),
  secrets: secrets.optional(),
  $schema: z.string({ error: expected('the address of a JSON Schema') }).optional(),
}

const outsideDefinition: Elsewhere = (key) => {
  if (OPTION_NAMES.includes(key)) return `it is an option: createGateway(definition, { ${key}: ... })`
  return Object.hasOwn(HOOK_SHAPE, key) ? `it is a hook: { hooks: { ${key}: ... } }` : undefined
}

/** The shape of a native definition. What spans several fields is checked in `rules.ts`. */
export const definitionSchema = strict(
  'an object: the definition of an API',
  SHAPE,
  outsideDefinition,
) satisfies z.ZodType<unknown, { readonly [K in keyof ApiDefinitionInput]: unknown }>
