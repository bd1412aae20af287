import type { Server } from 'node:http'
import type { WorkloadName } from '../workloads.ts'
import type { Chain, Host } from './postern.ts'
import type { Setting } from './setting.ts'

export interface Contestant {
  readonly name: string
  /** What tables call it. */
  readonly label: string
  readonly group: 'floor' | 'peer' | 'postern'
  /** It asks for a key and counts requests. */
  readonly guarded: boolean
  /** What becomes of an answer's body, where it is not the upstream's. */
  readonly edits?: 'headers' | 'body'
  /** Among the few of `--quick`. */
  readonly quick: boolean
  readonly workloads: readonly WorkloadName[]
  /** At a fixed rate. */
  readonly atRate: boolean
  readonly needs?: 'nginx' | 'redis'
  /** Within its own process, which loads nothing of the others; undefined: nginx. */
  readonly open?: (setting: Setting) => Server | Promise<Server>
}

const THREE = ['get', 'post', 'large'] as const
const ALL = [...THREE, 'connections-1', 'connections-1000', 'connections-5000'] as const

interface Part {
  readonly guarded?: boolean
  readonly quick?: boolean
  readonly workloads?: readonly WorkloadName[]
  readonly atRate?: boolean
}

function contestant(
  group: Contestant['group'],
  name: string,
  label: string,
  open: Contestant['open'],
  { guarded = false, quick = false, workloads = THREE, atRate = false }: Part = {},
): Contestant {
  return {
    name,
    label,
    group,
    guarded,
    quick,
    workloads,
    atRate,
    ...(open === undefined ? { needs: 'nginx' } : { open }),
  }
}

const WORDS: Readonly<Record<Chain, string>> = {
  empty: 'empty chain',
  plugins: '3 plugins',
  guard: 'key, limit, 3 plugins',
  headers: 'response hook on headers',
  body: 'response hook on the body',
  redis: 'key, limit on Redis, 3 plugins',
}
const HOSTS: Readonly<Record<Host, string>> = {
  http: 'node:http',
  express: 'Express 5',
  koa: 'Koa 3',
  createServer: "postern's createServer",
}

function ofPostern(host: Host, chain: Chain, part: Part = {}): Contestant {
  const guarded = chain === 'guard' || chain === 'redis'
  return {
    ...contestant(
      'postern',
      `postern-${host}${chain === 'empty' ? '' : `-${chain}`}`,
      `postern on ${HOSTS[host]}: ${WORDS[chain]}`,
      async (setting) => (await import('./postern.ts')).postern(host, chain, setting),
      { guarded, ...part },
    ),
    ...(chain === 'headers' || chain === 'body' ? { edits: chain } : {}),
    ...(chain === 'redis' ? { needs: 'redis' } : {}),
  }
}

export const CONTESTANTS: readonly Contestant[] = [
  contestant(
    'floor',
    'node-answers',
    'node:http answering by itself',
    async () => (await import('./node-http.ts')).answersItself(),
    { workloads: ['get', 'connections-1', 'connections-1000', 'connections-5000'] },
  ),
  contestant('peer', 'nginx', 'nginx proxy_pass', undefined, { quick: true, workloads: ALL, atRate: true }),
  contestant('peer', 'nginx-guard', 'nginx, key map and limit_req', undefined, { guarded: true }),
  contestant(
    'floor',
    'node-proxy',
    'minimal node:http proxy',
    async ({ upstream }) => (await import('./node-http.ts')).minimalProxy(upstream),
    { quick: true, workloads: ALL, atRate: true },
  ),
  contestant('floor', 'bare-engine-undici', 'bare undici dispatch', async ({ upstream }) =>
    (await import('./bare-engine.ts')).bareUndici(upstream),
  ),
  contestant(
    'floor',
    'bare-engine',
    "postern's own connections, bare",
    async ({ upstream }) => (await import('./bare-engine.ts')).bareHttp1(upstream),
    { quick: true },
  ),
  contestant(
    'peer',
    'http-proxy-3',
    'http-proxy-3 on node:http',
    async ({ upstream }) => (await import('./http-proxy-3.ts')).onHttp(upstream),
    { quick: true, workloads: ALL, atRate: true },
  ),
  contestant(
    'peer',
    'http-proxy-3-express',
    'http-proxy-3 on Express 5',
    async ({ upstream }) => (await import('./http-proxy-3.ts')).onExpress(upstream),
    { quick: true },
  ),
  contestant(
    'peer',
    'http-proxy-3-koa',
    'http-proxy-3 on Koa 3',
    async ({ upstream }) => (await import('./http-proxy-3.ts')).onKoa(upstream),
    { quick: true },
  ),
  contestant('peer', 'hpm', 'http-proxy-middleware on Express 5', async ({ upstream }) =>
    (await import('./http-proxy-middleware.ts')).plain(upstream),
  ),
  contestant(
    'peer',
    'hpm-guard',
    'express-rate-limit, http-proxy-middleware, key',
    async ({ upstream }) => (await import('./http-proxy-middleware.ts')).guarded(upstream),
    { guarded: true },
  ),
  contestant(
    'peer',
    'fastify',
    '@fastify/http-proxy',
    async ({ upstream }) => (await import('./fastify.ts')).plain(upstream),
    { quick: true, workloads: ALL, atRate: true },
  ),
  contestant(
    'peer',
    'fastify-guard',
    '@fastify/http-proxy, @fastify/rate-limit, key',
    async ({ upstream }) => (await import('./fastify.ts')).guarded(upstream),
    { guarded: true },
  ),
  contestant('peer', 'fast-gateway', 'fast-gateway', async ({ upstream }) =>
    (await import('./fast-gateway.ts')).plain(upstream),
  ),
  ofPostern('http', 'empty', { quick: true, workloads: ALL, atRate: true }),
  ofPostern('express', 'empty'),
  ofPostern('koa', 'empty'),
  ofPostern('http', 'plugins', { workloads: ['get'] }),
  ofPostern('express', 'plugins', { workloads: ['get'] }),
  ofPostern('koa', 'plugins', { workloads: ['get'] }),
  ofPostern('http', 'guard', { quick: true, workloads: ALL, atRate: true }),
  ofPostern('express', 'guard', { quick: true, atRate: true }),
  ofPostern('koa', 'guard', { quick: true, atRate: true }),
  ofPostern('createServer', 'guard'),
  contestant('postern', 'postern-http-undici', 'postern on node:http, engine undici: empty chain', async (setting) =>
    (await import('./postern.ts')).postern('http', 'empty', setting, { engine: 'undici' }),
  ),
  ofPostern('http', 'headers', { workloads: ['get', 'large'] }),
  ofPostern('express', 'headers', { workloads: ['get', 'large'] }),
  ofPostern('koa', 'headers', { workloads: ['get', 'large'] }),
  ofPostern('http', 'body', { workloads: ['get'] }),
  ofPostern('express', 'body', { workloads: ['get'] }),
  ofPostern('koa', 'body', { workloads: ['get'] }),
  ofPostern('http', 'redis', { workloads: ['get', 'post'] }),
  ofPostern('express', 'redis', { workloads: ['get'] }),
  ofPostern('koa', 'redis', { workloads: ['get'] }),
]
