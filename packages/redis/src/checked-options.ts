import { describe, GatewayError } from '@postern/core/store'
import type { OnCluster, RedisOptions, RedisStoreOptions, TykSettings } from './options.ts'
import { type Given, isGiven, kindOf, placeProblems, PLACES } from './place-problems.ts'
import { isCluster, isRedisClient, type RedisClient } from './redis-client.ts'
import { KEY_HASHES, type KeyHash } from './tyk-keys.ts'
import { unknownOption } from './unknown-option.ts'

/** Options with everything filled in that was left out; one of `client`, `url` or `options`, and `cluster` is there. */
export interface CheckedOptions {
  readonly client: RedisClient | undefined
  readonly url: string | undefined
  readonly options: RedisOptions | undefined
  readonly cluster: OnCluster['cluster'] | undefined
  readonly prefix: string
  readonly layout: 'postern' | 'tyk'
  readonly tyk: CheckedTyk
  readonly commandTimeoutMs: number
  readonly cacheMs: number
  readonly required: boolean
  readonly onError: ((error: GatewayError) => void) | undefined
  readonly now: (() => number) | undefined
}

interface CheckedTyk {
  readonly hashKeys: boolean
  readonly keyHash: KeyHash
  readonly keyHashFallbacks: readonly KeyHash[]
  readonly orgId: string | undefined
}

/** Fills in what was left out. Wrong options throw `PSTN_OPTIONS_INVALID`, which tells everything that is wrong. */
export function checked(given: RedisStoreOptions): CheckedOptions {
  const problems = isGiven(given) && !isRedisClient(given) ? [...problemsOf(given)] : [notOptions('redisStore', given)]
  refuse('redisStore', problems)
  const { client, url, options, cluster, layout = 'postern', tyk = {}, prefix = 'postern' } = given
  const { commandTimeoutMs = 250, cacheMs = 0, required = false, onError, now } = given
  const place = { client, url, options, cluster }
  const settings = { prefix, layout, tyk: filledTyk(tyk), commandTimeoutMs, cacheMs, required, onError, now }
  return { ...place, ...settings }
}

type Maker = 'redisStore' | 'redisRecords'

/** Throws one error that tells all problems, if there are any. */
export function refuse(maker: Maker, problems: readonly string[]): void {
  const [first, ...others] = problems
  if (first === undefined) return
  const lines = problems.map((problem) => `\n  - ${problem}`).join('')
  const all = others.length === 0 ? `${maker}: ${first}.` : `${maker} has ${problems.length} problems:${lines}`
  throw new GatewayError('PSTN_OPTIONS_INVALID', all.replace(/\?\.$/, '?'))
}

function filledTyk(tyk: TykSettings): CheckedTyk {
  const { hashKeys = true, keyHash = 'murmur64', keyHashFallbacks = [], orgId } = tyk
  return { hashKeys, keyHash, keyHashFallbacks, orgId }
}

/** What was found is not repeated: a URL holds a password. */
export function notOptions(maker: Maker, given: unknown): string {
  if (typeof given === 'string') return `found text; write ${maker}({ url })`
  if (isRedisClient(given)) return `found a client; write ${maker}({ client })`
  return `found ${kindOf(given)}; expected options, such as { url }`
}

/** How long a timer of Node can wait. */
export const LONGEST_MS = 2 ** 31 - 1

const OPTIONS: readonly Exclude<keyof RedisStoreOptions, 'now'>[] = [
  ...PLACES,
  'prefix',
  'layout',
  'tyk',
  'commandTimeoutMs',
  'cacheMs',
  'required',
  'onError',
]

function* problemsOf(given: Given): Generator<string> {
  yield* placeProblems(given, OPTIONS, 'names start with what prefix says')
  const { client, cluster, prefix, layout, tyk, commandTimeoutMs, cacheMs, required, onError, now } = given
  if (prefix !== undefined && !(typeof prefix === 'string' && /^[^{}]+$/.test(prefix)))
    yield wrong('prefix', prefix, 'text without { and }')
  if (layout !== undefined && layout !== 'postern' && layout !== 'tyk')
    yield wrong('layout', layout, '"postern" or "tyk"')
  if (layout === 'tyk' && (cluster !== undefined || (isRedisClient(client) && isCluster(client))))
    yield 'layout: found "tyk" with a Cluster; expected "postern": the names a real gateway uses share no slot'
  if (commandTimeoutMs !== undefined && !isBetween(commandTimeoutMs, 1, LONGEST_MS))
    yield wrong('commandTimeoutMs', commandTimeoutMs, `milliseconds from 1 to ${LONGEST_MS}`)
  if (cacheMs !== undefined && !isBetween(cacheMs, 0, Number.MAX_VALUE))
    yield wrong('cacheMs', cacheMs, 'milliseconds, 0 or more')
  if (required !== undefined && typeof required !== 'boolean') yield wrong('required', required, 'true or false')
  if (onError !== undefined && typeof onError !== 'function') yield wrong('onError', onError, 'a function')
  if (now !== undefined && typeof now !== 'function') yield wrong('now', now, 'a function')
  if (tyk === undefined) return
  if (layout !== 'tyk') yield 'tyk: found settings; expected none without layout: "tyk"'
  if (isGiven(tyk)) yield* tykProblems(tyk)
  else yield wrong('tyk', tyk, 'settings, such as { orgId }')
}

const TYK_OPTIONS: readonly (keyof TykSettings)[] = ['hashKeys', 'keyHash', 'keyHashFallbacks', 'orgId']

function* tykProblems(tyk: Given): Generator<string> {
  for (const name of Object.keys(tyk).filter((one) => !TYK_OPTIONS.some((known) => known === one)))
    yield `tyk: ${unknownOption(name, TYK_OPTIONS)}`
  const { hashKeys, keyHash, keyHashFallbacks, orgId } = tyk
  const hashes = Object.keys(KEY_HASHES).join(', ')
  if (hashKeys !== undefined && typeof hashKeys !== 'boolean') yield wrong('tyk.hashKeys', hashKeys, 'true or false')
  if (keyHash !== undefined && !isKeyHash(keyHash)) yield wrong('tyk.keyHash', keyHash, `one of ${hashes}`)
  if (keyHashFallbacks !== undefined && !(Array.isArray(keyHashFallbacks) && keyHashFallbacks.every(isKeyHash)))
    yield `tyk.keyHashFallbacks: found ${shown(keyHashFallbacks)}; expected an array of ${hashes}`
  if (orgId !== undefined && typeof orgId !== 'string') yield wrong('tyk.orgId', orgId, 'text')
}

export function wrong(what: string, found: unknown, expected: string): string {
  return `${what}: found ${describe(found)}; expected ${expected}`
}

function shown(found: unknown): string {
  return Array.isArray(found) ? `[${found.map(describe).join(', ')}]` : describe(found)
}

export function isBetween(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most
}

function isKeyHash(value: unknown): boolean {
  return typeof value === 'string' && Object.hasOwn(KEY_HASHES, value)
}
