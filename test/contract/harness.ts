import { once } from 'node:events'
import http, { type IncomingHttpHeaders } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import type { DefinitionInput, GatewayEvent, GatewayEvents, GatewayOptions } from '@postern/core'
import { createGateway, type HttpGateway } from '@postern/http'
import { onTestFinished } from 'vitest'

export { settled, watchProcess } from '../support/process.ts'

/** What the upstream was sent. */
interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: string
}

export interface Upstream {
  readonly url: string
  readonly received: Received[]
  /** Connections that are open, and all there ever were. */
  readonly connections: () => number
  readonly opened: () => number
  close(): Promise<void>
}

type Listener = (req: http.IncomingMessage, res: http.ServerResponse, body: string) => void

/** What no client may read when a response plugin breaks. */
export const UPSTREAM_BODY = 'SECRET OF THE UPSTREAM'

const answerPlainly: Listener = (_req, res) => {
  res.setHeader('x-upstream', 'yes')
  res.setHeader('content-type', 'text/plain')
  res.end(UPSTREAM_BODY)
}

/** A recording upstream on a port of its own. */
export async function startUpstream(listener: Listener = answerPlainly): Promise<Upstream> {
  const received: Received[] = []
  const server = http.createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      received.push({
        method: req.method ?? '',
        url: req.url ?? '',
        headers: req.headers,
        rawHeaders: req.rawHeaders,
        body,
      })
      listener(req, res, body)
    })
  })
  let [open, opened] = [0, 0]
  server.on('connection', (socket) => {
    open += 1
    opened += 1
    socket.once('close', () => (open -= 1))
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    connections: () => open,
    opened: () => opened,
    close: () => stop(server),
  }
}

/** The same, closed when the test ends. */
export async function upstreamOfTest(listener?: Listener): Promise<Upstream> {
  const upstream = await startUpstream(listener)
  onTestFinished(() => upstream.close())
  return upstream
}

export interface Running {
  readonly gateway: HttpGateway
  readonly server: http.Server
  readonly port: number
  readonly url: string
}

/** A gateway on a real socket, closed when the test ends. */
export async function run(
  definition: DefinitionInput | readonly DefinitionInput[],
  options?: GatewayOptions,
): Promise<Running> {
  const gateway = createGateway(definition, options)
  const server = http.createServer(gateway)
  const port = await listen(server)
  onTestFinished(async () => {
    await stop(server)
    await gateway.close({ timeoutMs: 0 })
  })
  return { gateway, server, port, url: `http://127.0.0.1:${port}` }
}

async function listen(server: http.Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function stop(server: http.Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

/** Every event of one kind, in order. */
export function listenTo<E extends GatewayEvent>(gateway: HttpGateway, event: E): GatewayEvents[E][] {
  const seen: GatewayEvents[E][] = []
  gateway.on(event, (data) => void seen.push(data))
  return seen
}

/** A response exactly as it stood on the wire. */
export interface WireResponse {
  readonly status: number
  /** Lower-case names; repeated fields in order. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly head: string
  readonly body: string
}

/** A keep-alive connection that shows every byte: a second answer to one request cannot hide in it. */
export class Connection {
  readonly #socket: net.Socket
  #bytes: Buffer = Buffer.alloc(0)
  #closed = false
  #wake: () => void = () => undefined

  private constructor(port: number) {
    this.#socket = net.connect(port, '127.0.0.1')
    this.#socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#wake()
    })
    this.#socket.on('error', () => undefined)
    this.#socket.on('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  static async open(port: number): Promise<Connection> {
    const connection = new Connection(port)
    await once(connection.#socket, 'connect')
    return connection
  }

  /** Sends a request and waits for its answer. */
  async request(method: string, target: string, headers: readonly string[] = [], body = ''): Promise<WireResponse> {
    const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
    this.#socket.write(
      [`${method} ${target} HTTP/1.1`, 'Host: gateway.test', ...headers, ...length, '', body].join('\r\n'),
    )
    return this.#read(method)
  }

  /** Sends bytes and does not wait. */
  write(text: string): void {
    this.#socket.write(text)
  }

  /** Bytes that belong to no answer. */
  get stray(): string {
    return this.#bytes.toString('latin1')
  }

  hangUp(): void {
    this.#socket.destroy()
  }

  async #read(method: string): Promise<WireResponse> {
    const end = await this.#until(() => this.#bytes.indexOf('\r\n\r\n'))
    const head = this.#bytes.subarray(0, end).toString('latin1')
    const [statusLine = '', ...lines] = head.split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1])
    const headers = lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
    })
    const field = (name: string): string | undefined => headers.find(([found]) => found === name)?.[1]
    this.#bytes = this.#bytes.subarray(end + 4)
    const bodyless = method === 'HEAD' || status === 204 || status === 304
    const body = bodyless
      ? ''
      : field('transfer-encoding') === 'chunked'
        ? await this.#chunks()
        : await this.#take(Number(field('content-length') ?? 0))
    return { status, headers, head, body }
  }

  async #take(length: number): Promise<string> {
    await this.#until(() => (this.#bytes.length >= length ? length : -1))
    const text = this.#bytes.subarray(0, length).toString()
    this.#bytes = this.#bytes.subarray(length)
    return text
  }

  async #chunks(): Promise<string> {
    let text = ''
    for (;;) {
      const end = await this.#until(() => this.#bytes.indexOf('\r\n'))
      const size = Number.parseInt(this.#bytes.subarray(0, end).toString(), 16)
      this.#bytes = this.#bytes.subarray(end + 2)
      const chunk = await this.#take(size + 2)
      if (size === 0) return text
      text += chunk.slice(0, -2)
    }
  }

  async #until(position: () => number): Promise<number> {
    for (;;) {
      const at = position()
      if (at !== -1) return at
      if (this.#closed) throw new Error(`The connection closed; left over: ${JSON.stringify(this.stray)}`)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

/** Opens a connection that is hung up when the test ends. */
export async function connect(port: number): Promise<Connection> {
  const connection = await Connection.open(port)
  onTestFinished(() => connection.hangUp())
  return connection
}

/** The bytes of the gateway's own JSON answer, spelled out rather than computed. */
export function envelope(message: string): string {
  return `{\n    "error": "${message}"\n}`
}

/** The values of one field, in order. */
export function fields(response: WireResponse, name: string): string[] {
  return response.headers.filter(([found]) => found === name).map(([, value]) => value)
}
