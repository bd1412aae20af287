import { createServer, type Server } from 'node:http'
import express, { type Express, type RequestHandler } from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { FEW, FEW_KEY, LOAD_KEY, MANY } from '../payloads.ts'
import { keepAliveAgent } from './node-http.ts'

export function plain(upstream: URL): Server {
  return createServer(proxying(express(), upstream))
}

/** Keys from a set, limits of express-rate-limit in memory. */
export async function guarded(upstream: URL): Promise<Server> {
  const { ipKeyGenerator, rateLimit } = await import('express-rate-limit')
  const keys = new Set([LOAD_KEY, FEW_KEY])
  const app = express()
  app.use(((req, res, next) => {
    if (keys.has(req.headers.authorization ?? '')) next()
    else res.status(401).json({ error: 'Unknown key' })
  }) satisfies RequestHandler)
  app.use(
    rateLimit({
      windowMs: 60_000,
      limit: (req) => (req.headers.authorization === FEW_KEY ? FEW : MANY * 60),
      keyGenerator: (req) => req.headers.authorization ?? ipKeyGenerator(req.ip ?? ''),
      standardHeaders: 'draft-8',
      legacyHeaders: false,
    }),
  )
  return createServer(proxying(app, upstream))
}

function proxying(app: Express, upstream: URL): Express {
  return app.use(createProxyMiddleware({ target: upstream.origin, agent: keepAliveAgent() }))
}
