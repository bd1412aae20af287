import { z } from 'zod'
import type { ApiDefinitionInput } from '../api.ts'
import { describe } from '../errors.ts'
import { nearest } from './nearest.ts'

const MAX_TIMEOUT_MS = 2_147_483_647

type Say = (issue: { readonly input?: unknown }) => string

function expected(what: string): Say {
  return ({ input }) =>
    input === undefined ? `missing, expected ${what}` : `found ${describe(input)}, expected ${what}`
}

/** An object that refuses keys it does not know and says which one was probably meant. */
function strict<T extends z.ZodRawShape>(what: string, shape: T): z.ZodObject<T, z.core.$strict> {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return expected(what)(issue)
      return issue.keys.map((key) => unknownKey(key, known)).join('\n')
    },
  })
}

/** One line per unknown key; `problems.ts` splits them again. */
function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known)
  return `${key}\u0000unknown key; ${meant === undefined ? '' : `did you mean "${meant}"? `}known keys are ${known.join(', ')}`
}

function integer(what: string, min: number, max: number): z.ZodNumber {
  const error = expected(what)
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error })
}

const timeout = integer(`an integer of milliseconds from 1 to ${MAX_TIMEOUT_MS}`, 1, MAX_TIMEOUT_MS)
const bytes = integer('a number of bytes, 0 or more', 0, Number.MAX_SAFE_INTEGER)
const flag = z.boolean({ error: expected('true or false') })
const filled = (what: string): z.ZodString => z.string({ error: expected(what) }).min(1, { error: expected(what) })

/** A class is a function that cannot be called: every request would end in a 500. */
const isFunction = (value: unknown): boolean => typeof value === 'function' && !/^class\b/.test(String(value))

const settings = strict('a function, or { plugin, name, timeoutMs }', {
  plugin: z.custom<never>(isFunction, { error: expected('the plugin function') }),
  name: filled('a name').optional(),
  timeoutMs: timeout.optional(),
})

/** A plugin where it stands: told apart before zod sees it, so that the message is about the one the author meant. */
const plugin = z.unknown().superRefine((value, context) => {
  if (isFunction(value)) return
  const parsed = settings.safeParse(value)
  for (const issue of parsed.error?.issues ?? []) context.addIssue({ ...issue, code: 'custom' })
})

const plugins = z.array(plugin, {
  error: ({ input }) =>
    typeof input === 'function'
      ? `found ${describe(input)}, expected an array of plugins: write [${input.name}]`
      : expected('an array of plugins')({ input }),
})

const upstreamUrl = filled('an http: or https: URL such as "http://127.0.0.1:9000"')

const upstream = strict('a URL, or { url, ... }', {
  url: upstreamUrl,
  preserveHost: flag.optional(),
  forwarded: z
    .enum(['append', 'set', 'remove', 'off'], { error: expected('"append", "set", "remove" or "off"') })
    .optional(),
  connectTimeoutMs: timeout.optional(),
  headersTimeoutMs: timeout.optional(),
  bodyTimeoutMs: timeout.optional(),
  verifyTls: flag.optional(),
})

const isPlainObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && typeof value !== 'function'

/** The shape of a native definition. What spans several fields is checked in `rules.ts`. */
export const definitionSchema = strict('an object: the definition of an API', {
  name: filled('a name, such as "orders"'),
  id: z
    .string({ error: expected('an id, such as "orders-v1"') })
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, { error: expected('an id of letters, digits, ".", "_" and "-"') })
    .optional(),
  orgId: z.string({ error: expected('text') }).optional(),
  listenPath: filled('a path such as "/orders/"').optional(),
  stripListenPath: flag.optional(),
  upstream: z
    .unknown()
    .superRefine((value, context) => {
      const parsed = typeof value === 'string' ? upstreamUrl.safeParse(value) : upstream.safeParse(value)
      for (const issue of parsed.error?.issues ?? []) context.addIssue({ ...issue, code: 'custom' })
    })
    .optional(),
  hooks: strict('an object of plugins by hook', {
    pre: plugins.optional(),
    auth: plugin.optional(),
    postAuth: plugins.optional(),
    post: plugins.optional(),
    response: plugins.optional(),
    analytics: plugins.optional(),
  }).optional(),
  endpoints: z
    .record(z.string(), plugins, { error: expected('an object of plugin arrays by "METHOD /path"') })
    .optional(),
  ignoreCase: flag.optional(),
  config: z.custom<Record<string, unknown>>(isPlainObject, { error: expected('an object') }).optional(),
  pluginTimeoutMs: timeout.optional(),
  maxBufferedBytes: bytes.optional(),
  maxBodyBytes: bytes.optional(),
  trustedProxies: z
    .array(filled('an IP address or CIDR range'), { error: expected('an array of IP addresses and CIDR ranges') })
    .optional(),
  records: flag.optional(),
}) satisfies z.ZodType<unknown, { readonly [K in keyof ApiDefinitionInput]: unknown }>
