import { type ApiDefinitionInput, type DefinitionInput, type GatewayOptions, isGatewayError } from '@postern/core'
import { createGateway } from '@postern/http'
import fc from 'fast-check'
import { pathKeys } from '../../packages/core/src/definition/problems.ts'
import { closeLater } from '../support/cleanup.ts'
import { type Attacked, type Fuzzer, found } from './fuzzer.ts'
import { TYK_DOCUMENTS, TYK_OPTIONS, tykKey, tykText } from './tyk-documents.ts'

/** Where something is put into a valid definition, or taken out. */
interface Mutation {
  /** Which of the places there are, by its number. */
  readonly place: number
  readonly how: 'replace' | 'delete' | 'add'
  readonly key: string
  readonly value: unknown
}

interface Input {
  readonly definition: unknown
  readonly options: unknown
}

const nothing = (): undefined => undefined

const VALID: readonly (() => object)[] = [
  () => ({ name: 'a' }),
  () => ({
    name: 'orders',
    id: 'o-1',
    orgId: 'acme',
    listenPath: '/orders/',
    stripListenPath: false,
    upstream: { url: 'http://127.0.0.1:9/base', preserveHost: true, forwarded: 'set', connectTimeoutMs: 5 },
    hooks: {
      pre: [nothing, { plugin: nothing, name: 'n', timeoutMs: 5 }],
      auth: nothing,
      postAuth: [nothing],
      post: [nothing],
      response: [nothing],
      analytics: [nothing],
    },
    endpoints: { 'GET /stock/:sku': [nothing], '* /x{/y}/*rest': [{ plugin: nothing }] },
    trustedProxies: ['10.0.0.0/8', '::1'],
    config: { any: [1, 'x', null] },
  }),
  () => ({
    name: 'keys',
    listenPath: '/keys',
    upstream: 'https://[::1]:9/',
    authentication: { token: { header: 'x-key', query: 'key', cookie: 'key', strip: 'all' } },
    limits: {
      rate: 1,
      per: 2,
      endpoints: { 'GET /a': { rate: 1, per: 1 } },
      algorithm: 'gcra',
      headers: 'ietf',
    },
    policies: {
      gold: { rate: 1, per: 1, quotaMax: 5, quotaRenewalRate: 60, accessRights: { keys: { apiName: 'keys' } } },
    },
    version: 'v1',
    bodyTimeoutMs: 1,
    maxBodyBytes: 1,
    underscoreHeaders: 'keep',
    records: false,
  }),
  () => ({
    name: 'extractor',
    authentication: { idExtractor: { source: 'header', mode: 'regex', header: 'x-id', expression: '^(.+)$' } },
    hooks: { auth: nothing },
  }),
]

const VALID_OPTIONS: readonly (() => object | undefined)[] = [
  () => undefined,
  () => ({ onStoreError: { sessions: 'pass' }, recordCapacity: 5, policies: { gold: { rate: 1, per: 1 } } }),
  () => ({ log: console, forward: nothing }),
]

/** Made anew each time: what is put into a definition is changed with it later. */
const ODD: readonly (() => unknown)[] = [
  ...[null, undefined, '', 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, true, 10n, nothing].map(
    (one) => () => one,
  ),
  ...['__proto__', '/', '//', '/../', 'http://', 'file:///etc', '(a+)+$', '{', 'GET /{', 'GET /:'].map(
    (one) => () => one,
  ),
  () => 'x'.repeat(5000),
  () => [],
  () => ({}),
  () => Symbol('s'),
  () => new Date(0),
  () => new Map(),
  () => new Proxy({}, {}),
  () => Array.from({ length: 3 }),
]
const odd = fc.oneof(
  fc.constantFrom(...ODD).map((make) => make()),
  fc.jsonValue({ maxDepth: 3 }),
  fc.anything({ maxDepth: 2, withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }),
)
const anyKey = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'rate',
    'per',
    'url',
    'plugin',
    'GET /y',
    'get /y',
    'names',
    'upstreams',
    '0',
    '-1',
    '',
  ),
  fc.string({ maxLength: 12 }),
)
const mutationsOf = (keys: fc.Arbitrary<string>, values: fc.Arbitrary<unknown>): fc.Arbitrary<Mutation[]> => {
  const how = fc.constantFrom('replace' as const, 'replace' as const, 'delete' as const, 'add' as const)
  return fc.array(fc.record({ place: fc.nat(1000), how, key: keys, value: values }), { maxLength: 4 })
}
const mutations = mutationsOf(anyKey, odd)
const tykMutations = mutationsOf(fc.oneof(anyKey, tykKey), fc.oneof(odd, tykText, fc.boolean()))

const mutated = (valid: readonly (() => object | undefined)[], by = mutations): fc.Arbitrary<unknown> =>
  fc.tuple(fc.constantFrom(...valid), by).map(([make, all]) => all.reduce<unknown>(mutate, make()))
const tyk = mutated(TYK_DOCUMENTS, tykMutations)

const MATCHING = ['whole', 'prefix', 'suffix', 'contains'] as const

/** Definitions and options: built, or refused with everything that is wrong with them. */
export const definitions: Fuzzer<Input> = {
  input: fc.oneof(
    {
      weight: 1,
      arbitrary: fc.record({
        definition: fc.oneof(
          { weight: 8, arbitrary: mutated(VALID) },
          { weight: 2, arbitrary: fc.array(mutated(VALID), { maxLength: 3 }) },
          { weight: 1, arbitrary: odd },
        ),
        options: fc.oneof(
          { weight: 4, arbitrary: fc.constant(undefined) },
          { weight: 2, arbitrary: mutated(VALID_OPTIONS) },
        ),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        definition: fc.oneof(
          { weight: 8, arbitrary: tyk },
          { weight: 1, arbitrary: fc.array(fc.oneof(tyk, mutated(VALID)), { maxLength: 3 }) },
        ),
        options: fc.oneof(
          {
            weight: 6,
            arbitrary: fc
              .constantFrom(...MATCHING)
              .map((how) => Object.assign(TYK_OPTIONS(), { tykPathMatching: how })),
          },
          { weight: 1, arbitrary: mutated([TYK_OPTIONS], tykMutations) },
        ),
      }),
    },
  ),
  count: () => 1,
  show: (input) => fc.stringify(input),
  async start(): Promise<Attacked<Input>> {
    // What is loaded and ignores something says so each time.
    const emitWarning = process.emitWarning.bind(process)
    process.emitWarning = () => undefined
    closeLater(() => (process.emitWarning = emitWarning))
    const own = Object.getOwnPropertyNames(Object.prototype).join()
    // Of what is refused as it stands, no change would ever be met.
    for (const make of VALID) await createGateway(make() as ApiDefinitionInput).close()
    for (const make of TYK_DOCUMENTS) await createGateway(make() as DefinitionInput, TYK_OPTIONS()).close()
    return {
      async check({ definition, options }) {
        try {
          const gateway = createGateway(definition as ApiDefinitionInput, options as GatewayOptions)
          gateway.explain('GET', '/orders/x')
          await gateway.close({ timeoutMs: 1 })
        } catch (error) {
          checkRefusal(error, definition)
        }
        if (Object.getOwnPropertyNames(Object.prototype).join() !== own) found('Object.prototype was changed')
      },
    }
  },
}

interface Place {
  readonly holder: object
  readonly key: string
}

/** Changes an own part of the value, at any depth. */
function mutate(value: unknown, { place, how, key: added, value: given }: Mutation): unknown {
  const put = copyOf(given)
  const places = placesOf(value)
  const chosen = places[place % (places.length + 1)]
  if (chosen === undefined) return how === 'replace' ? put : value
  const { holder } = chosen
  // JSON gives a list no other keys than its places.
  if (how === 'add' && Array.isArray(holder)) holder.push(put)
  else if (how === 'delete') Reflect.deleteProperty(holder, chosen.key)
  else set(holder, how === 'add' ? added : chosen.key, put)
  return value
}

/** What was made up stays as it is: making a finding smaller depends on it. */
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const isList = Array.isArray(value)
  if (!isList && Object.getPrototypeOf(value) !== Object.prototype) return value
  const copy: object = isList ? Array.from({ length: value.length }) : {}
  for (const [name, part] of Object.entries(value)) set(copy, name, copyOf(part))
  return copy
}

/** `__proto__` as JSON has it: a key like any other. */
function set(holder: object, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true })
}

function placesOf(value: unknown, depth = 0): Place[] {
  if (typeof value !== 'object' || value === null || depth > 10 || Object.getPrototypeOf(value) === null) return []
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return []
  const places: Place[] = []
  for (const [name, part] of Object.entries(value))
    places.push({ holder: value, key: name }, ...placesOf(part, depth + 1))
  return places
}

const CODES = new Set<string>(['PSTN_DEFINITION_INVALID', 'PSTN_OPTIONS_INVALID'])

function checkRefusal(error: unknown, definition: unknown): void {
  if (!isGatewayError(error) || !CODES.has(error.code)) throw error
  if (error.message === '') found('a refusal that does not say why')
  if (error.code !== 'PSTN_DEFINITION_INVALID') return
  const problems: unknown = error.cause
  if (!Array.isArray(problems) || problems.length === 0) found('a refusal without problems', { message: error.message })
  for (const problem of problems as readonly unknown[]) {
    const { path, message } = problem as { readonly path: unknown; readonly message: unknown }
    if (typeof path !== 'string' || typeof message !== 'string' || message === '')
      found('a problem without its place or its reason', { path, message })
    if (!/(?:^|: )missing\b|^found undefined/.test(message) && !leads(path, definition))
      found('a problem of a place the definition does not have', { path, message })
  }
}

/** Whether a path is one of the definition's own; what is missing is nowhere. */
function leads(path: string, definition: unknown): boolean {
  let value: unknown = Array.isArray(definition) && definition.length === 1 ? definition[0] : definition
  for (const key of pathKeys(path)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false
    value = (value as Readonly<Record<PropertyKey, unknown>>)[key]
  }
  return true
}
