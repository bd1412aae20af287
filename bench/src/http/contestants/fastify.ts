import type { Server } from 'node:http'
import proxy from '@fastify/http-proxy'
import fastify, { type FastifyInstance } from 'fastify'
import { FEW, FEW_KEY, LOAD_KEY, MANY } from '../payloads.ts'

export function plain(upstream: URL): Promise<Server> {
  return proxying(fastify({ logger: false }), upstream)
}

/** Keys from a set, limits of @fastify/rate-limit in memory. */
export async function guarded(upstream: URL): Promise<Server> {
  const { default: limits } = await import('@fastify/rate-limit')
  const keys = new Set([LOAD_KEY, FEW_KEY])
  const app = fastify({ logger: false })
  app.addHook('onRequest', (request, reply, done) => {
    if (keys.has(request.headers.authorization ?? '')) done()
    else void reply.code(401).send({ error: 'Unknown key' })
  })
  await app.register(limits, {
    timeWindow: 60_000,
    max: (_request, key) => (key === FEW_KEY ? FEW : MANY * 60),
    keyGenerator: (request) => request.headers.authorization ?? '',
  })
  return proxying(app, upstream)
}

async function proxying(app: FastifyInstance, upstream: URL): Promise<Server> {
  await app.register(proxy, {
    upstream: upstream.origin,
    undici: { connections: 1_024, pipelining: 1, keepAliveTimeout: 60_000 },
    disableRequestLogging: true,
    cacheURLs: 1_000,
  })
  await app.ready()
  return app.server
}
