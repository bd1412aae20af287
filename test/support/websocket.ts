import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { closeLater } from './cleanup.ts'
import { type Line, linesOf } from './lines.ts'
import { RawClient } from './raw-client.ts'
import { listen } from './server.ts'

export const WEBSOCKET_KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** A handshake as text; `fields` are added, `without` are left out. */
export function handshakeText(target = '/', fields = '', without: readonly string[] = []): string {
  const lines = [
    'Host: client',
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`,
    'Sec-WebSocket-Version: 13',
  ].filter((line) => !without.includes(line.split(':')[0]!))
  return `GET ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n${fields}\r\n`
}

/** What a server says to whoever has sent that key. */
export function acceptOf(key: string = WEBSOCKET_KEY): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

export function switching(accept: string = acceptOf(), fields = ''): string {
  return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n${fields}\r\n`
}

/** A handshake on a connection of its own; resolves with the client behind the 101. */
export async function tunnelled(port: number, target = '/', fields = ''): Promise<RawClient> {
  const client = new RawClient(port)
  client.write(handshakeText(target, fields))
  const { status, body } = await client.answer()
  if (status !== 101) throw new Error(`The handshake was answered ${status}: ${body}`)
  return client
}

/** One frame (RFC 6455 5.2); `first` is its first byte, masked as a client has to. */
export function frame(first: number, payload: string | Uint8Array, masked = true): Buffer {
  const bytes = Buffer.from(payload)
  const { length } = bytes
  const size = length < 126 ? [length] : length < 65_536 ? [126, length >> 8, length & 255] : longSize(length)
  size[0]! |= masked ? 128 : 0
  if (!masked) return Buffer.concat([Buffer.from([first, ...size]), bytes])
  const mask = randomBytes(4)
  for (let i = 0; i < length; i += 1) bytes[i]! ^= mask[i % 4]!
  return Buffer.concat([Buffer.from([first, ...size]), mask, bytes])
}

function longSize(length: number): number[] {
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(length))
  return [127, ...size]
}

export interface WebSocketUpstream {
  readonly url: string
  readonly port: number
  /** Handshakes it has accepted. */
  readonly seen: readonly { readonly target: string; readonly lines: readonly Line[] }[]
  /** Connections that are open. */
  readonly open: () => number
}

/** A WebSocket server that sends back what it gets, or does as `meet` says. */
export async function webSocketUpstream(
  meet: (socket: WebSocket, req: IncomingMessage) => void = (socket) =>
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
  options: { readonly maxPayload?: number } = {},
): Promise<WebSocketUpstream> {
  const seen: { readonly target: string; readonly lines: readonly Line[] }[] = []
  const webSockets = new WebSocketServer({ noServer: true, ...options })
  let open = 0
  const { url, port, server } = await listen((req, res) => res.end(`${req.method ?? ''} ${req.url ?? ''}`))
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    open += 1
    socket.on('close', () => (open -= 1))
    webSockets.handleUpgrade(req, socket, head, (webSocket) => {
      seen.push({ target: req.url ?? '', lines: linesOf(req.rawHeaders) })
      // What a broken frame or a reset makes of it, its other end shows.
      webSocket.on('error', () => undefined)
      meet(webSocket, req)
    })
  })
  closeLater(() => {
    for (const webSocket of webSockets.clients) webSocket.terminate()
  })
  return { url, port, seen, open: () => open }
}

/** A client of the library, once its handshake was accepted. */
export async function openWebSocket(
  url: string,
  protocols: readonly string[] = [],
  headers: Readonly<Record<string, string>> = {},
): Promise<WebSocket> {
  const webSocket = new WebSocket(url.replace(/^http/, 'ws'), [...protocols], { headers, rejectUnauthorized: false })
  closeLater(() => webSocket.terminate())
  await once(webSocket, 'open')
  return webSocket.on('error', () => undefined)
}

/** The next message, as text. */
export async function messageOf(webSocket: WebSocket): Promise<string> {
  const [data] = (await once(webSocket, 'message')) as [Buffer]
  return data.toString()
}
