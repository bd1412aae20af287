import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bundle } from '../support/bundle.mjs'
import type { Orders, Received, Sent } from './worker.ts'

/** A gateway process. */
export interface Worker {
  do<O extends keyof Orders>(order: O, input: Orders[O][0]): Promise<Orders[O][1]>
  /** SIGKILL: it says goodbye to nobody. */
  kill(): Promise<void>
}

export interface Workers {
  /** `shiftMs`: how far its clock is off. */
  start(shiftMs?: number): Promise<Worker>
  stop(): Promise<void>
}

/** Processes that run `worker.ts` on the sources of the packages, as they are now. */
export async function startWorkers(): Promise<Workers> {
  const folder = await mkdtemp(path.join(tmpdir(), 'postern-worker-'))
  const script = await bundle(path.join(import.meta.dirname, 'worker.ts'), folder)
  const workers: Worker[] = []
  return {
    async start(shiftMs = 0) {
      const worker = await started(script, shiftMs)
      workers.push(worker)
      return worker
    },
    async stop() {
      await Promise.all(workers.map((worker) => worker.kill()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function started(script: string, shiftMs: number): Promise<Worker> {
  const execArgv = shiftMs === 0 ? [] : ['--import', `data:text/javascript,${encodeURIComponent(shifted(shiftMs))}`]
  const child = fork(script, { execArgv, serialization: 'advanced' })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const waiting = new Map<number, { resolve: (output: unknown) => void; reject: (error: Error) => void }>()
  let last = 0
  child.on('message', (received: Received) => {
    const order = waiting.get(received.id)
    waiting.delete(received.id)
    if ('error' in received) order?.reject(new Error(received.error))
    else order?.resolve(received.output)
  })
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('The worker has ended.'))
  })
  const worker: Worker = {
    do: <O extends keyof Orders>(order: O, input: Orders[O][0]) =>
      new Promise<Orders[O][1]>((resolve, reject) => {
        last += 1
        waiting.set(last, { resolve: resolve as (output: unknown) => void, reject })
        const sent: Sent<O> = { id: last, order, input }
        child.send(sent)
      }),
    kill: () => {
      child.kill('SIGKILL')
      return exited
    },
  }
  await worker.do('now', undefined)
  return worker
}

/** What makes every clock of a process that tells the time of day wrong. */
function shifted(ms: number): string {
  return `
    const now = Date.now
    globalThis.Date = class extends Date {
      constructor(...given) { given.length === 0 ? super(now() + ${ms}) : super(...given) }
      static now() { return now() + ${ms} }
    }
    Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + ${ms} })`
}
