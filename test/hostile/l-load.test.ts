import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { problemsOf, soak, type SoakResult } from '../soak/soak.ts'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { process as group } from './catalogue/l.ts'
import { type GatewayProcesses, gatewayProcesses } from './process/start.ts'

cleanUpAfterAttacks()

const REQUESTS = 20_000

let processes: GatewayProcesses
let soaked: SoakResult
beforeAll(async () => {
  processes = await gatewayProcesses()
  soaked = await soak({ script: processes.script, host: 'node:http', requests: REQUESTS })
  await closeAll()
}, 120_000)

attack(group, 'L04', () => {
  it('holds no more at the end than when it was warm', () => {
    expect(soaked.sent).toBe(REQUESTS)
    expect(problemsOf({ ...soaked, unexpected: {}, stumbles: [] })).toEqual([])
    expect(soaked.early.heapBytes).toBeGreaterThan(0)
  })
})

attack(group, 'L05', () => {
  it('answers every request as its kind deserves, and hears everything', () => {
    expect([soaked.unexpected, soaked.stumbles]).toEqual([{}, []])
  })
})

async function echo(): Promise<string> {
  const { url } = await listen((req, res) => void req.resume().on('end', () => res.end(`${req.method} ${req.url}`)))
  return url
}

/** Milliseconds this machine takes to read a text of JSON and to write it again, when it has nothing else to do. */
function timeOfJson(json: string): number {
  const started = performance.now()
  for (let i = 0; i < 10; i += 1) JSON.stringify(JSON.parse(json))
  return (performance.now() - started) / 10
}

const post = (body: string): string => `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`

attack(group, 'L06', () => {
  it('is not held for long by load, by large JSON, or by many keys', { timeout: 60_000 }, async () => {
    const gateway = processes.start()
    const upstream = await echo()
    const { port } = await gateway.do('begin', { host: 'node:http', scenario: 'reading', upstream })
    const json = JSON.stringify(Array.from({ length: 80_000 }, (_, i) => `item ${i}`))
    expect(json.length).toBeGreaterThan(900_000)
    const alone = timeOfJson(json)
    await gateway.do('delay', undefined)
    const [statuses, key] = await Promise.all([
      Promise.all(
        Array.from({ length: 20 }, async (_, i) =>
          i % 4 === 0
            ? (await rawExchange(port, post(json), 'POST')).status
            : (await rawExchange(port, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n')).status,
        ),
      ),
      gateway.do('keys', { session: { rate: 5, per: 1 }, count: 10_000 }),
    ])
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(key).not.toBe('')
    // There are five such texts at once, and the machine may have others to serve.
    const longest = await gateway.do('delay', undefined)
    expect(longest / alone).toBeLessThan(20)
  })
})

attack(group, 'L08', () => {
  it('lives through more connections than it has file descriptors', { timeout: 60_000 }, async () => {
    const gateway = processes.start([], ['bash', '-c', 'ulimit -n 256; exec "$0" "$@"'])
    const { port } = await gateway.do('begin', {
      host: 'node:http',
      scenario: 'impatient',
      upstream: await echo(),
      server: { headersTimeoutMs: 60_000 },
    })
    const clients = Array.from({ length: 400 }, () => new RawClient(port))
    for (const client of clients) client.write('GET /x HTTP/1.1\r\nHost: a\r\n')
    await sleep(500)
    for (const client of clients) client.write('\r\n')
    await sleep(500)
    const answered = clients.filter(({ received }) => received !== '')
    for (const client of answered) expect([200, 502, 503, 504]).toContain((await client.answer()).status)
    expect(answered.length).toBeGreaterThan(0)
    expect(gateway.child.exitCode).toBe(null)
    for (const client of clients) client.socket.destroy()
    await expect.poll(async () => (await exchanged(port)) === 200, { timeout: 10_000 }).toBe(true)
    expect(await gateway.do('stumbles', undefined)).toEqual([])
  })

  it('lives through more bodies than fit into its memory', { timeout: 60_000 }, async () => {
    const gateway = processes.start(['--max-old-space-size=64'])
    const { port } = await gateway.do('begin', { host: 'node:http', scenario: 'reading', upstream: await echo() })
    const statuses = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        // Every other one is above what may be held, and none says how long it is.
        const body = JSON.stringify('x'.repeat(i % 2 === 0 ? 900_000 : 1_200_000))
        const client = new RawClient(port)
        client.write('POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
        client.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`)
        const { status } = await client.answer()
        client.socket.destroy()
        return status
      }),
    )
    expect(statuses).toEqual(statuses.map((_, i) => (i % 2 === 0 ? 200 : 413)))
    expect(await exchanged(port)).toBe(200)
    expect(await gateway.do('stumbles', undefined)).toEqual([])
  })
})

async function exchanged(port: number): Promise<number> {
  const client = new RawClient(port)
  client.write('GET /x HTTP/1.1\r\nHost: a\r\n\r\n')
  return client.answer().then(
    ({ status }) => status,
    () => 0,
  )
}

attack(group, 'L09', () => {
  it('serves honest requests beside 500 slow ones, and cuts those', { timeout: 60_000 }, async () => {
    const gateway = processes.start()
    const server = { headersTimeoutMs: 1500 }
    const { port } = await gateway.do('begin', { host: 'node:http', scenario: 'plain', upstream: await echo(), server })
    const slow = Array.from({ length: 500 }, () => new RawClient(port))
    const open = new Set(slow)
    for (const client of slow) void client.closed.then(() => open.delete(client))
    const head = `GET /slow HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(1000)}`
    let at = 0
    const trickle = setInterval(() => {
      for (const { socket } of slow) if (socket.writable) socket.write(head[at % head.length]!)
      at += 1
    }, 200)
    const cut = Promise.all(slow.map(({ closed }) => closed))
    let [served, beside] = [0, 0]
    while (open.size > 0) {
      expect(await exchanged(port)).toBe(200)
      served += 1
      if (open.size === slow.length) beside += 1
    }
    clearInterval(trickle)
    await cut
    expect([served > 20, beside > 0]).toEqual([true, true])
    for (const { received } of slow) expect(received === '' || received.startsWith('HTTP/1.1 408 ')).toBe(true)
    expect(slow.some(({ received }) => received.startsWith('HTTP/1.1 408 '))).toBe(true)
  })

  it('closes connections of one address above the number that is allowed', async () => {
    const gateway = processes.start()
    const server = { maxConnectionsPerAddress: 50 }
    const { port } = await gateway.do('begin', { host: 'node:http', scenario: 'plain', upstream: await echo(), server })
    const clients = Array.from({ length: 80 }, () => new RawClient(port))
    let closed = 0
    for (const client of clients) void client.closed.then(() => (closed += 1))
    await expect.poll(() => closed).toBe(30)
    clients.at(0)!.socket.destroy()
    await expect.poll(() => exchanged(port)).toBe(200)
  })
})
