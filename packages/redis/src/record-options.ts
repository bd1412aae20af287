import type { GatewayError } from '@postern/core/store'
import { isBetween, LONGEST_MS, notOptions, refuse, wrong } from './checked-options.ts'
import type { RedisPlace } from './options.ts'
import type { Place } from './own-client.ts'
import { type Given, isGiven, placeProblems, PLACES } from './place-problems.ts'
import { isRedisClient } from './redis-client.ts'

/** Where records go on Redis, and how: exactly one of `client`, `url` or `options`, and `cluster`. */
export type RedisRecordsOptions = RedisPlace & RedisRecordsSettings

export interface RedisRecordsSettings {
  /** What events call the sink. Default: `redisRecords`. */
  readonly name?: string | undefined
  /** The list. Default: `analytics-tyk-system-analytics`, where tyk-pump looks. */
  readonly list?: string | undefined
  /**
   * Ten lists instead, of this name with `_0` to `_9` behind it, each batch to any of them: on a Cluster they lie on
   * several servers. tyk-pump reads them without being told. Default: false.
   */
  readonly multipleLists?: boolean | undefined
  /** Seconds after the last record was added that Redis deletes the list, if nobody has read it. Default: 3600. */
  readonly expireSeconds?: number | undefined
  /** Records in one list at most: the oldest make room. Default: 1,000,000. */
  readonly maxLength?: number | undefined
  /** Milliseconds without an answer after which that is reported. Default: 1000. */
  readonly commandTimeoutMs?: number | undefined
  /**
   * Told, at most once a second, why records wait or have been removed. Must not throw. Default: the process warns
   * (`PosternWarning`) of each outage, at most once a minute.
   */
  readonly onError?: ((error: GatewayError) => void) | undefined
}

const OPTIONS: readonly (keyof RedisRecordsOptions)[] = [
  ...PLACES,
  'name',
  'list',
  'multipleLists',
  'expireSeconds',
  'maxLength',
  'commandTimeoutMs',
  'onError',
]

type Filled = { readonly [K in Exclude<keyof RedisRecordsSettings, 'onError'>]-?: NonNullable<RedisRecordsSettings[K]> }

export interface CheckedRecordsOptions extends Place, Filled {
  readonly onError: ((error: GatewayError) => void) | undefined
}

/** Fills in what was left out. Wrong options throw `PSTN_OPTIONS_INVALID`, which tells everything that is wrong. */
export function checkedRecords(given: RedisRecordsOptions): CheckedRecordsOptions {
  const isUsable = isGiven(given) && !isRedisClient(given)
  refuse('redisRecords', isUsable ? [...problemsOf(given)] : [notOptions('redisRecords', given)])
  const { client, url, options, cluster, onError } = given
  const { name = 'redisRecords', list = 'analytics-tyk-system-analytics', multipleLists = false } = given
  const { expireSeconds = 3600, maxLength = 1_000_000, commandTimeoutMs = 1000 } = given
  const settings = { name, list, multipleLists, expireSeconds, maxLength, commandTimeoutMs, onError }
  return { client, url, options, cluster, ...settings }
}

const MOST = 2 ** 31 - 1

function* problemsOf(given: Given): Generator<string> {
  yield* placeProblems(given, OPTIONS, 'list names the list')
  const { name, list, multipleLists, expireSeconds, maxLength, commandTimeoutMs, onError } = given
  if (name !== undefined && !(typeof name === 'string' && name !== '')) yield wrong('name', name, 'text')
  if (list !== undefined && !(typeof list === 'string' && /^[^{}]+$/.test(list)))
    yield wrong('list', list, 'text without { and }')
  if (multipleLists !== undefined && typeof multipleLists !== 'boolean')
    yield wrong('multipleLists', multipleLists, 'true or false')
  if (expireSeconds !== undefined && !isWhole(expireSeconds))
    yield wrong('expireSeconds', expireSeconds, `whole seconds from 1 to ${MOST}`)
  if (maxLength !== undefined && !isWhole(maxLength))
    yield wrong('maxLength', maxLength, `a whole number from 1 to ${MOST}`)
  if (commandTimeoutMs !== undefined && !isBetween(commandTimeoutMs, 1, LONGEST_MS))
    yield wrong('commandTimeoutMs', commandTimeoutMs, `milliseconds from 1 to ${LONGEST_MS}`)
  if (onError !== undefined && typeof onError !== 'function') yield wrong('onError', onError, 'a function')
}

function isWhole(value: unknown): boolean {
  return Number.isInteger(value) && isBetween(value, 1, MOST)
}
