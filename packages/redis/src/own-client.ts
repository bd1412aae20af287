import { Cluster, Redis } from 'ioredis'
import { backoff } from './backoff.ts'
import type { Origin } from './connection.ts'
import type { CheckedOptions } from './checked-options.ts'
import { type FailureCode, isAnswer, reasonOf, unavailable } from './failure.ts'
import type { RedisOptions } from './options.ts'
import { addressOf, isCluster, type RedisClient, type SingleClient } from './redis-client.ts'
import type { Outages } from './reporter.ts'

/** The client to use, and how to let go of it. */
export interface Client extends Origin {
  readonly client: RedisClient
  close(): Promise<void>
}

/** Where Redis is, and how long it may take. */
export type Place = Pick<CheckedOptions, 'client' | 'url' | 'options' | 'cluster' | 'commandTimeoutMs'>

/** The client handed in, or one made from the options. */
export function clientOf(options: Place, outages: Outages, code?: FailureCode): Client {
  const { client } = options
  if (client === undefined) return ownClient(options, outages, code)
  const where = isCluster(client) ? 'the cluster handed in' : placeOf(client as SingleClient)
  return { client, where, lastError: () => undefined, close: () => Promise.resolve() }
}

function ownClient(options: Place, outages: Outages, code: FailureCode | undefined): Client {
  const client = options.cluster === undefined ? single(options) : cluster(options, options.cluster)
  const where = options.cluster === undefined ? placeOf(client as SingleClient) : nodesOf(options.cluster.nodes)
  let lastError: string | undefined
  let closing = false
  // Of the connection there is, or that is being made.
  let [ready, failing, refused] = [false, false, false]

  const failed = (reason: string): void => {
    failing = true
    lastError = reason
    if (!closing) outages.failed(unavailable(where, 'be reached', reason, code))
  }
  client.on('error', (error: Error) => {
    // What follows a refusal only says that the connection was given up.
    if (refused) return
    if (isAnswer(error)) {
      // Without what the server refused (mostly a database), names would be read and written where nobody looks for them.
      refused = true
      client.disconnect(true)
    }
    failed(explained(error, client))
  })
  client.on('ready', () => {
    if (refused) return
    ready = true
    lastError = undefined
    outages.over()
  })
  client.on('close', () => {
    if (ready) lastError ??= 'the connection was lost'
    else if (!failing) failed(closedEarly(client))
    ready = failing = refused = false
  })
  const close = (): Promise<void> => {
    closing = true
    return ended(client)
  }
  return { client, where, lastError: () => lastError, close }
}

/** Why connecting failed. */
function explained(error: Error & { readonly command?: { readonly name: string } }, client: Redis | Cluster): string {
  const reason = reasonOf(error)
  const { db, tls, name } = client.options as RedisOptions
  if (isAnswer(error) && error.command?.name === 'select')
    return `database ${String(db)} could not be selected: ${reason}`
  // A server that does not speak TLS answers nothing that can be read, or nothing.
  if (tls !== undefined && /ETIMEDOUT|wrong version number|before secure TLS/.test(reason))
    return `${reason} (the server may not speak TLS; write redis:// then)`
  if (reason.startsWith('All sentinels are unreachable')) {
    const [, last = ''] = /Last error: (.*)/.exec(reason) ?? []
    // Of those that answer with nothing there is no last error.
    if (last === '' || last.includes('No such master')) return `the sentinels know no master named "${name ?? ''}"`
    return last === CLOSED ? 'no sentinel could be reached' : `no sentinel answered: ${last}`
  }
  if (client.isCluster && reason === CLOSED)
    return 'no node could be connected to (the client does not say why: an address, TLS or a certificate may be wrong)'
  return reason
}

/** What ioredis says where it keeps the reason to itself. */
const CLOSED = 'Connection is closed'

/** Why a connection was closed that nobody could use yet. */
function closedEarly(client: Redis | Cluster): string {
  const reason = 'the connection was closed before the server said anything'
  const isPlain = !client.isCluster && (client.options as RedisOptions).tls === undefined
  return isPlain ? `${reason} (it may expect TLS; write rediss:// then)` : reason
}

function single({ url, options, commandTimeoutMs }: Place): Redis {
  const settings: RedisOptions = {
    ...tuned(commandTimeoutMs),
    enableAutoPipelining: true,
    retryStrategy: backoff,
    // A master that became a replica: its address leads to the new master.
    reconnectOnError: (error) => error.message.includes('READONLY'),
    ...options,
    // A command that could not be sent, or whose answer was lost, fails at once: sent again it would count twice.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    ...REPLIES,
  }
  return url === undefined ? new Redis(settings) : new Redis(url, settings)
}

function cluster({ commandTimeoutMs }: Place, { nodes, options }: NonNullable<Place['cluster']>): Cluster {
  return new Cluster([...nodes], {
    enableAutoPipelining: true,
    clusterRetryStrategy: backoff,
    slotsRefreshTimeout: 1000,
    ...options,
    redisOptions: { ...tuned(commandTimeoutMs), ...options?.redisOptions, ...REPLIES },
    // As above: 0 keeps the client from sending again what was under way when a server went away.
    retryDelayOnFailover: 0,
  })
}

/** What the rest of this package reads. */
const REPLIES = { replyMapping: 'legacy', stringNumbers: false } as const

function tuned(commandTimeoutMs: number): {
  readonly [K in 'connectTimeout' | 'socketTimeout' | 'maxLoadingRetryTime' | 'sentinelCommandTimeout']: number
} {
  // A server that says nothing for several deadlines is as good as gone: a new connection may lead to a live one.
  const silenceMs = Math.max(1000, 4 * commandTimeoutMs)
  // A sentinel that says nothing would keep the others from being asked.
  return { connectTimeout: 1000, socketTimeout: silenceMs, maxLoadingRetryTime: 500, sentinelCommandTimeout: 500 }
}

function placeOf(client: SingleClient): string {
  const { sentinels, name } = client.options ?? {}
  return sentinels ? `sentinel ${nodesOf(sentinels)} (${name ?? ''})` : addressOf(client)
}

function nodesOf(nodes: readonly unknown[]): string {
  return nodes.map(nodeOf).join(', ')
}

function nodeOf(node: unknown): string {
  if (typeof node === 'number') return `localhost:${node}`
  // A URL may hold a password.
  if (typeof node === 'string') return URL.canParse(node) ? new URL(node).host : node
  const { host = 'localhost', port = 6379 } = node as { readonly host?: string; readonly port?: number }
  return `${host}:${port}`
}

/** How long to wait for connections to be torn down, in milliseconds: a Cluster that was connecting never says so. */
const FAREWELL_MS = 500

async function ended(client: Redis | Cluster): Promise<void> {
  if (client.status === 'end') return
  if (client.status === 'reconnecting') {
    // Between two connections there is only a timer, which this stops.
    client.disconnect()
    return
  }
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, FAREWELL_MS)
    client.once('end', () => {
      clearTimeout(timer)
      resolve()
    })
    client.disconnect()
  })
}
