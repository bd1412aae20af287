import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from '@postern-example/express-orders'
import type { ExpressGateway } from '@postern/express'
import { type Seen, startRecorder } from './recorder.ts'
import { SCENES, type Scene } from './scenes.ts'
import { listen, startUpstreams } from './upstreams.ts'
import { headline, type Style, waterfall } from './waterfall.ts'

export interface DemoOptions {
  readonly colour: boolean
  /** Columns. */
  readonly width: number
  readonly write: (text: string) => void
}

export interface Demo {
  readonly url: string
  /** How many requests were not answered as expected. */
  readonly failed: number
  close(): Promise<void>
}

/** Starts the Express example and its upstreams, sends the requests of all scenes and draws what each hook did. */
export async function startDemo({ colour, width, write }: DemoOptions): Promise<Demo> {
  let onSeen: (seen: Seen) => void = () => undefined
  const recorder = startRecorder((seen) => onSeen(seen))
  const upstreams = await startUpstreams((hit) => recorder.addHit(hit))
  const urls = Object.fromEntries(upstreams.map(({ name, url }) => [name, url]))
  const { app, gateway } = createApp({
    orders: urls['orders']!,
    stock: urls['stock']!,
    invoices: { eu: urls['invoices-eu']!, us: urls['invoices-us']! },
  })
  const server = createServer(app)
  const url = await listen(server)
  const style: Style = { colour, width, names: new Map(upstreams.map((upstream) => [upstream.url, upstream.name])) }

  /** Sends a request and waits until its record, the last of its hooks, has been seen as well. */
  const send = async ({ method = 'GET', path, key }: Pick<Scene, 'method' | 'path' | 'key'>) => {
    const seen = new Promise<Seen>((resolve) => (onSeen = resolve))
    const headers: Record<string, string> = key === undefined ? {} : { authorization: key }
    const response = await fetch(url + path, { method, headers, signal: AbortSignal.timeout(5_000) })
    const body = (await response.text()).replaceAll(/\s*\n\s*/g, ' ')
    const tooLate = sleep(5_000, undefined, { ref: false }).then(() => {
      throw new Error(`No analytics plugin ran for ${method} ${path}.`)
    })
    return { status: response.status, body, seen: await Promise.race([seen, tooLate]) }
  }
  const draw = (title: string, seen: Seen, body: string): void => {
    const { method, originalUrl } = seen.record
    const why = whyNoEndpoint(gateway, seen)
    write(`${headline(`${method} ${originalUrl}`, title, style)}\n${waterfall(seen, body, why, style)}\n\n`)
  }

  // What the first request of a process costs says nothing about the second.
  for (const path of ['/orders/1', '/orders/me', '/orders/1/summary']) await send({ path, key: 'gold-key' })
  let failed = 0
  for (const scene of SCENES) {
    const { status, body, seen } = await send(scene)
    draw(scene.title, seen, body)
    if (status === scene.status && body.includes(scene.body)) continue
    write(`  NOT AS EXPECTED: ${scene.status} with ${scene.body}\n\n`)
    failed += 1
  }
  onSeen = (seen) => draw('', seen, '')

  const close = async (): Promise<void> => {
    recorder.stop()
    await gateway.close()
    for (const one of [server, ...upstreams.map((upstream) => upstream.server)]) {
      one.close()
      one.closeAllConnections()
    }
  }
  return { url, failed, close }
}

function whyNoEndpoint(gateway: ExpressGateway, { record }: Seen): string {
  return gateway.explain(record.method, record.originalUrl).hooks.find(({ hook }) => hook === 'endpoint')?.why ?? ''
}
