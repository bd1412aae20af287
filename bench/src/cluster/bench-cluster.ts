import { Agent, request as ask } from 'node:http'
import { startRedis } from '../ephemeral-redis.ts'
import { closedLoop } from '../http/load.ts'
import { EXACT, EXACT_KEY } from '../http/payloads.ts'
import { saying, startNode } from '../http/running.ts'
import { startUpstream } from '../http/upstream.ts'
import { workload } from '../http/workloads.ts'
import { progress } from '../progress.ts'
import { median, spread } from '../report/numbers.ts'
import { printTable } from '../table.ts'

/**
 * Several processes share keys and limits through Redis. Nothing is pinned: where there are no more cores than two, load,
 * upstream and Redis take theirs from the same, so CPU per request says more than the throughput. Throws when not exactly
 * as many requests pass as the limit says.
 */
export async function benchCluster({ quick }: { readonly quick: boolean }): Promise<void> {
  const redis = await startRedis()
  if (redis === undefined) {
    console.error('\n!!! PROCESSES ARE NOT MEASURED: no redis-server or valkey-server; run scripts/get-redis\n')
    return
  }
  const upstream = await startUpstream()
  const sizes = [1, 2]
  const clusters = await Promise.all(
    sizes.map(async (size) => {
      const args = [String(size), upstream.url.origin, String(redis.port)]
      const child = startNode(undefined, '../cluster/cluster-process.js', args)
      const { port } = await saying<{ port: number }>(child)
      const cpuMicros = async (): Promise<number> => {
        child.send('usage')
        return (await saying<{ cpuMicros: number }>(child)).cpuMicros
      }
      return { size, child, port, cpuMicros, perSecond: [] as number[], cpu: [] as number[] }
    }),
  )
  try {
    const rounds = quick ? 2 : 5
    for (let round = -2; round < rounds; round++)
      for (const { size, port, cpuMicros, perSecond, cpu } of clusters) {
        progress(`${size} processes: ${round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`}`)
        const before = await cpuMicros()
        const { requests, seconds } = await closedLoop(port, workload('get'), quick ? 1 : 2)
        const used = (await cpuMicros()) - before
        if (round < 0) continue
        perSecond.push(requests / seconds)
        cpu.push(used / requests)
      }
    const rows: string[][] = []
    for (const { size, port, perSecond, cpu } of clusters) {
      const passed = await passing(port, 1_000)
      if (passed !== EXACT) throw new Error(`${size} processes let ${passed} of 1,000 pass; the limit is ${EXACT}`)
      const { low, high } = spread(perSecond)
      const speed = Math.round(median(perSecond)).toLocaleString('en')
      const range = `${Math.round(low).toLocaleString('en')} - ${Math.round(high).toLocaleString('en')}`
      rows.push([String(size), speed, range, median(cpu).toFixed(1), `${passed} of 1,000`])
    }
    progress('')
    const title = `processes that share keys and limits through Redis; a limit of ${EXACT}`
    printTable(title, ['', 'per second', '(rounds)', 'CPU µs', 'passed'], rows)
  } finally {
    for (const { child } of clusters) child.kill()
    upstream.stop()
    await redis.stop()
  }
}

/** How many of these are answered 200, 64 at a time over as many connections. */
async function passing(port: number, requests: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const one = (): Promise<boolean> =>
    new Promise((resolve, reject) => {
      const headers = { Authorization: EXACT_KEY }
      const request = ask({ port, host: '127.0.0.1', path: '/small.json', headers, agent })
      request.once('error', reject)
      request.once('response', (response) => response.resume().once('end', () => resolve(response.statusCode === 200)))
      request.end()
    })
  const answers = await Promise.all(Array.from({ length: requests }, one))
  agent.destroy()
  return answers.filter(Boolean).length
}
