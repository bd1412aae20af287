import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bundle } from '../../support/bundle.mjs'
import { closeLater } from '../../support/cleanup.ts'
import type { Orders, Received, Sent } from './gateway-process.ts'

export interface GatewayProcess {
  readonly child: ChildProcess
  do<O extends keyof Orders>(order: O, input: Orders[O][0]): Promise<Orders[O][1]>
  /** How it ended; for one that runs, how it will. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  /** What it has said on its standard error. */
  readonly said: () => string
}

export interface GatewayProcesses {
  /** `within`: a command that is put before `node`, as a shell would run it. */
  readonly start: (flags?: readonly string[], within?: readonly string[]) => GatewayProcess
  readonly script: string
}

/** Processes that run `gateway-process.ts` on the sources of the packages, as they are now. Ended by `closeAll`. */
export async function gatewayProcesses(format: 'esm' | 'cjs' = 'esm'): Promise<GatewayProcesses> {
  const folder = await mkdtemp(path.join(tmpdir(), 'postern-gateway-'))
  process.once('exit', () => void rm(folder, { recursive: true, force: true }))
  const script = await bundle(path.join(import.meta.dirname, 'gateway-process.ts'), folder, format)
  return { script, start: (flags = [], within = []) => startGateway(script, flags, within) }
}

/** Runs a bundle of `gateway-process.ts`. */
export function startGateway(
  script: string,
  flags: readonly string[] = [],
  within: readonly string[] = [],
): GatewayProcess {
  const [command = '', ...parameters]: readonly string[] = [...within, process.execPath, ...flags, script]
  const child = spawn(command, parameters, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'advanced' })
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  )
  closeLater(() => {
    child.kill('SIGKILL')
    return ended
  })
  const waiting = new Map<number, { resolve: (output: unknown) => void; reject: (error: Error) => void }>()
  child.on('message', (received: Received) => {
    const order = waiting.get(received.id)
    waiting.delete(received.id)
    if ('error' in received) order?.reject(new Error(received.error))
    else order?.resolve(received.output)
  })
  void ended.then(({ code, signal }) => {
    for (const { reject } of waiting.values()) reject(new Error(`It ended with ${code ?? signal}: ${said}`))
  })
  let last = 0
  return {
    child,
    ended,
    said: () => said,
    do: <O extends keyof Orders>(order: O, input: Orders[O][0]) =>
      new Promise<Orders[O][1]>((resolve, reject) => {
        last += 1
        waiting.set(last, { resolve: resolve as (output: unknown) => void, reject })
        const sent: Sent<O> = { id: last, order, input }
        child.send(sent)
      }),
  }
}
