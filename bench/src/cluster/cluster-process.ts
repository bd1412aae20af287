import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { postern } from '../http/contestants/postern.ts'

/*
 * `cluster-process.js <number of workers> <origin of the upstream> <port of Redis>`: one gateway in several processes behind
 * one port. Tells the port and, when it is asked, the CPU of the workers.
 */
const [workers = '1', origin = '', redisPort = '0'] = process.argv.slice(2)

if (cluster.isPrimary) {
  const all = Array.from({ length: Number(workers) }, () => cluster.fork())
  const [port] = await Promise.all(all.map(said))
  process.send?.({ port })
  process.on('message', () => void tellUsage(all))
  process.on('disconnect', () => process.exit())
} else {
  const setting = { upstream: new URL(origin), redisPort: Number(redisPort), prefix: `cluster${workers}` }
  const server = await postern('http', 'redis', setting)
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', 4_096, () => process.send?.((server.address() as AddressInfo).port))
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.(user + system)
  })
}

async function said(worker: Worker): Promise<number> {
  const [number] = (await once(worker, 'message')) as [number]
  return number
}

async function tellUsage(all: readonly Worker[]): Promise<void> {
  const answers = all.map(said)
  for (const worker of all) worker.send('usage')
  const used = await Promise.all(answers)
  process.send?.({ cpuMicros: used.reduce((sum, each) => sum + each, 0) })
}
