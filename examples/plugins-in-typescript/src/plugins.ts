import { deny, respond, type AuthPlugin, type EndpointPlugin, type PrePlugin } from '@postern/core'

declare module '@postern/core' {
  /** What this service notes on a session: typed in every plugin that reads it. */
  interface SessionMetadata {
    role?: 'reader' | 'editor'
  }
  /** What the plugins of one request tell each other. */
  interface RequestState {
    hits?: number
  }
}

// A module is loaded once: its top level is where a plugin sets up what all its calls share.
const hitCounter = new Map<string, number>()

export const countHit: EndpointPlugin = (request, { log, state }) => {
  const endpoint = `${request.method} ${request.path}`
  const hits = (hitCounter.get(endpoint) ?? 0) + 1
  hitCounter.set(endpoint, hits)
  state.hits = hits
  log.debug('counted', { endpoint, hits })
  if (hits > 100) log.warn('hit counter too high', { endpoint })
}

export const replyWithHits: EndpointPlugin = (request, { session, state }) =>
  respond(200, { endpoint: `${request.method} ${request.path}`, role: session?.metadata.role, hit_counter: state.hits })

/** A plugin with settings is a function around the plugin. */
export const blockAgents =
  (pattern: RegExp): PrePlugin =>
  (request) =>
    pattern.test(request.headers.get('user-agent') ?? '') ? deny(403, 'This client is not welcome') : undefined

export const asReader: AuthPlugin = (request) => ({
  metadata: { token: request.clientAddress, role: 'reader' },
})
