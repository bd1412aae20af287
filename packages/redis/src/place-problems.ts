import { describe } from '@postern/core/store'
import { isRedisClient } from './redis-client.ts'
import { meantBy, unknownOption } from './unknown-option.ts'

/** Options as they come: anything may be in them. */
export type Given = Readonly<Record<string, unknown>>

export function isGiven(value: unknown): value is Given {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a value is, without what it says: there may be a password in it. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'string' ? 'text' : typeof value
}

/**
 * Everything that keeps options from saying where Redis is: names nobody knows included, for they may have been meant to.
 * `known` are the options there are; `names` says where names come from.
 */
export function* placeProblems(given: Given, known: readonly string[], names: string): Generator<string> {
  const unknown = Object.keys(given).filter((name) => name !== 'now' && !known.includes(name))
  for (const name of unknown) yield inner(name, known) ?? unknownOption(name, known)
  const { client, url, options, cluster } = given
  const said = PLACES.filter((place) => given[place] !== undefined)
  const isUrlMissing = 'url' in given && url === undefined
  if (said.length === 0 && !isUrlMissing && !unknown.some((name) => isPlace(name, known)))
    yield `found no place; expected ${ONE_PLACE}`
  if (said.length > 1 && said.join() !== 'url,options') yield `found ${said.join(' and ')}; expected ${ONE_PLACE}`
  // With nothing but settings the server would be sought on this machine.
  if (isUrlMissing && client === undefined && cluster === undefined && !saysWhere(options))
    yield 'url is undefined: is the environment variable set?'
  if (client !== undefined && !isRedisClient(client))
    yield `client: found ${kindOf(client)}; expected a Redis or Cluster of ioredis`
  if (url !== undefined) yield* urlProblems(url)
  if (options !== undefined) yield* serverProblems('options', options, names)
  if (cluster !== undefined) yield* clusterProblems(cluster, names)
  const keyPrefix = keyPrefixOf(client)
  if (keyPrefix) yield `client: found keyPrefix ${describe(keyPrefix)}; expected none: ${names}`
}

export const PLACES = ['client', 'url', 'options', 'cluster'] as const
const ONE_PLACE = `one of ${PLACES.join(', ')}`

/** Names that are right, but one level deeper. */
const INNER: Readonly<Record<string, readonly string[]>> = {
  options: ['host', 'port', 'path', 'family', 'username', 'password', 'db', 'tls', 'sentinels', 'name'],
  cluster: ['nodes'],
  tyk: ['hashKeys', 'keyHash', 'keyHashFallbacks', 'orgId'],
}

function outerOf(name: string): string | undefined {
  return Object.keys(INNER).find((outer) => INNER[outer]!.includes(name))
}

function inner(name: string, known: readonly string[]): string | undefined {
  const outer = outerOf(name)
  return outer === undefined || !known.includes(outer)
    ? undefined
    : `unknown option "${name}"; write ${outer}: { ${name} }`
}

/** Whether a name nobody knows was meant to say where: then that it is missing is no news. */
function isPlace(name: string, known: readonly string[]): boolean {
  const meant = outerOf(name) ?? meantBy(name, known)
  return PLACES.some((place) => place === meant)
}

function saysWhere(options: unknown): boolean {
  return isGiven(options) && ['host', 'port', 'path', 'sentinels'].some((name) => options[name] !== undefined)
}

const ENCODED = 'expected its special characters percent-encoded, such as %40 for @'

function* urlProblems(url: unknown): Generator<string> {
  if (url === '') yield 'url is empty: is the environment variable set?'
  else if (typeof url !== 'string') yield `url: found ${kindOf(url)}; expected a redis:// or rediss:// URL`
  else if (/^(localhost|[\w.-]+:\d+|\[[\da-f:]+\]:\d+)$/i.test(url)) yield `url: found ${url}; write redis://${url}`
  // A password with a # or a / ends the host's name early.
  else if (!/^rediss?:\/\//.test(url)) yield 'url: found something else; expected a redis:// or rediss:// URL'
  else if (!URL.canParse(url) || !isEncoded(new URL(url)))
    yield `url: found a user, a password or a host that cannot be read; ${ENCODED}`
  else if (!/^\/?\d*$/.test(new URL(url).pathname))
    yield 'url: found a database that is no number; expected one, such as redis://host:6379/0'
  // ioredis would take any of its options from there, those this package depends on included.
  else if ([...new URL(url).searchParams.keys()].some((name) => name !== 'family'))
    yield 'url: found settings behind a ?; write them in options'
}

function isEncoded({ username, password, pathname, search, hash }: URL): boolean {
  if (/@/.test(pathname + search) || hash !== '') return false
  try {
    decodeURIComponent(username + password)
    return true
  } catch {
    // The caller says so.
    return false
  }
}

function* serverProblems(where: string, options: unknown, names: string): Generator<string> {
  if (!isGiven(options)) {
    yield `${where}: found ${kindOf(options)}; expected options of ioredis, such as { host, port }`
    return
  }
  const { keyPrefix, db, sentinels, name, tls, enableTLSForSentinelMode } = options
  if (keyPrefix) yield `${where}.keyPrefix: found ${describe(keyPrefix)}; expected none: ${names}`
  if (db !== undefined && !(typeof db === 'number' && Number.isInteger(db) && db >= 0))
    yield `${where}.db: found ${describe(db)}; expected a whole number, 0 or more`
  if (!sentinels) return
  // Without it ioredis asks the sentinels in the clear, and the master it is told of as well.
  if (tls !== undefined && enableTLSForSentinelMode !== true)
    yield `${where}.enableTLSForSentinelMode: found ${describe(enableTLSForSentinelMode)}; expected true beside tls: without it nothing is encrypted`
  if (!Array.isArray(sentinels) || sentinels.length === 0 || !sentinels.every(isGiven))
    yield `${where}.sentinels: found ${Array.isArray(sentinels) ? describe(sentinels) : kindOf(sentinels)}; expected one or more, such as { host, port }`
  if (typeof name !== 'string' || name === '')
    yield `${where}.name: found ${describe(name)}; expected the name the sentinels know the master by`
}

function* clusterProblems(cluster: unknown, names: string): Generator<string> {
  if (!isGiven(cluster)) {
    yield `cluster: found ${kindOf(cluster)}; expected { nodes: [{ host, port }] }`
    return
  }
  for (const name of Object.keys(cluster).filter((one) => one !== 'nodes' && one !== 'options'))
    yield `cluster: ${unknownOption(name, ['nodes', 'options'])}`
  const { nodes, options } = cluster
  if (!Array.isArray(nodes) || nodes.length === 0 || !nodes.every(isNode))
    yield `cluster.nodes: found ${Array.isArray(nodes) ? describe(nodes) : kindOf(nodes)}; expected one node or more, such as { host, port }`
  if (options === undefined) return
  yield* serverProblems('cluster.options', options, names)
  const redisOptions = isGiven(options) ? options['redisOptions'] : undefined
  if (redisOptions === undefined) return
  yield* serverProblems('cluster.options.redisOptions', redisOptions, names)
  if (isGiven(redisOptions) && redisOptions['db'])
    yield 'cluster.options.redisOptions.db: found a database; expected none: a Redis Cluster has only one'
}

function isNode(node: unknown): boolean {
  return typeof node === 'number' || (typeof node === 'string' && node !== '') || isGiven(node)
}

function keyPrefixOf(client: unknown): unknown {
  const options = isGiven(client) && isGiven(client['options']) ? client['options'] : {}
  const { keyPrefix, redisOptions } = options
  return keyPrefix || (isGiven(redisOptions) ? redisOptions['keyPrefix'] : undefined)
}
