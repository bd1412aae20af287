import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Requests for one path with one credential. */
export interface Load {
  readonly path: string
  readonly key?: string
  /** All at once. Or: so many a second, for so long, whatever becomes of them. */
  readonly requests: number | { readonly perSecond: number; readonly ms: number }
  /** Default: 20. */
  readonly connections?: number
  /** Called with the number of answers there are by now. */
  readonly onAnswer?: (answers: number) => void
}

/** What became of one request. */
export interface Answer {
  /** 0: the connection was lost before there was one. What could not even be sent is left out. */
  readonly status: number
  /** What the `RateLimit` field says is left, by the names of the limits. */
  readonly left: Readonly<Record<string, number>>
  /** When it was sent and when its answer was there: milliseconds of the machine's monotonic clock, which all processes share. */
  readonly sent: number
  readonly answered: number
}

/** Milliseconds of a clock that all processes of the machine share and nobody sets. */
export function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Sends requests over pipelined connections, so that as many as can be are under way at once, and waits for their answers. */
export async function drive(
  port: number,
  { path, key, requests, connections = 20, onAnswer }: Load,
): Promise<readonly Answer[]> {
  const authorization = key === undefined ? '' : `Authorization: ${key}\r\n`
  const head = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${authorization}\r\n`
  const pipes = await Promise.all(Array.from({ length: connections }, () => pipe(port)))
  const answers: Promise<Answer | undefined>[] = []
  let there = 0
  const counted = (answer: Answer | undefined): Answer | undefined => {
    if (answer !== undefined && answer.status !== 0) onAnswer?.((there += 1))
    return answer
  }
  const send = (until: number): void => {
    while (answers.length < until) answers.push(pipes[answers.length % connections]!.ask(head).then(counted))
  }
  if (typeof requests === 'number') send(requests)
  else await evenly(requests, send)
  const all = await Promise.all(answers)
  for (const each of pipes) each.close()
  return all.filter((answer) => answer !== undefined)
}

/** What a busy machine kept from being sent in time is sent as soon as it can be. */
async function evenly(
  { perSecond, ms }: { readonly perSecond: number; readonly ms: number },
  send: (until: number) => void,
): Promise<void> {
  const started = machineTime()
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const passed = Math.min(machineTime() - started, ms)
      send(Math.floor((passed * perSecond) / 1000))
      if (passed < ms) return
      clearInterval(timer)
      resolve()
    }, 2)
  })
}

interface Pipe {
  /** Undefined: there is no connection any more. */
  ask(head: string): Promise<Answer | undefined>
  close(): void
}

async function pipe(port: number): Promise<Pipe> {
  const waiting: ((status: number, left: Answer['left']) => void)[] = []
  let text = ''
  let lost = false
  const socket: Socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.setEncoding('latin1')
  socket.on('data', (more: string) => {
    text += more
    for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1])
      if (Number.isNaN(length)) throw new Error(`an answer without a length: ${text.slice(0, end)}`)
      if (text.length < end + 4 + length) return
      waiting.shift()!(Number(text.slice(9, 12)), leftOf(text.slice(0, end)))
      text = text.slice(end + 4 + length)
    }
  })
  // What is lost shows in its answers.
  socket.on('error', () => undefined)
  socket.on('close', () => {
    lost = true
    for (const answer of waiting.splice(0)) answer(0, {})
  })
  return {
    ask(head) {
      if (lost) return Promise.resolve(undefined)
      return new Promise((resolve) => {
        const sent = machineTime()
        waiting.push((status, left) => resolve({ status, left, sent, answered: machineTime() }))
        socket.write(head)
      })
    },
    close: () => socket.destroy(),
  }
}

function leftOf(head: string): Answer['left'] {
  const field = /\r\nratelimit: (.*)/i.exec(head)?.[1] ?? ''
  return Object.fromEntries([...field.matchAll(/"([a-z-]+)";r=(\d+)/g)].map(([, name, left]) => [name, Number(left)]))
}
