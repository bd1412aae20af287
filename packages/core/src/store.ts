/** What a store is made of: for packages that keep sessions, counters and records somewhere. Application code has no use for it. */
export type { AnalyticsRecord } from './analytics/record.ts'
export type { RecordSink } from './analytics/sink.ts'
export { describe, GatewayError } from './errors.ts'
export { nearest } from './nearest.ts'
export type { Charge, RateAlgorithm, Standing, Taken } from './limits/charge.ts'
export { digest, type KeyScheme, privateKeys } from './session/key-scheme.ts'
export { decodeSession, encodeSession, type Session } from './session/session.ts'
export type { Expectation, SessionPage, Store, StoredSession } from './session/store.ts'
