import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { listenRaw } from './server.ts'

/** Stands between a client and a server that listens on 127.0.0.1, and passes bytes on as badly as it is told to. */
export interface SlowWire {
  readonly port: number
  /** Where new connections lead; changes nothing for those that are there. */
  target: number
  /** Milliseconds every byte is late, each way. */
  delayMs: number
  /** The most bytes passed on at once. */
  sliceBytes: number
  /** True: connections are accepted and ended at once. */
  broken: boolean
  /** Ends every connection, with whatever is under way on it. */
  cut(): void
}

/** Closed by `closeAll`. */
export async function slowWire(target: number): Promise<SlowWire> {
  const sockets = new Set<Socket>()
  const { port } = await listenRaw((near) => {
    if (wire.broken) {
      near.destroy()
      return
    }
    const far = connect(wire.target, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.setNoDelay()
      pump(from, to, wire)
      // An end of one side is an end of both.
      from
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(from)
          to.destroy()
        })
    }
  })
  const wire: SlowWire = {
    port,
    target,
    delayMs: 0,
    sliceBytes: Number.POSITIVE_INFINITY,
    broken: false,
    cut: () => sockets.forEach((socket) => socket.destroy()),
  }
  return wire
}

function pump(from: Socket, to: Socket, wire: SlowWire): void {
  let last = Promise.resolve()
  from.on('data', (chunk: Buffer) => {
    const due = performance.now() + wire.delayMs
    last = last.then(async () => {
      const early = due - performance.now()
      if (early > 0) await sleep(early)
      for (let at = 0; at < chunk.length && !to.destroyed;) {
        const end = Math.min(chunk.length, at + wire.sliceBytes)
        to.write(chunk.subarray(at, end))
        at = end
        // What is written in one turn may arrive as one piece.
        if (at < chunk.length) await nextTurn()
      }
    })
  })
}
