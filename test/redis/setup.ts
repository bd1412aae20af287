import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import { findServer, startRedis } from '../support/redis-server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Ports on 127.0.0.1, or null where no server could be found. */
    redis: { readonly single: number; readonly cluster: readonly number[] } | null
  }
}

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const problem = (await findServer()) === undefined ? await fetchServer() : undefined
  if (problem !== undefined) {
    const advice = `no redis-server or valkey-server: run scripts/get-redis (Debian, Ubuntu) or set POSTERN_REDIS_SERVER`
    if (process.env['CI'] !== undefined) throw new Error(`${advice}; scripts/get-redis: ${problem}`)
    console.warn(`\n!!! THE REDIS TESTS ARE SKIPPED: ${advice}\n`)
    project.provide('redis', null)
    return undefined
  }
  const [single, cluster] = await Promise.all([startRedis(), startRedis({ nodes: 3 })])
  project.provide('redis', { single: single.port, cluster: cluster.ports })
  return async () => {
    await Promise.all([single.stop(), cluster.stop()])
  }
}

/** Without root, on Debian and Ubuntu only; a few seconds, once. Why there is none afterwards. */
async function fetchServer(): Promise<string | undefined> {
  const script = path.resolve(import.meta.dirname, '../../scripts/get-redis')
  const problem = await promisify(execFile)(script, { timeout: 60_000 }).then(
    () => undefined,
    (error: unknown) => String(error),
  )
  return (await findServer()) === undefined ? (problem ?? 'it fetched none that works') : undefined
}
