import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { closeLater } from './cleanup.ts'
import { collectGarbage } from './collect.ts'

interface Digest {
  readonly bytes: number
  readonly sha256: string
}

/** The far ends of large transfers, in another process. */
export interface Bulk {
  /** The upstream that sends and takes large bodies. */
  readonly url: string
  /** Moves bytes between client and upstream through the gateway at `url`. */
  transfer(way: 'down' | 'up', url: string, bytes: number): Promise<{ result: Digest; expected: Digest }>
}

export async function startBulk(): Promise<Bulk> {
  const child = fork(fileURLToPath(new URL('bulk.mjs', import.meta.url)), { execArgv: [] })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  closeLater(() => {
    child.kill()
    return exited
  })
  const message = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error('The other process ended.'))
      child.once('exit', onExit)
      child.once('message', (received: object) => {
        child.off('exit', onExit)
        if ('error' in received) reject(new Error(String(received.error)))
        else resolve(received as T)
      })
    })
  const { port } = await message<{ port: number }>()
  return {
    url: `http://127.0.0.1:${port}`,
    transfer: (way, url, bytes) => {
      child.send({ way, url, bytes })
      return message()
    },
  }
}

/** How much the resident memory of this process grows at most while something runs. */
export async function memoryGrowth(run: () => Promise<unknown>): Promise<number> {
  collectGarbage()
  const before = process.memoryUsage.rss()
  let most = before
  const sampler = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 10)
  try {
    await run()
  } finally {
    clearInterval(sampler)
  }
  return Math.max(most, process.memoryUsage.rss()) - before
}
