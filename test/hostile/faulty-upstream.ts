import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { strictUpstream, type StrictUpstream, wireAnswer, type WireRequest } from '../support/strict-upstream.ts'

/** What an upstream does with whatever it is asked. */
export const FAULTS = [
  'refuses',
  'resets in the middle of requests',
  'resets before the head',
  'resets in the middle of bodies',
  'stalls before the head',
  'stalls in the middle of bodies',
  'half-closes',
  'sends garbage',
  'sends slowly',
] as const

type Fault = (typeof FAULTS)[number]

/** An upstream that reads by the letter, and answers `METHOD target bytes`, or fails as it is told to. */
export interface FaultyUpstream extends StrictUpstream {
  /** `METHOD target` of everything that has begun to arrive, whole or not. */
  readonly arrived: readonly string[]
  /** How often each fault has met somebody; connections that are refused are not seen here. */
  readonly met: ReadonlyMap<Fault, number>
  readonly openConnections: () => number
  become(fault: Fault | 'answers'): Promise<void>
}

export async function faultyUpstream(): Promise<FaultyUpstream> {
  const sockets = new Set<Socket>()
  const arrived: string[] = []
  const met = new Map<Fault, number>()
  let fault: Fault | 'answers' = 'answers'
  const meet = (what: Fault): number => {
    const times = (met.get(what) ?? 0) + 1
    met.set(what, times)
    return times
  }
  const upstream = await strictUpstream((request, socket) => {
    if (fault === 'answers') return echo(request)
    if (fault === 'refuses' || fault === 'resets in the middle of requests') return undefined
    return BEHAVIOUR[fault](request, socket, meet(fault))
  })
  const { server } = upstream
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.setNoDelay().on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      for (const [, method, target] of chunk.toString('latin1').matchAll(REQUEST_LINES))
        arrived.push(`${method} ${target}`)
      if (fault !== 'resets in the middle of requests') return
      meet(fault)
      socket.resetAndDestroy()
    })
  })
  return {
    ...upstream,
    arrived,
    met,
    openConnections: () => sockets.size,
    async become(next) {
      const before = fault
      fault = next
      if (next === 'refuses') {
        server.close()
        for (const socket of sockets) socket.destroy()
        await once(server, 'close')
      } else if (before === 'refuses') {
        server.listen(upstream.port, '127.0.0.1')
        await once(server, 'listening')
      }
    },
  }
}

/** No body of these tests contains one. */
const REQUEST_LINES = /([A-Z]+) (\/\S*) HTTP\/1\.1\r\n/g

const echo = ({ method, target, body }: WireRequest): string => wireAnswer(`${method} ${target} ${body.length}`)

const GARBAGE = [
  'SSH-2.0-OpenSSH_9.6\r\n\r\n',
  'HTTP/1.1 two hundred\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\nx',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n',
  '\0\0\0\u0012\u0004',
]

type Behaviour = (request: WireRequest, socket: Socket, times: number) => string | undefined

const BEHAVIOUR: Readonly<Record<Exclude<Fault, 'refuses' | 'resets in the middle of requests'>, Behaviour>> = {
  'resets before the head': (_, socket) => {
    socket.resetAndDestroy()
    return undefined
  },
  'resets in the middle of bodies': (request, socket) => {
    // A reset at once would take the head along.
    socket.write(half(request), () => setTimeout(() => socket.resetAndDestroy(), 5))
    return undefined
  },
  'stalls before the head': () => undefined,
  'stalls in the middle of bodies': half,
  'half-closes': (request, socket, times) => {
    socket.end(['', half(request), echo(request)][times % 3]!)
    return undefined
  },
  'sends garbage': (_, socket, times) => {
    socket.end(GARBAGE[times % GARBAGE.length]!, 'latin1')
    return undefined
  },
  'sends slowly': (request, socket) => {
    void drip(echo(request), socket)
    return undefined
  },
}

function half(request: WireRequest): string {
  const whole = echo(request)
  return whole.slice(0, -Math.ceil((whole.length - whole.indexOf('\r\n\r\n') - 4) / 2))
}

const DRIP_BYTES = 16
const DRIP_MS = 10

async function drip(text: string, socket: Socket): Promise<void> {
  for (let from = 0; from < text.length && !socket.destroyed; from += DRIP_BYTES) {
    socket.write(text.slice(from, from + DRIP_BYTES), 'latin1')
    await sleep(DRIP_MS)
  }
}
