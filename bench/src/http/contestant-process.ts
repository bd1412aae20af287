import type { AddressInfo } from 'node:net'
import { CONTESTANTS } from './contestants/catalogue.ts'

/*
 * One contestant, alone: `contestant-process.js <name> <origin of the upstream> <port of Redis>`. Tells its port and, when
 * it is asked, what it has used.
 */
const [name, origin = '', redisPort = '0'] = process.argv.slice(2)
const contestant = CONTESTANTS.find((each) => each.name === name)
if (contestant?.open === undefined)
  throw new Error(`There is no contestant "${String(name)}" for a process of its own.`)
const server = await contestant.open({
  upstream: new URL(origin),
  redisPort: Number(redisPort),
  // Nobody counts with another.
  prefix: `bench${process.pid}`,
})
// Longer than a contestant waits for its next turn would not do either; each slice makes its connections anew.
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', 4_096, () => process.send?.({ port: (server.address() as AddressInfo).port }))

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ cpuMicros: user + system, rssBytes: process.memoryUsage.rss() })
})
process.on('disconnect', () => process.exit())
