import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { inject } from 'vitest'
import { closeLater } from '../support/cleanup.ts'

/** A folder in which the packages are installed, with these files. */
export async function project(files: Readonly<Record<string, string | object>> = {}): Promise<string> {
  const folder = await mkdtemp(path.join(inject('installed'), 'project-'))
  await write(folder, files)
  return folder
}

/** Objects are written as JSON. */
export async function write(folder: string, files: Readonly<Record<string, string | object>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content, undefined, 2))
  }
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** What it has said so far. */
  readonly said: () => Omit<Ended, 'code'>
  /** Resolves when stdout matches, with the match. */
  readonly untilSaid: (pattern: RegExp) => Promise<RegExpExecArray>
}

type Env = Readonly<Record<string, string>>

/** Runs the program to its end. */
export async function postern(folder: string, args: readonly string[], env: Env = {}): Promise<Ended> {
  return start(folder, args, env).ended
}

/** Starts the program; ended by `closeAll`. */
export function start(folder: string, args: readonly string[], env: Env = {}): Running {
  return startCommand(folder, [process.execPath, program(), ...args], env)
}

/** Runs the program in a shell that redirects what it says. */
export function shell(folder: string, command: string): Promise<Ended> {
  return startCommand(folder, ['sh', '-c', `'${process.execPath}' '${program()}' ${command}`], {}).ended
}

/** On a pseudo terminal; `script` puts everything on stdout. */
export function startOnTerminal(folder: string, args: readonly string[], env: Env = {}): Running {
  const command = [process.execPath, program(), ...args].map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`)
  return startCommand(folder, ['script', '-qec', command.join(' '), '/dev/null'], { TERM: 'xterm', ...env })
}

function program(): string {
  return path.join(inject('installed'), 'bundled/cli-main.mjs')
}

/** What the machine that runs the tests wants of colour is nothing to the program. */
function environment(env: Env): NodeJS.ProcessEnv {
  const { NO_COLOR: _, FORCE_COLOR: __, NODE_OPTIONS: ___, ...rest } = process.env
  return { ...rest, ...env }
}

function startCommand(folder: string, [command = '', ...args]: readonly string[], env: Env): Running {
  const child = spawn(command, args, { cwd: folder, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  const watchers = new Set<() => void>()
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text
      for (const watcher of watchers) watcher()
    })
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, ...said })))
  closeLater(() => {
    child.kill('SIGKILL')
    return ended
  })
  return {
    child,
    ended,
    said: () => ({ ...said }),
    untilSaid: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(said.stdout)
          if (match === null) return
          watchers.delete(look)
          resolve(match)
        }
        watchers.add(look)
        void ended.then((end) => reject(new Error(`It ended before it said ${pattern}: ${JSON.stringify(end)}`)))
        look()
      }),
  }
}
