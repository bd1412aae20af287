import { setTimeout as sleep } from 'node:timers/promises'
import { startRedis } from '../ephemeral-redis.ts'
import { machine, versions } from '../machine.ts'
import { progress } from '../progress.ts'
import { median } from '../report/numbers.ts'
import { printHttp } from '../report/print-http.ts'
import type { HttpResults, Memory, RateSlice, Slice } from '../report/results.ts'
import { keep } from '../report/result-files.ts'
import { CONTESTANTS, type Contestant } from './contestants/catalogue.ts'
import { areCoresPinned, pinMyself } from './cores.ts'
import { expectCorrect } from './correctness.ts'
import { closedLoop, loadVersion, openLoop } from './load.ts'
import { nginxVersion } from './nginx.ts'
import { type Around, run, type Running } from './running.ts'
import { firstAnswer } from './start-up.ts'
import { startUpstream } from './upstream.ts'
import { UsageError } from '../usage-error.ts'
import { workload, type WorkloadName, WORKLOADS } from './workloads.ts'

export interface HttpOptions {
  readonly quick: boolean
  /** Names of contestants; all where it is empty. */
  readonly only: readonly string[]
  /** Names of workloads, `at-rate` and `start-up` among them; all where it is empty. */
  readonly workloads: readonly string[]
  readonly rounds: number | undefined
}

/** Whole requests over loopback: every contestant alone on a core, upstream and load on the other. */
export async function benchHttp({ quick, only, workloads, rounds: asked }: HttpOptions): Promise<void> {
  const known = [...Object.keys(WORKLOADS), 'at-rate', 'start-up']
  expectKnown('workload', workloads, known)
  expectKnown(
    'contestant',
    only,
    CONTESTANTS.map(({ name }) => name),
  )
  const wanted = (name: string): boolean =>
    workloads.length > 0 ? workloads.includes(name) : !quick || ['get', 'post', 'large'].includes(name)
  const rounds = asked ?? (quick ? 3 : 5)
  const seconds = 1
  const unpin = pinMyself()
  const redis = await startRedis('load')
  const upstream = await startUpstream()
  const around: Around = { upstream: upstream.url, redisPort: redis?.port ?? 0 }
  const chosen = CONTESTANTS.filter(
    (contestant) =>
      (only.length > 0
        ? only.includes(contestant.name)
        : (!quick || contestant.quick) && takesPart(contestant, wanted)) &&
      !(contestant.needs === 'nginx' && nginxVersion() === undefined) &&
      !(contestant.needs === 'redis' && redis === undefined),
  )
  const underLoad = known.some((name) => name !== 'start-up' && wanted(name))
  const running: Running[] = []
  try {
    const memory = new MemoryOfAll()
    for (const contestant of chosen) {
      progress(`starting ${contestant.name}`)
      const started = await run(contestant, around)
      running.push(started)
      await expectCorrect(started)
      if (!underLoad) continue
      progress(`warming up ${contestant.name}`)
      await closedLoop(started.port, workload('get'), quick ? 2 : 3)
    }
    const slices: Record<string, Record<string, Slice[]>> = {}
    for (const name of (Object.keys(WORKLOADS) as WorkloadName[]).filter(wanted)) {
      const taking = running.filter(({ contestant }) => only.length > 0 || contestant.workloads.includes(name))
      slices[name] = await takeTurns(taking, name, {
        // Many connections are about orders of magnitude, and take long.
        rounds: name.startsWith('connections') ? Math.min(rounds, 3) : rounds,
        seconds,
        warmUp: !quick,
        memory,
      })
    }
    const rate = saturation(slices['get']?.['http-proxy-3'])
    if (workloads.includes('at-rate') && rate === undefined)
      throw new UsageError(
        'The workload at-rate needs get, and http-proxy-3 among the contestants: theirs is the rate.',
      )
    const atRate: Record<string, RateSlice[]> =
      wanted('at-rate') && rate !== undefined
        ? await takeTurnsAtRate(
            running.filter(({ contestant }) => only.length > 0 || contestant.atRate),
            rate,
            { rounds: Math.min(rounds, 3), seconds: 5 },
          )
        : {}
    for (const { stop } of running.splice(0)) stop()
    if (wanted('start-up')) {
      for (let round = 0; round < 3; round++)
        for (const contestant of chosen) {
          progress(`start-up: round ${round + 1} of 3, ${contestant.name}`)
          memory.started(contestant, await firstAnswer(contestant, around))
        }
    }
    progress('')
    const results: HttpResults = {
      bench: 'http',
      at: new Date().toISOString(),
      machine: machine(),
      versions: versionsOfAll(),
      method: {
        load: loadVersion(),
        upstream: upstream.what,
        pinned: areCoresPinned(),
        rounds,
        seconds,
        ...(rate !== undefined && Object.keys(atRate).length > 0 ? { rate } : {}),
      },
      labels: Object.fromEntries(chosen.map(({ name, label }) => [name, label])),
      slices,
      atRate,
      memory: memory.all(),
    }
    printHttp(results)
    const whole = !quick && only.length === 0 && workloads.length === 0
    console.log(`\nkept in ${keep(results, whole)}`)
  } finally {
    for (const { stop } of running) stop()
    upstream.stop()
    await redis?.stop()
    unpin()
  }
}

function takesPart({ workloads, atRate }: Contestant, wanted: (workload: string) => boolean): boolean {
  return workloads.some(wanted) || wanted('start-up') || (atRate && wanted('at-rate'))
}

interface Turns {
  readonly rounds: number
  readonly seconds: number
}

/**
 * Before each slice: while a contestant waits for its turn V8 collects its garbage, and throws away what it had compiled for
 * objects that are not there just then. A second later it still costs up to a fifth more.
 */
const WARM_UP_SECONDS = 2

interface Turn {
  readonly each: Running
  /** Which turn it is, for whoever watches. */
  readonly title: string
}

/** Each round begins with another contestant. */
function* turnsOf(running: readonly Running[], rounds: number): Generator<Turn> {
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < running.length; turn++) {
      const each = running[(round + turn) % running.length]!
      yield { each, title: `round ${round + 1} of ${rounds}, ${each.contestant.name}` }
    }
  }
}

async function takeTurns(
  running: readonly Running[],
  name: WorkloadName,
  { rounds, seconds, warmUp, memory }: Turns & { readonly warmUp: boolean; readonly memory: MemoryOfAll },
): Promise<Record<string, Slice[]>> {
  const load = workload(name)
  const slices: Record<string, Slice[]> = Object.fromEntries(running.map(({ contestant }) => [contestant.name, []]))
  for (const { each, title } of turnsOf(running, rounds)) {
    progress(`${load.title}: ${title}`)
    if (warmUp) await closedLoop(each.port, load, WARM_UP_SECONDS)
    const before = await each.cpuMicros()
    const {
      requests,
      seconds: took,
      failed,
      p50,
      p99,
    } = await closedLoop(each.port, load, seconds * (load.slices ?? 1))
    const cpu = (await each.cpuMicros()) - before
    await memory.loaded(each, name)
    // Sockets of this slice close before the next one begins.
    await sleep(load.connections > 100 ? 300 : 30)
    slices[each.contestant.name]!.push({ perSecond: requests / took, cpuMicros: cpu / requests, p50, p99, failed })
  }
  return slices
}

async function takeTurnsAtRate(
  running: readonly Running[],
  rate: number,
  { rounds, seconds }: Turns,
): Promise<Record<string, RateSlice[]>> {
  const slices: Record<string, RateSlice[]> = Object.fromEntries(running.map(({ contestant }) => [contestant.name, []]))
  for (const { each, title } of turnsOf(running, rounds)) {
    progress(`${Math.round(rate)} requests a second: ${title}`)
    await closedLoop(each.port, workload('get'), WARM_UP_SECONDS)
    await sleep(30)
    const { p50, p90, p99, failed, sentLate99 } = await openLoop(each.port, workload('get'), seconds, rate)
    slices[each.contestant.name]!.push({ p50, p90, p99, failed, sentLate99 })
  }
  return slices
}

/** What the slowest peer can do at most. */
function saturation(slices: readonly Slice[] | undefined): number | undefined {
  return slices === undefined || slices.length === 0 ? undefined : median(slices.map(({ perSecond }) => perSecond))
}

class MemoryOfAll {
  readonly #all = new Map<string, { startMs: number[]; idleMb: number[]; underLoadMb: Record<string, number> }>()

  #of(contestant: Contestant): { startMs: number[]; idleMb: number[]; underLoadMb: Record<string, number> } {
    const known = this.#all.get(contestant.name) ?? { startMs: [], idleMb: [], underLoadMb: {} }
    this.#all.set(contestant.name, known)
    return known
  }

  async loaded(running: Running, workloadName: string): Promise<void> {
    const { underLoadMb } = this.#of(running.contestant)
    const now = (await running.rssBytes()) / 1_048_576
    underLoadMb[workloadName] = Math.max(underLoadMb[workloadName] ?? 0, now)
  }

  started(contestant: Contestant, { milliseconds, rssBytes }: { milliseconds: number; rssBytes: number }): void {
    const { startMs, idleMb } = this.#of(contestant)
    startMs.push(milliseconds)
    idleMb.push(rssBytes / 1_048_576)
  }

  all(): Record<string, Memory> {
    return Object.fromEntries(
      [...this.#all].map(([name, { startMs, idleMb, underLoadMb }]) => [
        name,
        { startMs, idleMb: idleMb.length === 0 ? 0 : median(idleMb), underLoadMb },
      ]),
    )
  }
}

function versionsOfAll(): Record<string, string> {
  const packages = ['undici', 'http-proxy-3', 'http-proxy-middleware', '@fastify/http-proxy', '@fastify/rate-limit']
  const hosts = ['fastify', 'fast-gateway', 'express-rate-limit', 'express', 'koa', 'ioredis']
  const nginx = nginxVersion()
  return { ...(nginx === undefined ? {} : { nginx }), ...versions([...packages, ...hosts]) }
}

function expectKnown(what: string, asked: readonly string[], known: readonly string[]): void {
  const unknown = asked.filter((name) => !known.includes(name))
  if (unknown.length > 0)
    throw new UsageError(`Unknown ${what}: ${unknown.join(', ')}. There are: ${known.join(', ')}.`)
}
