import { type ChildProcess, execFileSync, spawn, type SpawnOptions } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** The contestant has one to itself; upstream, load and this process share the other. */
export type Core = 'contestant' | 'load'

const pinned = availableParallelism() > 1 && hasTaskset()

export function areCoresPinned(): boolean {
  return pinned
}

export function spawnOn(
  core: Core | undefined,
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  if (core === undefined || !pinned) return spawn(command, args, options)
  return spawn('taskset', ['-c', coreNumber(core), command, ...args], options)
}

export function pinMyself(): void {
  if (pinned) execFileSync('taskset', ['-a', '-p', '-c', coreNumber('load'), String(process.pid)])
}

function coreNumber(core: Core): string {
  return core === 'contestant' ? '0' : '1'
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
