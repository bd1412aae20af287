import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Contestant } from './contestants/catalogue.ts'
import { type Core, spawnOn } from './cores.ts'
import { proxyNginx } from './nginx.ts'

/** A contestant's process. */
export interface Running {
  readonly contestant: Contestant
  readonly port: number
  readonly pid: number
  /** Microseconds of CPU since its start. */
  readonly cpuMicros: () => Promise<number>
  readonly rssBytes: () => Promise<number>
  readonly stop: () => void
}

interface Usage {
  readonly cpuMicros: number
  readonly rssBytes: number
}

export interface Around {
  readonly upstream: URL
  readonly redisPort: number
}

export async function run(contestant: Contestant, { upstream, redisPort }: Around): Promise<Running> {
  if (contestant.open === undefined) {
    const nginx = await proxyNginx(upstream, contestant.guarded)
    return {
      contestant,
      ...nginx,
      cpuMicros: () => Promise.resolve(cpuFromProc(nginx.pid)),
      rssBytes: () => Promise.resolve(rssFromProc(nginx.pid)),
    }
  }
  const args = [contestant.name, upstream.origin, String(redisPort)]
  const child = startNode('contestant', 'contestant-process.js', args)
  const { port } = await saying<{ port: number }>(child)
  const usage = (): Promise<Usage> => {
    child.send('usage')
    return saying<Usage>(child)
  }
  return {
    contestant,
    port,
    pid: child.pid ?? 0,
    cpuMicros: async () => (await usage()).cpuMicros,
    rssBytes: async () => (await usage()).rssBytes,
    stop: () => void child.kill(),
  }
}

/** A file beside this one, as a process that ends with this one. */
export function startNode(core: Core | undefined, file: string, args: readonly string[]): ChildProcess {
  const child = spawnOn(core, process.execPath, [path.join(import.meta.dirname, file), ...args], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  child.stderr
    ?.setEncoding('utf8')
    .on('data', (text: string) => lastWords.set(child, (wordsOf(child) + text).slice(-4_000)))
  return child
}

/** What processes print goes with the news of their end, and not through the tables. */
const lastWords = new WeakMap<ChildProcess, string>()

function wordsOf(child: ChildProcess): string {
  return lastWords.get(child) ?? ''
}

export async function saying<T>(child: ChildProcess): Promise<T> {
  const leaving = new AbortController()
  const gone = once(child, 'exit', { signal: leaving.signal }).then(([code]) => {
    throw new Error(`${child.spawnargs.slice(-3).join(' ')} ended with ${String(code)}: ${wordsOf(child)}`)
  })
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal: leaving.signal }), gone])) as [T]
    return message
  } finally {
    leaving.abort()
    gone.catch(() => undefined)
  }
}

function cpuFromProc(pid: number): number {
  // Nanoseconds; `stat` counts in hundredths of a second.
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000
}

function rssFromProc(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1_024
}
