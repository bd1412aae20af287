import { connect, type Socket } from 'node:net'
import type { Load, RateLoad } from './load.ts'
import type { HttpWorkload } from './workloads.ts'

/*
 * A client of raw sockets. Without a rate each connection asks again when it is answered. With one, requests fall due by the
 * clock whether or not earlier ones are answered: they wait here for a connection, and that wait counts.
 */
interface Order extends HttpWorkload {
  readonly port: number
  readonly seconds: number
  readonly rate?: number
  readonly headers: Readonly<Record<string, string>>
}

const order = JSON.parse(process.argv[2] ?? '') as Order
const message = Buffer.from(
  [
    `${order.method} ${order.path} HTTP/1.1`,
    `Host: 127.0.0.1:${order.port}`,
    'User-Agent: bench',
    'Accept: */*',
    ...Object.entries(order.headers).map(([name, value]) => `${name}: ${value}`),
    ...(order.body === undefined
      ? []
      : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(order.body)}`]),
    '',
    order.body ?? '',
  ].join('\r\n'),
)

type Answered = (connection: Connection, due: number, ok: boolean) => void

/** Reads one answer at a time off a connection. */
class Connection {
  readonly #socket: Socket
  readonly #answered: Answered
  #head = ''
  #inBody = false
  /** Bytes of the body yet to come; -1: it is chunked. */
  #left = 0
  #ok = false
  /** When the request it waits for was due; undefined: it waits for none. */
  due: number | undefined

  constructor(socket: Socket, answered: Answered) {
    this.#socket = socket
    this.#answered = answered
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => (failed += 1))
  }

  ask(due: number): void {
    this.due = due
    this.#socket.write(message)
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.#inBody) {
      this.#body(chunk, 0)
      return
    }
    const before = this.#head.length
    this.#head += chunk.toString('latin1')
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) return
    const head = this.#head.slice(0, end)
    this.#head = ''
    this.#ok = head.startsWith('HTTP/1.1 2')
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    this.#left = length === undefined ? -1 : Number(length)
    this.#inBody = true
    this.#body(chunk, end + 4 - before)
  }

  #body(chunk: Buffer, from: number): void {
    if (this.#left === -1) {
      // One answer at a time: the bytes that end a chunked body are the last to come.
      if (!chunk.subarray(Math.max(from, chunk.length - 5)).equals(LAST_CHUNK)) return
    } else {
      this.#left -= chunk.length - from
      if (this.#left > 0) return
    }
    this.#inBody = false
    const due = this.due ?? 0
    this.due = undefined
    this.#answered(this, due, this.#ok)
  }
}

const LAST_CHUNK = Buffer.from('0\r\n\r\n')

const latencies: number[] = []
const late: number[] = []
let failed = 0
let countsFrom = 0
const idle: Connection[] = []
/** When each that waits for a connection was due. */
const waiting: number[] = []
let firstWaiting = 0

function onAnswer(connection: Connection, due: number, ok: boolean): void {
  const now = performance.now()
  if (due >= countsFrom) latencies.push(now - due)
  if (!ok) failed += 1
  if (order.rate === undefined) connection.ask(now)
  else if (firstWaiting < waiting.length) {
    connection.ask(waiting[firstWaiting]!)
    firstWaiting += 1
  } else idle.push(connection)
}

const connections = await Promise.all(
  Array.from(
    { length: order.connections },
    () =>
      new Promise<Connection>((resolve, reject) => {
        const socket = connect(order.port, '127.0.0.1', () => resolve(new Connection(socket, onAnswer)))
        socket.once('error', reject)
      }),
  ),
)
const startedAt = performance.now()
// At a rate the first second is for what a pause has left cold.
countsFrom = order.rate === undefined ? startedAt : startedAt + 1_000
if (order.rate === undefined) for (const connection of connections) connection.ask(startedAt)
else {
  idle.push(...connections)
  await keepRate(order.rate)
}
if (order.rate === undefined) await new Promise((resolve) => setTimeout(resolve, order.seconds * 1_000))
const seconds = (performance.now() - startedAt) / 1_000
// What is not answered has waited at least until now.
const now = performance.now()
const unanswered = connections.flatMap(({ due }) => (due === undefined ? [] : [due]))
if (order.rate !== undefined)
  for (const due of [...waiting.slice(firstWaiting), ...unanswered]) if (due >= countsFrom) latencies.push(now - due)
for (const connection of connections) connection.close()

/** Poisson arrivals on a grid of one millisecond, drawn before: the same for every contestant. */
async function keepRate(rate: number): Promise<void> {
  const perTick = arrivals(rate / 1_000, Math.round(order.seconds * 1_000))
  let tick = 0
  while (tick < perTick.length) {
    const elapsed = performance.now() - startedAt
    while (tick < perTick.length && tick <= elapsed) {
      const due = startedAt + tick
      for (let i = 0; i < perTick[tick]!; i++) {
        const connection = idle.pop()
        if (connection === undefined) waiting.push(due)
        else {
          late.push(performance.now() - due)
          connection.ask(due)
        }
      }
      tick += 1
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

function arrivals(mean: number, ticks: number): Uint16Array {
  let state = 12_345
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state + 1) / 4_294_967_297
  }
  return Uint16Array.from({ length: ticks }, () => {
    const limit = Math.exp(-mean)
    let count = -1
    for (let product = 1; product > limit; count++) product *= random()
    return count
  })
}

function quantile(values: readonly number[], of: number): number {
  return values[Math.floor((values.length - 1) * of)] ?? 0
}

const sorted = latencies.toSorted((a, b) => a - b)
const result: Load & Partial<RateLoad> = {
  requests: sorted.length,
  seconds,
  failed,
  p50: quantile(sorted, 0.5),
  p90: quantile(sorted, 0.9),
  p99: quantile(sorted, 0.99),
  max: sorted.at(-1) ?? 0,
  ...(order.rate === undefined
    ? {}
    : {
        sentLate99: quantile(
          late.toSorted((a, b) => a - b),
          0.99,
        ),
      }),
}
process.stdout.write(`${JSON.stringify(result)}\n`)
