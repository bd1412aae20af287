import { type ApiDefinitionInput, type GatewayOptions, isGatewayError } from '@postern/core'
import { createGateway } from '@postern/http'
import fc from 'fast-check'
import { type Attacked, type Fuzzer, found } from './fuzzer.ts'

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
    upstream: { url: 'http://127.0.0.1:9/base?x', preserveHost: true, forwarded: 'set', connectTimeoutMs: 5 },
    hooks: {
      pre: [nothing, { plugin: nothing, name: 'n', timeoutMs: 5 }],
      auth: nothing,
      postAuth: [nothing],
      post: [nothing],
      response: [nothing],
      analytics: [nothing],
    },
    endpoints: { 'GET /stock/:sku': [nothing], '* /x/{y}/*rest': [{ plugin: nothing }] },
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
      algorithm: 'leaky-bucket',
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
    authentication: { idExtractor: { source: 'header', with: 'regex', name: 'x-id', expression: '^(.+)$' } },
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
const key = fc.oneof(
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
const mutation: fc.Arbitrary<Mutation> = fc.record({
  place: fc.nat(1000),
  how: fc.constantFrom('replace', 'replace', 'delete', 'add'),
  key,
  value: odd,
})
const mutations = fc.array(mutation, { maxLength: 4 })

const mutated = (valid: readonly (() => object | undefined)[]): fc.Arbitrary<unknown> =>
  fc.tuple(fc.constantFrom(...valid), mutations).map(([make, all]) => all.reduce<unknown>(mutate, make()))

/** Definitions and options: built, or refused with everything that is wrong with them. */
export const definitions: Fuzzer<Input> = {
  input: fc.record({
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
  count: () => 1,
  show: (input) => fc.stringify(input),
  async start(): Promise<Attacked<Input>> {
    const own = Object.getOwnPropertyNames(Object.prototype).join()
    return {
      async check({ definition, options }) {
        try {
          const gateway = createGateway(definition as ApiDefinitionInput, options as GatewayOptions)
          gateway.explain('GET', '/orders/x')
          await gateway.close({ timeoutMs: 1 })
        } catch (error) {
          checkRefusal(error)
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
function mutate(value: unknown, { place, how, key: added, value: put }: Mutation): unknown {
  const places = placesOf(value)
  const chosen = places[place % (places.length + 1)]
  if (chosen === undefined) return how === 'replace' ? put : value
  const { holder } = chosen
  // JSON gives a list no other keys than its places.
  if (how === 'add' && Array.isArray(holder)) holder.push(put)
  else if (how === 'delete') Reflect.deleteProperty(holder, chosen.key)
  // `__proto__` as JSON has it: a key like any other.
  else
    Object.defineProperty(holder, how === 'add' ? added : chosen.key, {
      value: put,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  return value
}

function placesOf(value: unknown, depth = 0): Place[] {
  if (typeof value !== 'object' || value === null || depth > 5 || Object.getPrototypeOf(value) === null) return []
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return []
  const places: Place[] = []
  for (const [name, part] of Object.entries(value))
    places.push({ holder: value, key: name }, ...placesOf(part, depth + 1))
  return places
}

const CODES = new Set<string>(['PSTN_DEFINITION_INVALID', 'PSTN_OPTIONS_INVALID'])

function checkRefusal(error: unknown): void {
  if (!isGatewayError(error) || !CODES.has(error.code)) throw error
  if (error.message === '') found('a refusal that does not say why')
  if (error.code !== 'PSTN_DEFINITION_INVALID') return
  const problems: unknown = error.cause
  if (!Array.isArray(problems) || problems.length === 0) found('a refusal without problems', { message: error.message })
  for (const problem of problems as readonly unknown[]) {
    const { path, message } = problem as { readonly path: unknown; readonly message: unknown }
    if (typeof path !== 'string' || typeof message !== 'string' || message === '')
      found('a problem without its place or its reason', { path, message })
  }
}
