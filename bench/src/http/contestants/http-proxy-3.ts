import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createProxyServer } from 'http-proxy-3'
import { keepAliveAgent } from './node-http.ts'

type Forward = (req: IncomingMessage, res: ServerResponse) => void

function forwarder(upstream: URL): Forward {
  const proxy = createProxyServer({ target: upstream.origin, agent: keepAliveAgent() })
  proxy.on('error', (_error, _req, res) => void res.destroy())
  return (req, res) => proxy.web(req, res)
}

export function onHttp(upstream: URL): Server {
  return createServer(forwarder(upstream))
}

export async function onExpress(upstream: URL): Promise<Server> {
  const { default: express } = await import('express')
  return createServer(express().use(forwarder(upstream)))
}

export async function onKoa(upstream: URL): Promise<Server> {
  const { default: Koa } = await import('koa')
  const forward = forwarder(upstream)
  const app = new Koa()
  // Else it prints each connection that ends with its slice.
  app.silent = true
  app.use((ctx) => {
    ctx.respond = false
    forward(ctx.req, ctx.res)
  })
  return createServer(app.callback())
}
