/** What is used of an ioredis client, version 5 or 6. */
export interface RedisClient {
  readonly status: string
  call(command: string, ...args: (string | Buffer)[]): Promise<unknown>
  on(event: 'ready' | 'close', listener: () => void): unknown
  off(event: 'ready' | 'close', listener: () => void): unknown
}

export function isRedisClient(value: unknown): value is RedisClient {
  if (typeof value !== 'object' || value === null) return false
  return ['call', 'on', 'off'].every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}

/** A connection to one server. */
export interface SingleClient extends RedisClient {
  readonly options?: {
    readonly host?: string | undefined
    readonly port?: number | undefined
    readonly path?: string | null | undefined
    readonly sentinels?: readonly unknown[] | null | undefined
    readonly name?: string | undefined
  }
  duplicate(override: { lazyConnect: true; retryStrategy: null; enableOfflineQueue: true }): Subscriber
}

/** A connection that is told what others publish. */
export interface Subscriber {
  connect(): Promise<void>
  subscribe(channel: string): Promise<unknown>
  on(event: 'message', listener: (channel: string, message: string) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  disconnect(): void
}

export interface ClusterClient extends RedisClient {
  nodes(role: 'master'): readonly SingleClient[]
}

export function isCluster(client: RedisClient): client is ClusterClient {
  return typeof (client as Partial<ClusterClient>).nodes === 'function'
}

/** The servers that hold data. */
export function mastersOf(client: RedisClient): readonly SingleClient[] {
  return isCluster(client) ? client.nodes('master') : [client as SingleClient]
}

/** `10.0.0.1:6379`: for messages, and to tell the nodes of a Cluster apart. */
export function addressOf({ options }: SingleClient): string {
  return options?.path ?? `${options?.host ?? 'localhost'}:${options?.port ?? 6379}`
}
