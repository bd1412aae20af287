import { type ChildProcess, execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { type Core, spawnOn } from './http/cores.ts'

interface EphemeralRedis {
  /** On 127.0.0.1. */
  readonly port: number
  /** It answers nothing any more, though the system goes on accepting connections for it. */
  pause(): void
  resume(): void
  stop(): Promise<void>
}

/** A server of its own, without persistence, on a core where one is named; undefined where there is none to start. */
export async function startRedis(core?: Core): Promise<EphemeralRedis | undefined> {
  const binary = await findServer()
  if (binary === undefined) return undefined
  const port = await freePort()
  const settings = `--port ${port} --bind 127.0.0.1 --daemonize no --appendonly no --loglevel warning`.split(' ')
  const args = [...settings, '--save', '']
  const options = { stdio: 'ignore', cwd: tmpdir() } as const
  const server = spawnOn(core, binary, args, options)
  const kill = (): void => void server.kill('SIGKILL')
  process.once('exit', kill)
  const stop = async (): Promise<void> => {
    process.off('exit', kill)
    await ended(server)
  }
  try {
    await answering(port)
  } catch (error) {
    await stop()
    throw error
  }
  return { port, pause: () => server.kill('SIGSTOP'), resume: () => server.kill('SIGCONT'), stop }
}

/** valkey-server or redis-server: $POSTERN_REDIS_SERVER, the PATH, or what scripts/get-redis fetched. */
async function findServer(): Promise<string | undefined> {
  const fetched = path.resolve(import.meta.dirname, '../../node_modules/.cache/redis/redis-server')
  for (const candidate of [process.env['POSTERN_REDIS_SERVER'], 'valkey-server', 'redis-server', fetched]) {
    if (candidate === undefined || candidate === '') continue
    const works = await promisify(execFile)(candidate, ['--version']).then(
      () => true,
      () => false,
    )
    if (works) return candidate
  }
  return undefined
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function answering(port: number): Promise<void> {
  const client = new Redis({ port, lazyConnect: true, retryStrategy: null })
  // Each try rejects with the same reason.
  client.on('error', () => undefined)
  try {
    for (const deadline = Date.now() + 10_000; ; await sleep(20)) {
      try {
        await client.connect()
        return
      } catch (cause) {
        if (Date.now() > deadline) throw new Error(`redis-server did not come up on port ${port}`, { cause })
      }
    }
  } finally {
    client.disconnect()
  }
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const end = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGKILL')
  await end
}
