import type { Store } from '@postern/core/store'
import { checked, type CheckedOptions } from './checked-options.ts'
import { connection } from './connection.ts'
import { counters } from './counters.ts'
import { type Invalidations, listen, processName } from './invalidations.ts'
import type { Layout } from './layout.ts'
import type { RedisStoreOptions } from './options.ts'
import { clientOf } from './own-client.ts'
import { privateLayout } from './private-layout.ts'
import { type Outages, outageWarnings, reporter } from './reporter.ts'
import { sessionPages } from './session-pages.ts'
import { sessions } from './sessions.ts'
import { tykLayout } from './tyk-layout.ts'

/**
 * Sessions, limits and quotas on Redis 6 or newer, Valkey or Redis Cluster, exact across all processes that share it. A
 * request with a session, rate limits and a quota costs one round trip. No call takes longer than `commandTimeoutMs`; those
 * that fail reject with `PSTN_STORE_UNAVAILABLE`, at once when the connection has been lost for longer than that. Wrong
 * options throw `PSTN_OPTIONS_INVALID`.
 */
export function redisStore(options: RedisStoreOptions): Store {
  const settings = checked(options)
  const layout = layoutOf(settings)
  const report = reporter(settings.onError)
  const outages: Outages = settings.onError === undefined ? outageWarnings() : { failed: report, over: () => undefined }
  const own = clientOf(settings, outages)
  const redis = connection(own.client, own, settings.commandTimeoutMs)
  const process = processName()
  const channel = `${settings.prefix}:sessions`
  let invalidations: Invalidations | undefined
  const stored = sessions({
    connection: redis,
    layout,
    cacheMs: settings.cacheMs,
    invalidations: () => invalidations,
    channel,
    process,
  })
  if (settings.cacheMs > 0)
    invalidations = listen({
      client: own.client,
      channel,
      where: own.where,
      process,
      onChange: (id) => stored.forget(id),
      onError: report,
    })
  const counting = counters(redis, layout, settings.now, report)
  let closed: Promise<void> | undefined
  const close = async (): Promise<void> => {
    invalidations?.close()
    await redis.close()
    await own.close()
  }
  return {
    local: false,
    keys: layout.keys,
    ready: () => (settings.required ? redis.connected() : undefined),
    load: (id, freshness) => stored.load(id, freshness),
    async take(charges, expected) {
      if (charges.length === 0 && expected === undefined) return { refusedBy: -1, standings: [] }
      const askedAt = performance.now()
      const taken = await counting.take(charges, expected)
      if (expected !== undefined && taken !== 'changed') stored.confirm(expected.id, expected.revision, askedAt)
      return taken
    },
    peek: (charges) => (charges.length === 0 ? [] : counting.peek(charges)),
    reset: (charges) => counting.reset(charges),
    save: (id, session, lifetimeMs, expected) => stored.save(id, session, lifetimeMs, expected),
    remove: (id) => stored.remove(id),
    list: sessionPages(redis, layout, report),
    close: () => (closed ??= close()),
  }
}

function layoutOf({ layout, prefix, tyk }: CheckedOptions): Layout {
  return layout === 'tyk' ? tykLayout(prefix, tyk) : privateLayout(prefix)
}
