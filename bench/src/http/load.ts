import { execFileSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { spawnOn } from './cores.ts'
import { LOAD_KEY } from './payloads.ts'
import type { HttpWorkload } from './workloads.ts'

export interface Load {
  readonly requests: number
  readonly seconds: number
  /** Answers that are none of 2xx, and connections that broke. */
  readonly failed: number
  /** Milliseconds. */
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** At a fixed rate, in an open loop: what is late is counted from when it was due. */
export interface RateLoad extends Load {
  /** How late the load itself was with sending, at its 99th percentile. */
  readonly sentLate99: number
}

export function loadVersion(): string {
  return hasWrk ? `wrk ${wrkVersion()}` : 'own client, one connection a request'
}

const hasWrk = wrkVersion() !== ''

function wrkVersion(): string {
  try {
    const said = execFileSync('sh', ['-c', 'wrk -v 2>&1 || true'], { encoding: 'utf8' })
    return /^wrk (?:debian\/)?([\d.]+)/.exec(said)?.[1] ?? ''
  } catch {
    return ''
  }
}

/** A closed loop over that many connections. */
export function closedLoop(port: number, workload: HttpWorkload, seconds: number): Promise<Load> {
  return hasWrk ? wrk(port, workload, seconds) : generate<Load>(port, workload, seconds)
}

export function openLoop(port: number, workload: HttpWorkload, seconds: number, rate: number): Promise<RateLoad> {
  return generate<RateLoad>(port, workload, seconds, rate)
}

async function wrk(
  port: number,
  { method, path: target, body, connections }: HttpWorkload,
  seconds: number,
): Promise<Load> {
  const script = scriptFor(method, body)
  const url = `http://127.0.0.1:${port}${target}`
  const options = ['-t1', `-c${connections}`, `-d${seconds * 10}`, '--timeout', '10s']
  // Whole seconds are all wrk takes.
  options[2] = `-d${Math.max(1, Math.round(seconds))}s`
  const child = spawnOn('load', 'wrk', [...options, '-s', script, url], { stdio: ['ignore', 'pipe', 'inherit'] })
  const output = await outputOf(child)
  const line = output.split('\n').find((text) => text.startsWith('{'))
  if (line === undefined) throw new Error(`wrk said: ${output}`)
  return JSON.parse(line) as Load
}

const scripts = new Map<string, string>()

function scriptFor(method: string, body = ''): string {
  const known = scripts.get(method)
  if (known !== undefined) return known
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'postern-bench-wrk-')), `${method}.lua`)
  writeFileSync(
    file,
    `wrk.method = "${method}"
wrk.headers["Authorization"] = "${LOAD_KEY}"
wrk.headers["User-Agent"] = "bench"
wrk.headers["Accept"] = "*/*"
${body === '' ? '' : `wrk.headers["Content-Type"] = "application/json"\nwrk.body = [==[${body}]==]`}
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%f,"failed":%d,"p50":%f,"p90":%f,"p99":%f,"max":%f}\\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
`,
  )
  scripts.set(method, file)
  return file
}

async function generate<T extends Load>(
  port: number,
  workload: HttpWorkload,
  seconds: number,
  rate?: number,
): Promise<T> {
  const order = JSON.stringify({ ...workload, port, seconds, rate, headers: { Authorization: LOAD_KEY } })
  const file = path.join(import.meta.dirname, 'load-process.js')
  const child = spawnOn('load', process.execPath, [file, order], { stdio: ['ignore', 'pipe', 'inherit'] })
  return JSON.parse(await outputOf(child)) as T
}

async function outputOf(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${child.spawnargs.join(' ')} ended with ${code}: ${output}`)
  return output
}
