import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { bodyParser } from '@koa/bodyparser'
import type { DefinitionInput, Gateway, GatewayOptions } from '@postern/core'
import * as forExpress from '@postern/express'
import * as forHttp from '@postern/http'
import * as forKoa from '@postern/koa'
import express from 'express'
import express4 from 'express4'
import Koa from 'koa'
import mountAt from 'koa-mount'
import Koa2 from 'koa2'
import { closeLater } from './cleanup.ts'
import { type Listening, listen } from './server.ts'
import { SELF_SIGNED } from './tls.ts'

/** What a route of the host application answers. */
interface RouteAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string | Buffer | Readable
}

/** A host application in one function; `body` is what the host's parser made of the request, if there is one. */
type Route = (req: IncomingMessage, body: unknown) => RouteAnswer | Promise<RouteAnswer>

export interface Setup {
  readonly options?: GatewayOptions
  /** Mount path of the gateway, such as `/v1`. Not under node:http. */
  readonly at?: string
  /**
   * The host's own parsers above the gateway; `multipart` reads the stream and keeps only what it made of it. Not under
   * node:http.
   */
  readonly parser?: 'json' | 'form' | 'multipart'
  /** What meets `req` and `res` before the host does, as an agent that patches them would. */
  readonly above?: RequestListener
  /** The host speaks HTTPS, with the certificate of `tls.ts`. */
  readonly secure?: boolean
  /** Behind `createServer` of `@postern/http` instead of Node's own. */
  readonly safe?: boolean
  /** Options of that server. */
  readonly server?: forHttp.ServerOptions
  /** Upgrades go to the gateway; as a function, to what it makes of the gateway. */
  readonly upgrade?: boolean | ((gateway: Gateway) => Gateway['upgrade'])
  /** The host application behind the gateway; without it the host's own 404. */
  readonly route?: Route
  /** The same, writing to `res` itself. */
  readonly raw?: RequestListener
}

export interface Mounted extends Listening<Server | SecureServer> {
  readonly gateway: Gateway
}

/** Starts a host with a gateway in it; both are closed by `closeAll`. */
export type Mount = (definition: DefinitionInput | readonly DefinitionInput[], setup?: Setup) => Promise<Mounted>

export type Host = readonly [name: string, mount: Mount]

const nodeHttp: Mount = async (definition, setup = {}) => {
  const gateway = forHttp.createGateway(definition, setup.options)
  const behind = listenerOf(setup)
  if (behind === undefined) return started(gateway, gateway, setup)
  const listener: RequestListener = (req, res) =>
    gateway(req, res, (error) => {
      if (error === undefined) behind(req, res)
      else res.writeHead(500).end('the host failed')
    })
  return started(gateway, listener, setup)
}

const onExpress =
  (make: () => express.Express): Mount =>
  async (definition, setup = {}) => {
    const gateway = forExpress.createGateway(definition, setup.options)
    const app = make()
    if (setup.parser === 'json') app.use(express.json())
    if (setup.parser === 'form') app.use(express.urlencoded({ extended: true }))
    if (setup.parser === 'multipart') app.use(multipartAboveExpress)
    app.use(setup.at ?? '/', gateway)
    const behind = listenerOf(setup)
    if (behind !== undefined) app.use((req, res) => behind(req, res))
    return started(gateway, app as RequestListener, setup)
  }

const onKoa =
  (make: () => Koa, writes: 'ctx' | 'res' = 'ctx'): Mount =>
  async (definition, setup = {}) => {
    const gateway = forKoa.createGateway(definition, setup.options)
    const app = make()
    app.silent = true
    if (setup.parser === 'json') app.use(bodyParser({ enableTypes: ['json'] }) as Koa.Middleware)
    if (setup.parser === 'form') app.use(bodyParser({ enableTypes: ['form'] }) as Koa.Middleware)
    if (setup.parser === 'multipart') app.use(multipartAbove)
    app.use(setup.at === undefined ? gateway : mountAt(setup.at, gateway))
    app.use(writes === 'ctx' && setup.route !== undefined ? throughContext(setup.route) : throughResponse(setup))
    return started(gateway, app.callback(), setup)
  }

/** Every host. */
export const hosts: readonly Host[] = [
  ['node:http', nodeHttp],
  ['Express 4', onExpress(() => express4() as unknown as express.Express)],
  ['Express 5', onExpress(() => express())],
  ['Koa 2', onKoa(() => new Koa2() as unknown as Koa)],
  ['Koa 3', onKoa(() => new Koa())],
]

/** Those that can take a mount path off and have body parsers. */
export const frameworks: readonly Host[] = hosts.slice(1)

/** Every way a host application behind the gateway can answer. */
export const applications: readonly Host[] = [
  ...hosts,
  ['Koa 2 with ctx.respond = false', onKoa(() => new Koa2() as unknown as Koa, 'res')],
  ['Koa 3 with ctx.respond = false', onKoa(() => new Koa(), 'res')],
]

async function started(
  gateway: Gateway,
  host: RequestListener,
  { above, secure = false, safe = false, server = {}, upgrade = false }: Setup,
): Promise<Mounted> {
  const listener: RequestListener = (req, res) => {
    above?.(req, res)
    host(req, res)
  }
  const safely = (): Server => forHttp.createServer(listener, secure ? { tls: SELF_SIGNED, ...server } : server)
  const plainly = (): Server => (secure ? createSecureServer(SELF_SIGNED, listener) : createServer(listener))
  const listening = await listen(safe ? safely() : plainly())
  if (upgrade !== false) listening.server.on('upgrade', upgrade === true ? gateway.upgrade : upgrade(gateway))
  closeLater(() => gateway.close({ timeoutMs: 1 }))
  return { ...listening, gateway }
}

function listenerOf({ raw, route }: Setup): ((req: IncomingMessage, res: ServerResponse) => void) | undefined {
  if (raw !== undefined) return raw
  return route === undefined ? undefined : (req, res) => void writeRoute(route, req, res)
}

async function writeRoute(route: Route, req: IncomingMessage, res: ServerResponse, parsed?: unknown): Promise<void> {
  const { status = 200, headers = {}, body } = await route(req, parsed ?? (req as { body?: unknown }).body)
  res.writeHead(status, headers)
  if (body instanceof Readable) body.pipe(res)
  else res.end(body)
}

function throughContext(route: Route): Koa.Middleware {
  return async (ctx) => {
    const { status = 200, headers = {}, body } = await route(ctx.req, (ctx.request as { body?: unknown }).body)
    if (body !== undefined) ctx.body = body
    ctx.status = status
    ctx.set(headers)
  }
}

function throughResponse({ raw, route }: Setup): Koa.Middleware {
  return async (ctx, next) => {
    if (raw === undefined && route === undefined) return next()
    ctx.respond = false
    if (raw !== undefined) raw(ctx.req, ctx.res)
    else if (route !== undefined) await writeRoute(route, ctx.req, ctx.res, (ctx.request as { body?: unknown }).body)
    return undefined
  }
}

/** What a multipart parser does to a request, as far as anybody below can tell. */
async function consume(req: IncomingMessage): Promise<object> {
  req.resume()
  await new Promise((resolve, reject) => req.once('end', resolve).once('error', reject))
  return { field: 'value' }
}

const multipartAboveExpress: express.RequestHandler = (req, _, next) => {
  consume(req).then((parts) => {
    req.body = parts
    next()
  }, next)
}

const multipartAbove: Koa.Middleware = async (ctx, next) => {
  Object.assign(ctx.request, { body: await consume(ctx.req) })
  return next()
}
