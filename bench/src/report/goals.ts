import { printTable } from '../table.ts'
import { median, ratios } from './numbers.ts'
import { atRate, BASELINE, ratioOf, underLoadMb } from './ratios-of.ts'
import type { AllResults } from './result-files.ts'
import type { Figures, HttpResults } from './results.ts'

interface Goal {
  readonly says: string
  /** Undefined: not measured. */
  readonly figure: number | undefined
  readonly unit: string
  readonly least?: number
  readonly most?: number
}

/** The engine the chain stands on unless a definition says otherwise, with no chain around it. */
const BARE_ENGINE = 'bare-engine'
const HOSTS = { http: 'node:http', express: 'Express', koa: 'Koa' } as const
const WHAT = { get: 'small GET', post: 'POST 1 KiB' } as const
const GUARD = 'postern-http-guard'

/** What was asked for before anything was built, and what has become of it. */
export function printGoals(all: AllResults): void {
  const goals = [...ofHosts(all.http), ...ofEngine(all.http), ...inside(all)]
  const rows = goals.map(({ says, figure, unit, least, most }) => [
    says,
    figure === undefined ? '-' : figure.toPrecision(3),
    unit,
    least === undefined ? `at most ${most}` : `at least ${least}`,
    figure === undefined
      ? 'not measured'
      : figure >= (least ?? figure) && figure <= (most ?? figure)
        ? 'met'
        : 'NOT MET',
  ])
  printTable('goals ("guarded": key, limit and 3 plugins)', ['', 'figure', '', 'goal', ''], rows)
}

function ofHosts(http: HttpResults): Goal[] {
  return Object.entries(HOSTS).flatMap(([host, hostName]) =>
    Object.entries(WHAT).flatMap(([workload, what]) => {
      const guard = `postern-${host}-guard`
      const peer = host === 'http' ? BASELINE : `${BASELINE}-${host}`
      return [
        goal(`${hostName}, ${what}: guarded over http-proxy-3`, ratioOf(http, workload, guard, peer)?.median, 1.8),
        goal(
          `${hostName}, ${what}: guarded over @fastify/http-proxy`,
          ratioOf(http, workload, guard, 'fastify')?.median,
          1,
        ),
      ]
    }),
  )
}

function goal(says: string, figure: number | undefined, least: number): Goal {
  return { says, figure, unit: 'x', least }
}

function ofEngine(http: HttpResults): Goal[] {
  const p99 = atRate(http, GUARD, 'p99')
  const p50 = atRate(http, BASELINE, 'p50')
  const rss = underLoadMb(http, GUARD)
  const bareRss = underLoadMb(http, 'node-proxy')
  return [
    goal('node:http, small GET: guarded over http-proxy-3, own engine', ratioOf(http, 'get', GUARD)?.median, 3.5),
    goal('node:http, small GET: guarded over nginx', ratioOf(http, 'get', GUARD, 'nginx')?.median, 0.5),
    goal('node:http, 100 KiB: guarded over nginx', ratioOf(http, 'large', GUARD, 'nginx')?.median, 1),
    goal('node:http, 100 KiB: guarded over the best Node peer', overBestPeer(http), 1),
    {
      says: 'CPU of the empty chain over that of its bare engine, small GET',
      figure: ratioOf(http, 'get', 'postern-http', BARE_ENGINE, 'cpuMicros')?.median,
      unit: 'x',
      most: 1.05,
    },
    {
      says: 'p99 guarded over the median of http-proxy-3, where that saturates',
      figure: p99 === undefined || p50 === undefined ? undefined : p99 / p50,
      unit: 'x',
      most: 1,
    },
    {
      says: 'RSS under load, guarded over a minimal node:http proxy',
      figure: rss === undefined || bareRss === undefined ? undefined : rss / bareRss,
      unit: 'x',
      most: 1.2,
    },
  ]
}

/** Of those with nothing but a proxy in them. */
function overBestPeer(http: HttpResults): number | undefined {
  const peers = ['http-proxy-3', 'http-proxy-3-express', 'http-proxy-3-koa', 'hpm', 'fastify', 'fast-gateway']
  const all = peers.flatMap((peer) => ratioOf(http, 'large', GUARD, peer)?.median ?? [])
  return all.length === 0 ? undefined : Math.min(...all)
}

function inside({ chain, matching, limits }: AllResults): Goal[] {
  const many = chain?.ns['100 synchronous plugins']
  const few = chain?.ns['10 synchronous plugins']
  return [
    {
      says: 'each further synchronous plugin',
      figure: many === undefined || few === undefined ? undefined : (median(many) - median(few)) / 90,
      unit: 'ns',
      most: 500,
    },
    {
      says: 'matching one of 10,000 endpoints over find-my-way',
      figure: ratioWithin(matching, '10,000 endpoints, any: postern tree', '10,000 endpoints, any: find-my-way'),
      unit: 'x',
      most: 1.3,
    },
    {
      says: 'a decision about rate and quota in memory',
      figure: medianWithin(limits, 'memory, 10,000 keys: postern, sliding-window'),
      unit: 'ns',
      most: 1_000,
    },
  ]
}

function ratioWithin(figures: Figures | undefined, one: string, other: string): number | undefined {
  const [ones, others] = [figures?.ns[one], figures?.ns[other]]
  return ones === undefined || others === undefined ? undefined : ratios(ones, others).median
}

function medianWithin(figures: Figures | undefined, name: string): number | undefined {
  const rounds = figures?.ns[name]
  return rounds === undefined ? undefined : median(rounds)
}
