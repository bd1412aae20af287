import type { ApiInfo, Gateway } from '@postern/core'
import { chainOf } from './chains.ts'
import { Happenings } from './happenings.ts'
import { Requests } from './requests.ts'
import { Seconds } from './seconds.ts'
import type { ShownRequest } from './shown.ts'
import { TargetStates } from './target-states.ts'

/** More in half a second nobody reads; the newest are sent. */
const MOST_AT_ONCE = 60
const MOST_CODES = 100

/** What the pages show. Between `end` and `begin` nothing is watched but how targets are. */
export class Observation {
  readonly #gateway: Pick<Gateway, 'apis' | 'explain' | 'on'>
  readonly #capacity: number
  readonly #states: TargetStates
  readonly #happenings: Happenings
  readonly #requests: Requests
  readonly #seconds = new Seconds()
  readonly #refusals = new Map<string, number>()
  /** Also those of definitions that have been replaced: their requests may still run. */
  readonly #ours = new WeakSet<ApiInfo>()
  readonly #last: ShownRequest[] = []
  readonly #fresh = new Set<ShownRequest>()
  #watching = false
  #ended = 0

  constructor(gateway: Pick<Gateway, 'apis' | 'explain' | 'on'>, capacity: number) {
    this.#gateway = gateway
    this.#capacity = capacity
    this.#states = new TargetStates(gateway)
    this.#happenings = new Happenings(gateway)
    this.#requests = new Requests(
      (api) => this.#isOurs(api),
      (request) => this.#add(request),
      (request) => void this.#fresh.add(request),
    )
  }

  begin(): void {
    if (this.#watching) return
    this.#watching = true
    this.#happenings.start()
    this.#requests.start()
    this.#seconds.start()
  }

  end(): void {
    if (!this.#watching) return
    this.#watching = false
    this.#requests.stop()
    this.#seconds.stop()
    this.#happenings.stop()
    this.#fresh.clear()
  }

  close(): void {
    this.end()
    this.#states.close()
    this.#happenings.close()
  }

  everything(): object {
    return { ...this.#now(), capacity: this.#capacity, requests: this.#last }
  }

  /** What is new since the last call. */
  news(): object {
    const requests = [...this.#fresh].slice(-MOST_AT_ONCE)
    this.#fresh.clear()
    return { ...this.#now(), requests }
  }

  #now(): object {
    return {
      apis: this.#gateway.apis().map((api) => chainOf(api, this.#gateway, this.#states)),
      seconds: this.#seconds.list,
      open: this.#requests.open,
      ended: this.#ended,
      refusals: Object.fromEntries(this.#refusals),
      events: this.#happenings.list,
    }
  }

  #isOurs(api: ApiInfo): boolean {
    if (this.#ours.has(api)) return true
    for (const ours of this.#gateway.apis()) this.#ours.add(ours)
    return this.#ours.has(api)
  }

  #add(request: ShownRequest): void {
    const { code, status } = request
    this.#ended += 1
    this.#seconds.count(code !== '' || status >= 500)
    const why = code === '' ? (status >= 500 ? String(status) : '') : code
    if (why !== '' && (this.#refusals.has(why) || this.#refusals.size < MOST_CODES))
      this.#refusals.set(why, (this.#refusals.get(why) ?? 0) + 1)
    this.#last.push(request)
    if (this.#last.length > this.#capacity) this.#last.shift()
    this.#fresh.add(request)
    if (this.#fresh.size > this.#capacity) for (const oldest of this.#fresh) return void this.#fresh.delete(oldest)
  }
}
