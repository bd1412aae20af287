import { tracingChannel } from 'node:diagnostics_channel'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { defineApi, type Forwarder, type PrePlugin } from '@postern/core'
import * as host from '@postern/core/host'

type Host = Pick<typeof host, 'createCore' | 'GatewayHeaders' | 'GatewayResponse'>

/** One way to run the chain, and what listens meanwhile. */
interface Contestant {
  readonly name: string
  readonly run: () => Promise<void>
  readonly listen: () => () => void
}

const HEADERS = ['Host', 'localhost', 'User-Agent', 'bench', 'Accept', '*/*', 'Authorization', 'Bearer 12345']

const call: host.HostCall = {
  method: 'GET',
  originalUrl: '/orders/stock/7?full=1',
  target: '/orders/stock/7?full=1',
  basePath: '',
  httpVersion: '1.1',
  truncated: false,
  rawHeaders: HEADERS,
  peer: { address: '127.0.0.1', encrypted: false },
  body: () => undefined,
}

const passes: PrePlugin = () => undefined
const passesLater: PrePlugin = () => Promise.resolve(undefined)

const CASES: Readonly<Record<string, readonly PrePlugin[]>> = {
  'no plugin': [],
  '1 synchronous plugin': [passes],
  '10 synchronous plugins': Array.from({ length: 10 }, () => passes),
  '1 asynchronous plugin': [passesLater],
  '10 asynchronous plugins': Array.from({ length: 10 }, () => passesLater),
}

const CHANNELS = ['postern:request', 'postern:hook', 'postern:plugin', 'postern:upstream']

/**
 * What it costs that the chain can be listened to: nobody listening, against the build of another checkout (`before`), and
 * with listeners. All take turns, many times, so that what slows the machine slows them all.
 */
export async function benchTracing({ quick, before }: { quick: boolean; before: string | undefined }): Promise<void> {
  const other =
    before === undefined
      ? undefined
      : ((await import(pathToFileURL(path.resolve(before, 'packages/core/dist/host.js')).href)) as Host)
  const rounds = quick ? 40 : 400
  if (other !== undefined)
    await compare('nobody listens', rounds, (pre) => [
      contestant('before', other, pre),
      contestant('now', host, pre),
      // What differs between two of the same kind is the noise of this machine.
      contestant('before, again', other, pre),
    ])
  await compare('somebody listens', rounds, (pre) => [
    contestant('nobody', host, pre),
    contestant('an empty listener on every channel', host, pre, listenToAll),
  ])
}

async function compare(
  title: string,
  rounds: number,
  contestantsOf: (pre: readonly PrePlugin[]) => readonly Contestant[],
): Promise<void> {
  for (const [name, pre] of Object.entries(CASES)) {
    const contestants = contestantsOf(pre)
    const costs = await takeTurns(contestants, rounds)
    console.log(`\n${title}: ${name}`)
    for (const [i, { name: who }] of contestants.entries()) {
      const ratios = costs[i]!.map((cost, round) => cost / costs[0]![round]!)
      const [low, middle, high] = [0.25, 0.5, 0.75].map((at) => percent(quantile(ratios, at) - 1))
      // Noise only adds: what the least disturbed turns took comes nearest to the cost itself.
      const least = quantile(costs[i]!, 0.05)
      const change = percent(least / quantile(costs[0]!, 0.05) - 1)
      console.log(
        `  ${who.padEnd(36)} ${least.toFixed(0).padStart(6)} ns ${change}   by round: ${middle} (${low} to ${high})`,
      )
    }
  }
}

function contestant(
  name: string,
  { createCore, GatewayHeaders, GatewayResponse }: Host,
  pre: readonly PrePlugin[],
  listen: Contestant['listen'] = () => () => undefined,
): Contestant {
  const forward: Forwarder = () => new GatewayResponse(200, new GatewayHeaders([]), undefined, 0)
  const core = createCore(
    defineApi({ name: 'orders', listenPath: '/orders/', upstream: 'http://127.0.0.1:9', hooks: { pre } }),
    { forward },
  )
  const run = async (): Promise<void> => {
    const accepted = core.accept(call)
    await accepted?.answer()
    accepted?.conclude(200)
  }
  return { name, run, listen }
}

function listenToAll(): () => void {
  const nothing = (): void => undefined
  const listener = { start: nothing, end: nothing, asyncStart: nothing, asyncEnd: nothing, error: nothing }
  const channels = CHANNELS.map((name) => tracingChannel<object>(name))
  for (const channel of channels) channel.subscribe(listener)
  return () => {
    for (const channel of channels) channel.unsubscribe(listener)
  }
}

const TURN_US = 20_000

/** Nanoseconds of CPU for each request, of each contestant in each round. */
async function takeTurns(contestants: readonly Contestant[], rounds: number): Promise<number[][]> {
  const costs = contestants.map((): number[] => [])
  const warmUp = 5
  for (let round = -warmUp; round < rounds; round += 1) {
    for (let turn = 0; turn < contestants.length; turn += 1) {
      const i = (Math.abs(round) + turn) % contestants.length
      const { run, listen } = contestants[i]!
      const stop = listen()
      const cost = await costOf(run)
      stop()
      if (round >= 0) costs[i]!.push(cost)
    }
  }
  return costs
}

/** Of CPU time: what else the machine does costs none of it. */
async function costOf(run: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  let count = 0
  let spent = 0
  while (spent < TURN_US) {
    for (let i = 0; i < 100; i += 1) await run()
    count += 100
    const { user, system } = process.cpuUsage(before)
    spent = user + system
  }
  return (spent * 1000) / count
}

function quantile(values: readonly number[], at: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * at)]!
}

function percent(value: number): string {
  return `${value < 0 ? '' : '+'}${(value * 100).toFixed(1)} %`.padStart(8)
}
