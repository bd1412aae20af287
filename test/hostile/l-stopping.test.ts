import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, it } from 'vitest'
import { closeLater } from '../support/cleanup.ts'
import { RawClient } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { acceptOf, switching, tunnelled } from '../support/websocket.ts'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { process as group } from './catalogue/l.ts'
import { type GatewayProcess, type GatewayProcesses, gatewayProcesses } from './process/start.ts'

cleanUpAfterAttacks()

let processes: GatewayProcesses
beforeAll(async () => {
  processes = await gatewayProcesses()
}, 30_000)

const EVENTS = { 'content-type': 'text/event-stream' }

interface SlowUpstream {
  readonly url: string
  readonly waiting: () => number
  /** Ends the answers to all that was asked for `/late/held` and `/begun/held`. */
  readonly release: () => void
}

/** Answers after as many milliseconds as the path says, or when it is told to; `/begun/...` with a head that is out before. */
async function slowUpstream(): Promise<SlowUpstream> {
  let waiting = 0
  const held: (() => void)[] = []
  const { url, server } = await listen((req, res) => {
    const [, kind, ms] = req.url!.split('/')
    waiting += 1
    if (kind === 'events') {
      res.writeHead(200, EVENTS)
      const timer = setInterval(() => res.write('data: still here\n\n'), 20)
      res.once('close', () => clearInterval(timer))
      return
    }
    if (kind === 'begun') res.write('half, ')
    const finish = (): void => void res.end('done')
    if (ms === 'held') held.push(finish)
    else setTimeout(finish, Number(ms))
  })
  server.on('upgrade', (req, socket) => {
    waiting += 1
    socket.write(switching(acceptOf(req.headers['sec-websocket-key'])))
    socket.on('error', () => undefined).pipe(socket)
  })
  const release = (): void => {
    for (const finish of held.splice(0)) finish()
  }
  return { url, waiting: () => waiting, release }
}

interface Stopped extends GatewayProcess {
  readonly port: number
  /** Sends a request, and waits until `count` of them are with the upstream. */
  readonly ask: (target: string, count?: number) => Promise<RawClient[]>
  readonly release: () => void
}

async function started(host: string, graceMs: number, plain = false): Promise<Stopped> {
  const upstream = await slowUpstream()
  const gateway = processes.start()
  const { port } = await gateway.do('begin', { host, scenario: 'plain', upstream: upstream.url, graceMs, plain })
  return {
    ...gateway,
    port,
    release: upstream.release,
    async ask(target, count = 1) {
      const before = upstream.waiting()
      const clients = Array.from({ length: count }, () => new RawClient(port))
      for (const client of clients) client.write(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
      while (upstream.waiting() < before + count) await sleep(5)
      return clients
    },
  }
}

async function refusesConnections(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  closeLater(() => socket.destroy())
  return once(socket, 'connect').then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
  )
}

attack(group, 'L01', (_, host) => {
  it.each(['SIGTERM', 'SIGINT'] as const)('ends in order on %s', async (signal) => {
    const { child, port, ask, release, ended, said } = await started(host, 2_000)
    const idle = await ask('/late/0', 20)
    for (const client of idle) expect((await client.answer()).body).toBe('done')
    const unused = Array.from({ length: 3 }, () => new RawClient(port))
    const streams = await ask('/events', 5)
    for (const client of streams) await client.until('still here')
    const tunnels = await Promise.all(Array.from({ length: 5 }, () => tunnelled(port)))
    const begun = await ask('/begun/held', 10)
    for (const client of begun) await client.until('half, ')
    const late = await ask('/late/held', 30)

    child.kill(signal)
    const order: string[] = []
    const told = (what: string, clients: readonly RawClient[]): Promise<unknown> =>
      Promise.all(clients.map(({ closed }) => closed)).then((how) => {
        order.push(what)
        return new Set(how)
      })
    const [idleEnded, lateEnded, begunEnded, streamsEnded] = [
      told('idle', [...idle, ...unused]),
      told('late', late),
      told('begun', begun),
      told('streams', [...streams, ...tunnels]),
    ]
    await idleEnded
    expect(await refusesConnections(port)).toBe(true)
    release()
    for (const client of late) {
      const { status, body, lines } = await client.answer()
      expect([status, body]).toEqual([200, 'done'])
      expect(lines).toContainEqual(['Connection', 'close'])
    }
    for (const client of begun) await client.until('4\r\ndone\r\n0\r\n\r\n')
    expect(await Promise.all([idleEnded, lateEnded, begunEnded])).toEqual([
      new Set(['end']),
      new Set(['end']),
      new Set(['end']),
    ])
    for (const client of streams) {
      await client.bytes(client.received.length)
      await client.until('still here')
    }
    for (const client of tunnels) {
      client.write('echoed')
      await client.until('echoed')
    }
    await streamsEnded
    expect([order[0], order.at(-1)]).toEqual(['idle', 'streams'])
    expect(await ended).toEqual({ code: 0, signal: null })
    expect(said()).toBe('')
  })

  it('does not wait for the grace when nothing is left to wait for', async () => {
    const { child, ask, ended } = await started(host, 60_000)
    const [begun] = await ask('/begun/300')
    await begun!.until('half, ')
    const [late] = await ask('/late/300')
    child.kill('SIGTERM')
    expect((await late!.answer()).body).toBe('done')
    expect(await begun!.until('0\r\n\r\n')).toContain('done')
    expect(await ended).toEqual({ code: 0, signal: null })
  })

  it.each([
    ['createServer', false],
    ["Node's own server", true],
  ] as const)('answers an upload that waits for 100 Continue behind %s', async (__, plain) => {
    const { child, port, ended } = await started(host, 60_000, plain)
    const client = new RawClient(port)
    client.write('POST /late/200 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n')
    expect(await client.until('\r\n\r\n')).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    child.kill('SIGTERM')
    await sleep(50)
    client.write('body')
    const { status, lines } = await client.answer()
    expect(status).toBe(200)
    expect(lines).toContainEqual(['Connection', 'close'])
    expect(await ended).toEqual({ code: 0, signal: null })
  })
})

attack(group, 'L02', (_, host) => {
  it.each([
    ['SIGTERM', 'SIGTERM'],
    ['SIGTERM', 'SIGINT'],
    ['SIGINT', 'SIGTERM'],
    ['SIGINT', 'SIGINT'],
  ] as const)('exits at once when %s is followed by %s', async (first, second) => {
    const { child, ask, ended, said } = await started(host, 60_000)
    const clients = await ask('/late/60000', 3)
    child.kill(first)
    await sleep(50)
    expect(child.exitCode).toBe(null)
    child.kill(second)
    expect(await ended).toEqual({ code: 1, signal: null })
    expect(said()).toBe('postern: 3 answers were cut.\n')
    await Promise.all(clients.map(({ closed }) => closed))
    expect(clients.map(({ received }) => received)).toEqual(['', '', ''])
  })

  it('exits when the grace is over, and says how many answers that has cut', async () => {
    const { child, port, ask, ended, said } = await started(host, 300)
    const late = await ask('/late/60000', 2)
    const begun = await ask('/begun/60000', 2)
    const streams = [...(await ask('/events', 2)), await tunnelled(port)]
    for (const client of begun) await client.until('half, ')
    child.kill('SIGTERM')
    expect(await ended).toEqual({ code: 1, signal: null })
    expect(said()).toBe('postern: 4 answers were cut.\n')
    await Promise.all([...late, ...begun, ...streams].map(({ closed }) => closed))
    for (const { received } of begun) expect(received).not.toContain('0\r\n\r\n')
  })
})
