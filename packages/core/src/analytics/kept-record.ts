import type { GatewayErrorCode } from '../errors.ts'
import type { AnalyticsRecord, HookTimes } from './record.ts'

/** Not a whole number, so that V8 writes those that follow into its place. */
const NONE = Number.NaN

/**
 * A record as it stays in memory, until it is written over. Flat, and its times are numbers only: a date, or a field that may
 * be `undefined`, takes a new object for each number, which the collector has to move out of its way.
 */
export class KeptRecord {
  timestampMs = NONE
  expireAtMs = NONE
  apiId = ''
  apiName = ''
  apiVersion = ''
  orgId = ''
  apiKey = ''
  alias = ''
  oauthId = ''
  readonly tags: string[] = []
  method = ''
  host = ''
  path = ''
  rawPath = ''
  originalPath = ''
  originalUrl = ''
  listenPath = ''
  trackPath = false
  contentLength = 0
  userAgent = ''
  clientAddress = ''
  responseCode = 0
  code: GatewayErrorCode | '' = ''
  upgraded = false
  totalMs = NONE
  upstreamMs = NONE
  bytesIn = 0
  bytesOut = 0
  readonly rawRequest = ''
  readonly rawResponse = ''
  #pre = NONE
  #auth = NONE
  #postAuth = NONE
  #endpoint = NONE
  #post = NONE
  #response = NONE

  setHooks(times: HookTimes | undefined): void {
    this.#pre = times?.pre ?? NONE
    this.#auth = times?.auth ?? NONE
    this.#postAuth = times?.postAuth ?? NONE
    this.#endpoint = times?.endpoint ?? NONE
    this.#post = times?.post ?? NONE
    this.#response = times?.response ?? NONE
  }

  /** As it is shown, its fields in the order of `AnalyticsRecord`; shares nothing with this one. */
  toRecord(): AnalyticsRecord {
    const { totalMs, upstreamMs, bytesIn, bytesOut } = this
    return {
      timestamp: new Date(this.timestampMs),
      expireAt: new Date(this.expireAtMs),
      apiId: this.apiId,
      apiName: this.apiName,
      apiVersion: this.apiVersion,
      orgId: this.orgId,
      apiKey: this.apiKey,
      alias: this.alias,
      oauthId: this.oauthId,
      tags: [...this.tags],
      method: this.method,
      host: this.host,
      path: this.path,
      rawPath: this.rawPath,
      originalPath: this.originalPath,
      originalUrl: this.originalUrl,
      listenPath: this.listenPath,
      trackPath: this.trackPath,
      contentLength: this.contentLength,
      userAgent: this.userAgent,
      clientAddress: this.clientAddress,
      responseCode: this.responseCode,
      code: this.code,
      upgraded: this.upgraded,
      latency: { totalMs, upstreamMs, gatewayMs: totalMs - upstreamMs, hooks: this.#hooks() },
      network: { bytesIn, bytesOut },
      rawRequest: this.rawRequest,
      rawResponse: this.rawResponse,
    }
  }

  #hooks(): HookTimes {
    const times: [keyof HookTimes, number][] = [
      ['pre', this.#pre],
      ['auth', this.#auth],
      ['postAuth', this.#postAuth],
      ['endpoint', this.#endpoint],
      ['post', this.#post],
      ['response', this.#response],
    ]
    return Object.fromEntries(times.filter(([, ms]) => !Number.isNaN(ms)))
  }
}
