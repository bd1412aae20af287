import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { found } from './fuzzer.ts'
import { readAnswers } from './read-answers.ts'

/** A connection that is forgotten when it is closed: millions are made. */
export class Connection {
  readonly socket: Socket
  over = false
  received = ''
  #wake: () => void = () => undefined

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1').setNoDelay()
    this.socket
      .setEncoding('latin1')
      .on('data', (text: string) => {
        this.received += text
        this.#wake()
      })
      // How it ends is looked at by what has come until then.
      .on('error', () => undefined)
      .on('close', () => {
        this.over = true
        this.#wake()
      })
  }

  write(text: string): void {
    if (!this.socket.destroyed) this.socket.write(text, 'latin1')
  }

  /** Waits until more has come, or nothing can come any more. */
  async more(): Promise<void> {
    if (this.over) return
    await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), sleep(100)])
  }
}

/** An honest client, who gets its own answer. */
export async function canary(name: string, port: number, target: string): Promise<void> {
  const connection = new Connection(port)
  connection.write(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
  const deadline = performance.now() + 5000
  for (;;) {
    const { answers } = readAnswers(connection.received, ['GET'], connection.over)
    const [answer] = answers
    if (answer !== undefined) {
      connection.socket.destroy()
      if (answer.status === 200 && answer.body === `GET ${target}`) return
      found(`${name}: a canary got somebody else's answer`, { ...answer })
    }
    if (connection.over || performance.now() > deadline) {
      connection.socket.destroy()
      found(`${name}: a canary got no answer`, { received: connection.received })
    }
    await connection.more()
  }
}
