import { setTimeout as sleep } from 'node:timers/promises'
import { RawClient } from '../support/raw-client.ts'

/** One kind of request of the load. */
export interface Kind {
  readonly api: 'open' | 'keys'
  readonly method: 'GET' | 'POST'
  readonly bytes: number
  readonly key?: 'metered' | 'roomy'
}

/** What gateways read before they send it, and what they stream. */
const KINDS: readonly Kind[] = [
  { api: 'open', method: 'GET', bytes: 0 },
  { api: 'keys', method: 'GET', bytes: 0, key: 'metered' },
  { api: 'open', method: 'POST', bytes: 200 },
  { api: 'keys', method: 'GET', bytes: 0, key: 'roomy' },
  { api: 'keys', method: 'POST', bytes: 200, key: 'metered' },
  { api: 'keys', method: 'POST', bytes: 65_536, key: 'roomy' },
  { api: 'keys', method: 'POST', bytes: 200, key: 'roomy' },
  { api: 'open', method: 'POST', bytes: 65_537 },
]

/** One request and what became of it. */
export interface Sent {
  readonly id: number
  readonly kind: Kind
  /** The value of its `X-Fault`; empty without one. */
  readonly fault: string
  readonly at: number
  readonly ms: number
  /** Of the answer, or of the head of one that was cut; 0: nothing came. */
  readonly status: number
  readonly outcome: 'answered' | 'cut' | 'hung'
  readonly body: string
}

/** So many send at once. */
export const CONNECTIONS = 64

/** Longer than the budgets of a request together. */
export const PATIENCE_MS = 6_000

/** Connections that each send one request after another, and are opened again where they are cut. */
export class Load {
  readonly sent: Sent[] = []
  /** What came where no answer was due. */
  readonly stray: string[] = []
  readonly #lanes: readonly Lane[]
  readonly #faultOf: (id: number) => string
  #next = 0
  #over = false

  constructor(port: number, faultOf: (id: number) => string = () => '') {
    this.#lanes = Array.from({ length: CONNECTIONS }, () => new Lane(port, this.stray))
    this.#faultOf = faultOf
  }

  /** Sends until `script` is done, and everything that was sent has come to its end. */
  async during(script: () => Promise<void>): Promise<void> {
    this.#over = false
    const sending = this.#lanes.map(async (lane) => {
      while (!this.#over) {
        const id = this.#next
        await this.#send(lane, KINDS[id % KINDS.length]!, this.#faultOf(id))
      }
    })
    try {
      await script()
    } finally {
      this.#over = true
      await Promise.all(sending)
    }
  }

  /** One request of each connection. */
  once(kind: Kind): Promise<Sent[]> {
    return Promise.all(this.#lanes.map((lane) => this.#send(lane, kind, '')))
  }

  async #send(lane: Lane, kind: Kind, fault: string): Promise<Sent> {
    const id = this.#next
    this.#next += 1
    const sent = await lane.send(id, kind, fault)
    this.sent.push(sent)
    return sent
  }
}

class Lane {
  readonly #port: number
  readonly #stray: string[]
  #client: RawClient | undefined
  /** The beginning of what has come since the last request. */
  #start = ''

  constructor(port: number, stray: string[]) {
    this.#port = port
    this.#stray = stray
  }

  async send(id: number, kind: Kind, fault: string): Promise<Sent> {
    if (this.#start !== '') this.#stray.push(`before ${id}: ${this.#start}`)
    if (this.#client?.socket.destroyed === true) this.#stray.push(`the connection of ${id} ended before it was sent`)
    this.#client ??= this.#open()
    const client = this.#client
    const at = performance.now()
    client.write(textOf(id, kind, fault))
    const answer = await Promise.race([
      client.answer(kind.method).catch(() => 'cut' as const),
      sleep(PATIENCE_MS, 'hung' as const, { ref: false }),
    ])
    const base = { id, kind, fault, at, ms: performance.now() - at }
    if (typeof answer === 'string') {
      this.#forget(client)
      return { ...base, outcome: answer, status: Number(this.#taken().slice(9, 12)), body: '' }
    }
    this.#taken()
    if (client.received !== '') this.#stray.push(`behind ${id}: ${client.received}`)
    const ends = answer.lines.some(([name, value]) => name.toLowerCase() === 'connection' && value === 'close')
    if (ends) this.#forget(client)
    return { ...base, outcome: 'answered', status: answer.status, body: answer.body }
  }

  #open(): RawClient {
    const client = new RawClient(this.#port)
    client.socket.setNoDelay()
    client.socket.on('data', (chunk: Buffer) => {
      if (this.#start.length < 12) this.#start += chunk.toString('latin1', 0, 12)
    })
    return client
  }

  #forget(client: RawClient): void {
    this.#client = undefined
    client.socket.destroy()
  }

  #taken(): string {
    const start = this.#start
    this.#start = ''
    return start
  }
}

function textOf(id: number, { api, method, bytes, key }: Kind, fault: string): string {
  const lines = [`${method} /${api}/${id} HTTP/1.1`, 'Host: a']
  if (key !== undefined) lines.push(`Authorization: ${key}`)
  if (fault !== '') lines.push(`X-Fault: ${fault}`)
  if (method === 'POST') lines.push(`Content-Length: ${bytes}`)
  return `${lines.join('\r\n')}\r\n\r\n${'x'.repeat(bytes)}`
}
