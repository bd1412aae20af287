import { createServer as createPlainServer, type Server } from 'node:http'
import {
  type DefinitionInput,
  deny,
  type Gateway,
  GatewayError,
  type GatewayOptions,
  type PostAuthPlugin,
  type PostPlugin,
  type PrePlugin,
  type ResponsePlugin,
} from '@postern/core'
import { EXACT, EXACT_KEY, FEW, FEW_KEY, LOAD_KEY, MANY } from '../payloads.ts'
import type { Setting } from './setting.ts'

export type Host = 'http' | 'express' | 'koa' | 'createServer'

/** What the chain does, besides passing everything on. */
export type Chain = 'empty' | 'plugins' | 'guard' | 'headers' | 'body' | 'redis'

const noRobots: PrePlugin = (request) =>
  request.headers.get('user-agent')?.startsWith('bot') === true ? deny(403, 'Not for robots') : undefined
const nameTenant: PrePlugin & PostAuthPlugin = (request) => request.headers.set('x-tenant', 'acme')
const dropCookies: PostPlugin = (request) => request.headers.delete('cookie')
const noStore: ResponsePlugin = (response) => response.headers.set('cache-control', 'no-store')
const addOffer: ResponsePlugin = async (response) => {
  if (response.headers.get('content-type') !== 'application/json') return
  const body = await response.json()
  response.setBody({ ...(body as object), offer: true })
}

const threePlugins = { pre: [noRobots], postAuth: [nameTenant], post: [dropCookies] }
const CHAINS: Readonly<Record<Chain, Partial<DefinitionInput>>> = {
  empty: {},
  plugins: { hooks: { pre: [noRobots, nameTenant], post: [dropCookies] } },
  guard: { hooks: threePlugins, authentication: { token: true } },
  redis: { hooks: threePlugins, authentication: { token: true } },
  headers: { hooks: { response: [noStore] } },
  body: { hooks: { response: [addOffer] } },
}

export async function postern(
  host: Host,
  chain: Chain,
  { upstream, redisPort, prefix }: Setting,
  options?: GatewayOptions,
): Promise<Server> {
  const definition: DefinitionInput = {
    name: 'bench',
    // As many as there are clients in any workload: none is refused, all are sent on at once up to a thousand.
    upstream: { url: upstream.origin, maxQueued: 10_000 },
    ...CHAINS[chain],
  }
  const store = chain === 'redis' ? await onRedis(redisPort, prefix) : {}
  const [server, gateway] = await HOSTS[host](definition, { ...options, ...store })
  await gateway.ready()
  if (definition.authentication !== undefined) {
    await makeKey(gateway, LOAD_KEY, MANY, 1)
    await makeKey(gateway, FEW_KEY, FEW, 60)
    await makeKey(gateway, EXACT_KEY, EXACT, 3_600)
  }
  return server
}

async function makeKey({ sessions }: Gateway, key: string, rate: number, per: number): Promise<void> {
  try {
    await sessions.create({ accessRights: { bench: {} }, rate, per }, { key })
  } catch (error) {
    // Another process of a cluster was first.
    if (!(error instanceof GatewayError && error.code === 'PSTN_KEY_EXISTS')) throw error
  }
}

type Mount = (definition: DefinitionInput, options: GatewayOptions) => Promise<[Server, Gateway]>

/** Each loads its own host and no other, or start-up and memory would be those of all. */
const HOSTS: Readonly<Record<Host, Mount>> = {
  async http(definition, options) {
    const { createGateway } = await import('@postern/http')
    const gateway = createGateway(definition, options)
    return [createPlainServer(gateway), gateway]
  },
  async createServer(definition, options) {
    const { createGateway, createServer } = await import('@postern/http')
    const gateway = createGateway(definition, options)
    return [createServer(gateway), gateway]
  },
  async express(definition, options) {
    const { createGateway } = await import('@postern/express')
    const { default: express } = await import('express')
    const gateway = createGateway(definition, options)
    return [createPlainServer(express().use(gateway)), gateway]
  },
  async koa(definition, options) {
    const { createGateway } = await import('@postern/koa')
    const { default: Koa } = await import('koa')
    const gateway = createGateway(definition, options)
    const app = new Koa()
    app.silent = true
    app.use(gateway)
    return [createPlainServer(app.callback()), gateway]
  },
}

async function onRedis(redisPort: number, prefix: string): Promise<Pick<GatewayOptions, 'store'>> {
  const { redisStore } = await import('@postern/redis')
  return { store: redisStore({ url: `redis://127.0.0.1:${redisPort}`, prefix }) }
}
