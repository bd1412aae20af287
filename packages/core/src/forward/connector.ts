import { isIP } from 'node:net'
import { buildConnector } from 'undici'
import { forbidden, guardedLookup, isLinkLocal } from './link-local.ts'

/** What makes two upstreams need different connections. */
export interface PoolSettings {
  readonly connectTimeoutMs: number
  readonly verifyTls: boolean
}

/** Runs something outside of the request that happens to need it first. */
export type Outside = (work: () => void) => void

/**
 * How connections are made. TLS names no server that has an address only (RFC 6066 3); left out, undici would name the
 * client's Host instead.
 */
export function connector(settings: PoolSettings, guarded: boolean, outside: Outside): buildConnector.connector {
  const connect = buildConnector({
    timeout: settings.connectTimeoutMs,
    rejectUnauthorized: settings.verifyTls,
    ...(guarded && { lookup: guardedLookup }),
  })
  return (options, done) => {
    // An address is not looked up.
    if (guarded && isLinkLocal(options.hostname)) {
      done(forbidden(options.hostname), null)
      return
    }
    const named = isIP((options.servername ?? '').replaceAll(/[[\]]/g, '')) === 0
    outside(() => connect(named ? options : { ...options, servername: '' }, done))
  }
}
