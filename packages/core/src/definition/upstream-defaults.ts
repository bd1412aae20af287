import type { ApiDefinition } from '../api.ts'

type Upstream = NonNullable<ApiDefinition['upstream']>

/** How an upstream is talked to: everything about it but its URL. */
export type UpstreamSettings = Pick<Upstream, Exclude<keyof Upstream, 'url'>>

/** What a definition leaves out, and what a request that a plugin routes elsewhere goes by when there is no definition of it. */
export const UPSTREAM_DEFAULTS: UpstreamSettings = Object.freeze({
  preserveHost: false,
  forwarded: 'append',
  connectTimeoutMs: 10_000,
  headersTimeoutMs: 60_000,
  bodyTimeoutMs: 300_000,
  verifyTls: true,
})
