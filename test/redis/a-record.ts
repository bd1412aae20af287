import type { AnalyticsRecord } from '@postern/core'

/** One as a gateway makes it. */
export function record(given: Partial<AnalyticsRecord> = {}): AnalyticsRecord {
  return {
    timestamp: new Date(1_700_000_000_123),
    expireAt: new Date(1_700_000_060_123),
    apiId: 'a',
    apiName: 'orders',
    apiVersion: 'Non Versioned',
    orgId: 'o',
    apiKey: 'k',
    alias: '',
    oauthId: '',
    tags: [],
    method: 'GET',
    host: 'h',
    path: '/p',
    rawPath: '/p',
    originalPath: '/p',
    originalUrl: '/p',
    listenPath: '/',
    trackPath: false,
    contentLength: 0,
    userAgent: '',
    clientAddress: '127.0.0.1',
    responseCode: 200,
    code: '',
    upgraded: false,
    latency: { totalMs: 5.4, upstreamMs: 3.2, gatewayMs: 2.2, hooks: {} },
    network: { bytesIn: 1, bytesOut: 2 },
    rawRequest: '',
    rawResponse: '',
    ...given,
  }
}

/** Records that can be told apart. */
export function numbered(count: number, from = 0): AnalyticsRecord[] {
  return Array.from({ length: count }, (_, i) => record({ alias: String(from + i) }))
}
