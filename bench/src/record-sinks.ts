import { Agent, createServer, get, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { respond, type RecordSink } from '@postern/core'
import { createGateway } from '@postern/http'
import { redisRecords } from '@postern/redis'
import { freePort, startRedis } from './ephemeral-redis.ts'
import { type Cost, printShares } from './shares.ts'

const IN_FLIGHT = 32

interface Place {
  readonly name: string
  /** Undefined: no sink. */
  readonly port: number | undefined
}

/**
 * Requests over HTTP while their records go to Redis, to one that stands still, to a port nobody listens on, and nowhere. They
 * take turns; a bench that fails is one where a request did.
 */
export async function benchRecords({ quick }: { readonly quick: boolean }): Promise<void> {
  const [running, still] = await Promise.all([startRedis(), startRedis()])
  if (running === undefined || still === undefined) {
    console.error('\n!!! RECORDS ON REDIS ARE NOT MEASURED: no redis-server or valkey-server; run scripts/get-redis\n')
    return
  }
  const places: readonly Place[] = [
    { name: 'no sink', port: undefined },
    { name: 'Redis', port: running.port },
    { name: 'Redis that stands still', port: still.port },
    { name: 'Redis that refuses', port: await freePort() },
  ]
  const [rounds, requests] = quick ? [5, 2_000] : [15, 7_000]
  const gateways = await Promise.all(places.map(open))
  try {
    for (const gateway of gateways) await drive(gateway.url, requests)
    still.pause()
    const took = places.map(() => [] as Cost[])
    for (let round = 0; round < rounds; round += 1)
      for (let turn = 0; turn < places.length; turn += 1) {
        const i = (round + turn) % places.length
        globalThis.gc?.()
        took[i]!.push(await drive(gateways[i]!.url, requests))
      }
    still.resume()
    printShares(
      `Records, ${rounds} rounds of ${requests.toLocaleString('en')} requests, ${IN_FLIGHT} in flight`,
      places.map(({ name }, i) => ({ name, took: took[i]!, note: `${gateways[i]!.lost()} records lost` })),
    )
  } finally {
    await Promise.all(gateways.map((gateway) => gateway.close()))
    await Promise.all([running.stop(), still.stop()])
  }
}

interface Opened {
  readonly url: string
  lost(): number
  close(): Promise<void>
}

async function open({ port }: Place): Promise<Opened> {
  const onError = (): void => undefined
  const sinks: RecordSink[] = port === undefined ? [] : [redisRecords({ url: `redis://127.0.0.1:${port}`, onError })]
  const hooks = { pre: [() => respond(200, 'ok')] }
  const listener = createGateway({ name: 'orders', upstream: 'http://127.0.0.1:9', hooks }, { sinks })
  // The table says it.
  listener.on('recordsLost', () => undefined)
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    lost: () => listener.records.lost,
    close: () => closed(server, () => listener.close()),
  }
}

async function closed(server: Server, gateway: () => Promise<void>): Promise<void> {
  await gateway()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

/** What all of them cost, the client included. */
async function drive(url: string, requests: number): Promise<Cost> {
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT })
  let left = requests
  const startedAt = performance.now()
  const usedBefore = process.cpuUsage()
  const one = async (): Promise<void> => {
    while (left-- > 0) await answered(url, agent)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, one))
  const { user, system } = process.cpuUsage(usedBefore)
  const wallMs = performance.now() - startedAt
  agent.destroy()
  return { wallMs, cpuMs: (user + system) / 1000 }
}

function answered(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`a request was answered ${response.statusCode}`))
      response.resume().on('end', resolve).on('error', reject)
    }).on('error', reject)
  })
}
