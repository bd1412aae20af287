import { Cluster, Redis } from 'ioredis'
import { backoff } from './backoff.ts'
import type { Origin } from './connection.ts'
import { reasonOf, unavailable } from './failure.ts'
import type { CheckedOptions, RedisOptions } from './options.ts'
import { addressOf, isCluster, type RedisClient, type SingleClient } from './redis-client.ts'
import type { Report } from './reporter.ts'

/** The client to use, and how to let go of it. */
export interface Client extends Origin {
  readonly client: RedisClient
  close(): Promise<void>
}

/** The client handed in, or one made from the options. */
export function clientOf(options: CheckedOptions, report: Report): Client {
  const { client } = options
  if (client === undefined) return ownClient(options, report)
  const where = isCluster(client) ? 'the cluster handed in' : addressOf(client as SingleClient)
  return { client, where, lastError: () => undefined, close: () => Promise.resolve() }
}

function ownClient(options: CheckedOptions, report: Report): Client {
  const client = options.cluster === undefined ? single(options) : cluster(options, options.cluster)
  const where = options.cluster === undefined ? placeOf(client as Redis) : nodesOf(options.cluster.nodes)
  let lastError: string | undefined
  client.on('error', (error: Error) => {
    lastError = reasonOf(error)
    report(unavailable(where, 'be reached', lastError))
  })
  client.on('ready', () => (lastError = undefined))
  return { client, where, lastError: () => lastError, close: () => ended(client) }
}

function single({ url, options, commandTimeoutMs }: CheckedOptions): Redis {
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

function cluster(
  { commandTimeoutMs }: CheckedOptions,
  { nodes, options }: NonNullable<CheckedOptions['cluster']>,
): Cluster {
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
  readonly [K in 'connectTimeout' | 'socketTimeout' | 'maxLoadingRetryTime']: number
} {
  // A server that says nothing for several deadlines is as good as gone: a new connection may lead to a live one.
  const silenceMs = Math.max(1000, 4 * commandTimeoutMs)
  return { connectTimeout: 1000, socketTimeout: silenceMs, maxLoadingRetryTime: 500 }
}

function placeOf({ options }: Redis): string {
  const { sentinels, name, path, host, port } = options
  if (sentinels !== undefined && sentinels !== null) return `sentinel ${nodesOf(sentinels)} (${name ?? ''})`
  return path ?? `${host ?? 'localhost'}:${port ?? 6379}`
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
