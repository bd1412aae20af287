import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface RedisServer {
  /** On 127.0.0.1; one unless it is a cluster. */
  readonly ports: readonly number[]
  readonly port: number
  /** Stops answering: connections stay open, and new ones are accepted, by the kernel. */
  pause(): void
  resume(): void
  /** Ends without saying goodbye; `node`: one of a cluster, from 0. Default: all. */
  kill(node?: number): Promise<void>
  /** Starts again on the same port, empty. */
  restart(node?: number): Promise<void>
  stop(): Promise<void>
}

export interface RedisSettings {
  /** 3 or more make a cluster. Default: 1. */
  readonly nodes?: number
  /** `['--maxmemory', '2mb']` */
  readonly args?: readonly string[]
}

const running = new Set<ChildProcess>()
// When the test run dies without its teardown.
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/** valkey-server or redis-server: $POSTERN_REDIS_SERVER, the PATH, or what scripts/get-redis fetched. */
export async function findServer(): Promise<string | undefined> {
  const fetched = path.resolve(import.meta.dirname, '../../node_modules/.cache/redis/redis-server')
  for (const candidate of [process.env['POSTERN_REDIS_SERVER'], 'valkey-server', 'redis-server', fetched]) {
    if (candidate === undefined || candidate === '') continue
    const works = await run(candidate, ['--version']).then(
      () => true,
      () => false,
    )
    if (works) return candidate
  }
  return undefined
}

/** An ephemeral server on the loopback interface, without persistence. */
export async function startRedis({ nodes = 1, args = [] }: RedisSettings = {}): Promise<RedisServer> {
  const binary = await findServer()
  if (binary === undefined) throw new Error('no redis-server: run scripts/get-redis')
  const directory = await mkdtemp(path.join(tmpdir(), 'postern-redis-'))
  const children: ChildProcess[] = []
  const ports: number[] = []
  const chosen = (node: number | undefined): number[] => (node === undefined ? [...children.keys()] : [node])
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => end(child)))
    await rm(directory, { recursive: true, force: true })
  }
  const start = async (i: number): Promise<void> => {
    const port = ports[i]!
    const plain = `--port ${port} --bind 127.0.0.1 --daemonize no --appendonly no --loglevel warning`.split(' ')
    const cluster = `--cluster-enabled yes --cluster-config-file nodes-${port}.conf --cluster-node-timeout 2000`.split(
      ' ',
    )
    const all = [...plain, '--dir', directory, '--save', '', ...(nodes > 1 ? cluster : []), ...args]
    const child = spawn(binary, all, { stdio: 'ignore' })
    running.add(child)
    child.once('exit', () => running.delete(child))
    children[i] = child
    await until(async () => /^\+PONG|^-NOAUTH/.test(await redisCommand(port, 'PING')))
  }
  try {
    while (ports.length < nodes) ports.push(await freePort(ports))
    await Promise.all(ports.map((_, i) => start(i)))
    if (nodes > 1) await formCluster(ports)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    ports,
    port: ports[0]!,
    pause: () => children.forEach((child) => child.kill('SIGSTOP')),
    resume: () => children.forEach((child) => child.kill('SIGCONT')),
    kill: async (node) => void (await Promise.all(chosen(node).map((i) => end(children[i]!)))),
    restart: async (node) => {
      await Promise.all(chosen(node).map((i) => end(children[i]!)))
      await Promise.all(chosen(node).map((i) => start(i)))
    },
    stop,
  }
}

/** One inline command, the start of its reply: needs no client library. */
export function redisCommand(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without a reply')))
    socket.once('data', (data) => {
      resolve(data.toString())
      socket.destroy()
    })
    socket.write(`${line}\r\n`)
  })
}

/** Ports for Redis and, 10 000 above, its cluster bus. */
async function freePort(taken: readonly number[]): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const free = await Promise.all([port, port + 10_000].map(isFree))
    if (free.every(Boolean) && !taken.includes(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

async function formCluster(ports: readonly number[]): Promise<void> {
  const share = Math.ceil(16_384 / ports.length)
  const [first = 0, ...others] = ports
  await Promise.all(
    ports.map(async (port, i) => {
      const last = Math.min(16_384, (i + 1) * share) - 1
      await redisCommand(port, `CLUSTER ADDSLOTSRANGE ${i * share} ${last}`)
      // Servers that all begin with the same one argue for a while about who is right.
      await redisCommand(port, `CLUSTER SET-CONFIG-EPOCH ${i + 1}`)
    }),
  )
  for (const port of others) await redisCommand(first, `CLUSTER MEET 127.0.0.1 ${port}`)
  const joined = async (port: number): Promise<boolean> => {
    const info = await redisCommand(port, 'CLUSTER INFO')
    return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${ports.length}`)
  }
  await Promise.all(ports.map((port) => until(() => joined(port))))
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await condition().catch(() => false))) {
    if (Date.now() > deadline) throw new Error('redis-server did not come up')
    await sleep(20)
  }
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve()
      return
    }
    child.once('exit', () => resolve())
    // Also one that was paused.
    child.kill('SIGKILL')
  })
}
