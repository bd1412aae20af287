import { randomInt } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import {
  type AddressInfo,
  createServer as createSocketServer,
  type Server as SocketServer,
  type Socket,
} from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { closeLater } from './cleanup.ts'

export interface Listening<S> {
  readonly url: string
  readonly port: number
  readonly server: S
  /** How many connections it has taken since it was started. */
  readonly connections: () => number
}

/** An HTTP server on a free port of the loopback interface; closed by `closeAll`. */
export async function listen(listener: RequestListener): Promise<Listening<Server>>
export async function listen<S extends Server | SecureServer>(server: S): Promise<Listening<S>>
export async function listen(
  listener: RequestListener | Server | SecureServer,
): Promise<Listening<Server | SecureServer>> {
  const server = typeof listener === 'function' ? createServer(listener) : listener
  closeLater(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return started(server)
}

/** A server that speaks bytes, for upstreams no HTTP library would play. */
export async function listenRaw(onSocket: (socket: Socket) => void): Promise<Listening<SocketServer>> {
  const sockets = new Set<Socket>()
  const server = createSocketServer((socket) => {
    sockets.add(socket)
    // A reset by the other side is what some tests are about.
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    onSocket(socket)
  })
  closeLater(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return started(server)
}

/**
 * A port of the loopback interface on which nobody listens. Not one the system gives away by itself: another test would
 * soon have it.
 */
export async function deafPort(): Promise<number> {
  const port = randomInt(10_000, 30_000)
  const server = createSocketServer()
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
  })
  if (!free) return deafPort()
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function started<S extends SocketServer>(server: S): Promise<Listening<S>> {
  let connections = 0
  server.on('connection', () => (connections += 1))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const scheme = server instanceof TlsServer ? 'https' : 'http'
  return { url: `${scheme}://127.0.0.1:${port}`, port, server, connections: () => connections }
}
