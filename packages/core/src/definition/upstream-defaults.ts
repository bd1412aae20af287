import type { CircuitBreakerSettings, HealthCheckSettings, Upstream } from '../api.ts'

/** How an upstream is talked to: everything about it but where it is. */
export type UpstreamSettings = Omit<Upstream, 'url' | 'targets'>

/** What a definition leaves out, and what a request that a plugin routes elsewhere goes by when there is no definition of it. */
export const UPSTREAM_DEFAULTS: UpstreamSettings = Object.freeze({
  preserveHost: false,
  forwarded: 'append',
  connectTimeoutMs: 10_000,
  headersTimeoutMs: 60_000,
  bodyTimeoutMs: 300_000,
  verifyTls: true,
  balance: 'round-robin',
  retries: 1,
  ejectAfter: 3,
  ejectMs: 10_000,
  health: undefined,
  circuitBreaker: undefined,
  maxConnections: 1_024,
  maxQueued: 1_024,
  queueTimeoutMs: 5_000,
})

export const HEALTH_DEFAULTS: Omit<HealthCheckSettings, 'path'> = Object.freeze({
  intervalMs: 5_000,
  timeoutMs: 2_000,
  unhealthyAfter: 2,
  healthyAfter: 2,
})

export const BREAKER_DEFAULTS: CircuitBreakerSettings = Object.freeze({
  failureRatio: 0.5,
  minRequests: 20,
  windowMs: 10_000,
  openMs: 10_000,
})
