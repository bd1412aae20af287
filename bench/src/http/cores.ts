import { type ChildProcess, execFileSync, spawn, type SpawnOptions } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** The contestant has one to itself; upstream, load and this process share the other. */
export type Core = 'contestant' | 'load'

const cores = availableParallelism()
const pinned = cores > 1 && hasTaskset()

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

/** Until what it returns is called. */
export function pinMyself(): () => void {
  if (!pinned) return () => undefined
  const to = (list: string): void => {
    execFileSync('taskset', ['-a', '-p', '-c', list, String(process.pid)], { stdio: 'ignore' })
  }
  to(coreNumber('load'))
  return () => to(`0-${cores - 1}`)
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
