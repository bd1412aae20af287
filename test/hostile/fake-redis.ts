import { listenRaw } from '../support/server.ts'

/** Speaks the protocol of Redis, and answers what it is told to. */
export interface FakeRedis {
  readonly port: number
  /** The error every command about sessions and counters gets; undefined: sessions are unknown, counters have room. */
  error: string | undefined
}

export async function fakeRedis(): Promise<FakeRedis> {
  const { port } = await listenRaw((socket) => {
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      for (let command = take(); command !== undefined; command = take()) socket.write(replyTo(command, fake.error))
    })
    const take = (): readonly string[] | undefined => {
      const parsed = parse(received)
      if (parsed === undefined) return undefined
      received = received.slice(parsed.end)
      return parsed.words
    }
  })
  const fake: FakeRedis = { port, error: undefined }
  return fake
}

/** What counters answer: nobody refuses, five are left for a second. */
const ROOM = '*4\r\n:-1\r\n:5\r\n:1000000\r\n$0\r\n\r\n'
const INFO = 'redis_version:7.2.0\r\nloading:0\r\n'

function replyTo([name = '', ...words]: readonly string[], error: string | undefined): string {
  switch (name.toLowerCase()) {
    case 'get':
      return error === undefined ? '$-1\r\n' : `-${error}\r\n`
    case 'eval':
    case 'evalsha':
      return error === undefined ? ROOM : `-${error}\r\n`
    case 'info':
      return `$${INFO.length}\r\n${INFO}\r\n`
    case 'hello':
      return `-ERR unknown command '${name}', with args beginning with: ${words.join(' ')}\r\n`
    case 'ping':
      return '+PONG\r\n'
    default:
      return '+OK\r\n'
  }
}

/** One command, a list of texts, and where it ends. */
function parse(text: string): { readonly words: readonly string[]; readonly end: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text)
  if (head === null) return undefined
  let at = head[0].length
  const words: string[] = []
  while (words.length < Number(head[1])) {
    const length = /^\$(\d+)\r\n/.exec(text.slice(at))
    if (length === null) return undefined
    const from = at + length[0].length
    at = from + Number(length[1]) + 2
    if (text.length < at) return undefined
    words.push(text.slice(from, at - 2))
  }
  return { words, end: at }
}
