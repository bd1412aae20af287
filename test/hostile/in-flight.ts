import { memoryStore } from '@postern/core'
import { type RawAnswer, RawClient } from '../support/raw-client.ts'

/** A store by a clock of the test. */
export function clocked(): { readonly store: ReturnType<typeof memoryStore>; readonly clock: { now: number } } {
  // A multiple of every period the tests use.
  const clock = { now: Date.UTC(2030, 0, 1) }
  return { store: memoryStore({ now: () => clock.now }), clock }
}

/** Sends so many requests at once, over connections that stay, and waits for all their answers. */
export type Volley = (count: number, key?: string, path?: string) => Promise<RawAnswer[]>

export function volleys(port: number, connections = 1): Volley {
  const clients = Array.from({ length: connections }, () => new RawClient(port))
  return (count, key, path = '/') => {
    const credential = key === undefined ? '' : `Authorization: ${key}\r\n`
    const all = clients.map(async (client, i) => {
      const share = Math.floor(count / connections) + (i < count % connections ? 1 : 0)
      client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n${credential}\r\n`.repeat(share))
      const answers: RawAnswer[] = []
      while (answers.length < share) answers.push(await client.answer())
      return answers
    })
    return Promise.all(all).then((answers) => answers.flat())
  }
}

export function passed(answers: readonly RawAnswer[]): number {
  return answers.filter(({ status }) => status === 200).length
}

/** The value of a field that comes once; empty where there is none. */
export function field({ lines }: RawAnswer, name: string): string {
  return lines.find((line) => line[0].toLowerCase() === name)?.[1] ?? ''
}
