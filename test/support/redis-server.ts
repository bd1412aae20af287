import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
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
  /** Where it speaks TLS too; none without `tls`. */
  readonly tlsPorts: readonly number[]
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
  /** In PEM; beside TLS, plain connections stay possible on other ports. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

export interface Sentinel {
  readonly port: number
  stop(): Promise<void>
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
export async function startRedis({ nodes = 1, args = [], tls }: RedisSettings = {}): Promise<RedisServer> {
  const binary = await serverBinary()
  const directory = await mkdtemp(path.join(tmpdir(), 'postern-redis-'))
  const children: ChildProcess[] = []
  const ports: number[] = []
  const tlsPorts: number[] = []
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
    const secure = tls === undefined ? [] : ['--tls-port', String(tlsPorts[i]), ...certificateIn(directory)]
    const shared = ['--dir', directory, '--save', '', ...(nodes > 1 ? cluster : []), ...secure]
    const child = launch(binary, [...plain, ...shared, ...args])
    children[i] = child
    await answers(child, port)
  }
  const startSomewhere = async (i: number, attempts = 3): Promise<void> => {
    try {
      await start(i)
    } catch (error) {
      if (attempts === 1) throw error
      // Somebody else may have taken the port since it was found free.
      ports[i] = await freePort(ports)
      await startSomewhere(i, attempts - 1)
    }
  }
  try {
    while (ports.length < nodes) ports.push(await freePort(ports))
    if (tls !== undefined) {
      await Promise.all([
        writeFile(path.join(directory, 'cert.pem'), tls.cert),
        writeFile(path.join(directory, 'key.pem'), tls.key),
      ])
      while (tlsPorts.length < nodes) tlsPorts.push(await freePort([...ports, ...tlsPorts]))
    }
    await Promise.all(ports.map((_, i) => startSomewhere(i)))
    if (nodes > 1) await formCluster(ports, tls === undefined ? ports : tlsPorts)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    ports,
    port: ports[0]!,
    tlsPorts,
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

/** A Sentinel that watches one master under the name `main`, and needs nobody's consent to replace it. */
export async function startSentinel(masterPort: number): Promise<Sentinel> {
  const binary = await serverBinary()
  const directory = await mkdtemp(path.join(tmpdir(), 'postern-sentinel-'))
  const port = await freePort([masterPort])
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor main 127.0.0.1 ${masterPort} 1`,
    'sentinel down-after-milliseconds main 300',
    'sentinel failover-timeout main 2000',
  ]
  const config = path.join(directory, 'sentinel.conf')
  await writeFile(config, `${lines.join('\n')}\n`)
  const child = launch(binary, [config, '--sentinel'])
  const stop = async (): Promise<void> => {
    await end(child)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await answers(child, port)
    // Else it looks for replicas every ten seconds, and leaves a replaced master alone for eight, as Redis 6 always does.
    await redisCommand(port, 'SENTINEL DEBUG INFO-PERIOD 200 PUBLISH-PERIOD 200')
  } catch (error) {
    await stop()
    throw error
  }
  return { port, stop }
}

async function serverBinary(): Promise<string> {
  const binary = await findServer()
  if (binary === undefined) throw new Error('no redis-server: run scripts/get-redis')
  return binary
}

function launch(binary: string, args: readonly string[]): ChildProcess {
  const child = spawn(binary, args, { stdio: 'ignore' })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** At once when it ends instead, as with settings it does not know. */
function answers(child: ChildProcess, port: number): Promise<void> {
  const ended = new Promise<never>((_, reject) =>
    child.once('exit', () => reject(new Error('redis-server ended at its start'))),
  )
  return Promise.race([until(async () => /^\+PONG|^-NOAUTH/.test(await redisCommand(port, 'PING'))), ended])
}

/** The certificate is its own authority, for the other nodes of a cluster and for clients. */
function certificateIn(directory: string): readonly string[] {
  const [cert, key] = [path.join(directory, 'cert.pem'), path.join(directory, 'key.pem')]
  const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert]
  return [...files, '--tls-auth-clients', 'no', '--tls-cluster', 'yes']
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

/** `meetingPorts`: where nodes look for each other. */
async function formCluster(ports: readonly number[], meetingPorts: readonly number[]): Promise<void> {
  const share = Math.ceil(16_384 / ports.length)
  const [first = 0] = ports
  await Promise.all(
    ports.map(async (port, i) => {
      const last = Math.min(16_384, (i + 1) * share) - 1
      await redisCommand(port, `CLUSTER ADDSLOTSRANGE ${i * share} ${last}`)
      // Servers that all begin with the same one argue for a while about who is right.
      await redisCommand(port, `CLUSTER SET-CONFIG-EPOCH ${i + 1}`)
    }),
  )
  for (const port of meetingPorts.slice(1)) await redisCommand(first, `CLUSTER MEET 127.0.0.1 ${port}`)
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
