import type { ServerResponse } from 'node:http'
import type { Observation } from './observation.ts'

const MOST_PAGES = 16
/** A page that takes nothing in must not fill the memory. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024
const TICK_MS = 500
/** After this the page asks again, and whoever lost access meanwhile is refused. */
const LONGEST_MS = 10 * 60_000
/** How long is still recorded when the last page is gone: a reload, or a look at another tab. */
const LINGER_MS = 60_000

/** The open pages; watching begins with the first. */
export class Audience {
  readonly #observation: Observation
  readonly #pages = new Map<ServerResponse, number>()
  #ticking: NodeJS.Timeout | undefined
  #leaving: NodeJS.Timeout | undefined
  #closed = false

  constructor(observation: Observation) {
    this.#observation = observation
  }

  admit(res: ServerResponse): boolean {
    if (this.#closed || this.#pages.size >= MOST_PAGES) return false
    clearTimeout(this.#leaving)
    this.#observation.begin()
    // Those who are there already get what is new as such; the newcomer gets everything.
    this.#tell()
    res.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    })
    res.write(`retry: 2000\n${event('all', this.#observation.everything())}`)
    this.#pages.set(res, performance.now() + LONGEST_MS)
    res.once('close', () => this.#left(res))
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS).unref()
    return true
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#leaving)
    for (const res of this.#pages.keys()) res.end()
  }

  #left(res: ServerResponse): void {
    this.#pages.delete(res)
    if (this.#pages.size > 0) return
    clearInterval(this.#ticking)
    this.#ticking = undefined
    if (!this.#closed) this.#leaving = setTimeout(() => this.#observation.end(), LINGER_MS).unref()
  }

  #tick(): void {
    this.#tell()
    const now = performance.now()
    for (const [res, until] of this.#pages) {
      if (res.writableLength > MOST_WAITING_BYTES) res.destroy()
      else if (now > until) res.end()
    }
  }

  #tell(): void {
    const text = event('news', this.#observation.news())
    for (const res of this.#pages.keys()) res.write(text)
  }
}

function event(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}
