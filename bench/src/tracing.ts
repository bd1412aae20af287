import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Contestant, Task } from './tracing-process.ts'

const CASES: Readonly<Record<string, Pick<Task, 'plugins' | 'later'>>> = {
  'no plugin': { plugins: 0, later: false },
  '1 synchronous plugin': { plugins: 1, later: false },
  '10 synchronous plugins': { plugins: 10, later: false },
  '1 asynchronous plugin': { plugins: 1, later: true },
  '10 asynchronous plugins': { plugins: 10, later: true },
}

/**
 * What it costs that the chain can be listened to: nobody listening, against the build of another checkout (`before`), and
 * with listeners. All take turns, in many processes: what a just-in-time compiler makes of the same code differs from one to
 * the next by more than there is to measure.
 */
export async function benchTracing({ quick, before }: { quick: boolean; before: string | undefined }): Promise<void> {
  const now = import.meta.resolve('@postern/core/host')
  const ours = (name: string, listens: Contestant['listens']): Contestant => ({ name, url: now, listens })
  if (before !== undefined) {
    const { href: url } = pathToFileURL(path.resolve(before, 'packages/core/dist/host.js'))
    const other = (name: string): Contestant => ({ name, url, listens: 'nobody' })
    // What differs between the two builds that are the same is the noise of this machine; a copy, so that it is compiled anew.
    await compare('nobody listens', quick ? 3 : 15, [
      other('before'),
      ours('now', 'nobody'),
      { ...other('before, again'), url: `${url}?again` },
    ])
  }
  await compare('somebody listens', quick ? 1 : 3, [
    ours('nobody', 'nobody'),
    ours('an empty listener on every channel', 'empty'),
    ours('prometheus()', 'prometheus'),
  ])
  // It listens for good.
  await compare('getLogger() was called', quick ? 1 : 3, [ours('', 'getLogger')])
}

async function compare(title: string, processes: number, contestants: readonly Contestant[]): Promise<void> {
  for (const [name, plugins] of Object.entries(CASES)) {
    const costs = contestants.map((): number[] => [])
    for (let i = 0; i < processes; i += 1) {
      const order = contestants.map((_, at) => (at + i) % contestants.length)
      const measured = await inProcess({ ...plugins, contestants: order.map((at) => contestants[at]!), rounds: 40 })
      for (const [at, cost] of measured.entries()) costs[order[at]!]!.push(cost)
    }
    console.log(`\n${title}: ${name}`)
    for (const [i, { name: who }] of contestants.entries()) {
      const change = median(costs[i]!) / median(costs[0]!) - 1
      console.log(
        `  ${who.padEnd(36)} ${median(costs[i]!).toFixed(0).padStart(6)} ns ${change < 0 ? '' : '+'}${(change * 100).toFixed(1)} %`,
      )
    }
  }
}

async function inProcess(task: Task): Promise<number[]> {
  const child = fork(fileURLToPath(new URL('./tracing-process.js', import.meta.url)))
  child.send(task)
  const [costs] = (await once(child, 'message')) as [number[]]
  return costs
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}
