import type { GatewayErrorCode } from '../errors.ts'
import { copyData } from '../session/data.ts'

/** Milliseconds spent at each hook that has plugins and was reached. */
export interface HookTimes {
  pre?: number
  /** Authentication as a whole, the store included. */
  auth?: number
  postAuth?: number
  endpoint?: number
  post?: number
  response?: number
  /** The plugins of this very record; not part of `totalMs`, since the client has its answer. */
  analytics?: number
}

/** What is kept of one request. An `analytics` plugin may rewrite or empty any field before it is stored. */
export interface AnalyticsRecord {
  /** When the request came in. */
  timestamp: Date
  /** When whoever stores it may delete it: `records.retention` later; without that a hundred years. */
  expireAt: Date
  apiId: string
  apiName: string
  /** The definition's `version`; `Non Versioned` without. */
  apiVersion: string
  orgId: string
  /** The session's key id; empty on a keyless API. Mask it in an analytics plugin before it leaves the process. */
  apiKey: string
  alias: string
  /** The session's OAuth client. */
  oauthId: string
  /** `pol-<id>` of each policy, `dev-<id>`, the session's, `<header>-<value>`, the API's, in this order. */
  tags: string[]
  /** As the request was when it left for the upstream, or when it was ended. */
  method: string
  /** Of the upstream the request is for; where the host application answers, the host the client asked for. */
  host: string
  /** Without the listen path, as the request was when it left for the upstream, or when it was ended. */
  path: string
  /** As it was matched: canonical, with the listen path, before any plugin. */
  rawPath: string
  /** As the client sent it, without the query. */
  originalPath: string
  /** The request target as the client sent it; secrets in its query are masked. */
  originalUrl: string
  listenPath: string
  /** `path` is the pattern of an endpoint that is tracked. */
  trackPath: boolean
  /** Bytes of the request's body, as it declares them; 0 without a body, -1 where it does not say. */
  contentLength: number
  userAgent: string
  clientAddress: string
  /** What the client got; 499 when it hung up first. */
  responseCode: number
  /** Why the gateway itself answered, such as `PSTN_RATE_LIMITED`; empty when it did not. */
  code: GatewayErrorCode | ''
  /** The connection became a tunnel (WebSocket): the latency is its whole life. */
  upgraded: boolean
  latency: {
    /** Milliseconds from accepting the request to the end of the answer. */
    totalMs: number
    /** Milliseconds from handing the request to the upstream until its headers arrived; 0 when it was not asked. */
    upstreamMs: number
    /** The rest: plugins, checks, waiting, and the way of the body to the client. */
    gatewayMs: number
    hooks: HookTimes
  }
  /** Bytes of bodies, and of what went through a tunnel; 0 where the host application read or wrote them itself. */
  network: { bytesIn: number; bytesOut: number }
  /** The request as the client sent it, base64 of its wire form, secrets masked; empty unless `records.detailed`. */
  rawRequest: string
  /** The answer as the client got it, in the same form. */
  rawResponse: string
}

const NESTED: ReadonlySet<string> = new Set(['timestamp', 'expireAt', 'tags', 'latency', 'network'])

/** A copy that shares nothing with the original. */
export function copyRecord(record: AnalyticsRecord): AnalyticsRecord {
  const { timestamp, expireAt, tags, latency, network } = record
  const copy: AnalyticsRecord = {
    ...record,
    timestamp: new Date(timestamp),
    expireAt: new Date(expireAt),
    tags: [...tags],
    latency: { ...latency, hooks: { ...latency.hooks } },
    network: { ...network },
  }
  // Fields a plugin has added.
  for (const [name, value] of Object.entries(record) as [string, unknown][])
    if (typeof value === 'object' && !NESTED.has(name)) Object.assign(copy, { [name]: copyData(value, name) })
  return copy
}
