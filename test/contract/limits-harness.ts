import { type ApiDefinitionInput, type GatewayOptions, memoryStore, respond } from '@postern/core'
import type { Store } from '@postern/core/store'
import { connect, fields, run, type Running, type WireResponse } from './harness.ts'

/** A time that passes only when a test says so. */
class Clock {
  /** Unix milliseconds; a multiple of every period the tests use. */
  now = Date.UTC(2030, 0, 1)

  pass(seconds: number): void {
    this.now += seconds * 1000
  }
}

/** One request of a test. */
export interface Ask {
  readonly path?: string
  readonly method?: string
  /** Sent as `Authorization`. */
  readonly key?: string
  readonly headers?: readonly string[]
  readonly body?: string
}

export interface Limited extends Running {
  readonly clock: Clock
  /** Sends one request and waits for its answer. */
  ask(ask?: Ask): Promise<WireResponse>
  /** The statuses of so many requests, one after the other. */
  statuses(count: number, ask?: Ask): Promise<number[]>
  /** The statuses of so many requests on connections of their own, all under way before the first is answered; sorted. */
  atOnce(count: number, ask?: Ask): Promise<number[]>
  /** The paths that reached the upstream. */
  readonly reached: string[]
}

export interface LimitedOptions extends Omit<GatewayOptions, 'store'> {
  /** Stands between the gateway and the memory of the test. */
  readonly store?: (memory: Store) => Store
}

/** A gateway by the clock of the test, before an upstream that answers everything. */
export async function runLimited(
  definition: ApiDefinitionInput | readonly ApiDefinitionInput[],
  { store, ...options }: LimitedOptions = {},
): Promise<Limited> {
  const clock = new Clock()
  const memory = memoryStore({ now: () => clock.now })
  const reached: string[] = []
  const running = await run(definition, {
    store: store === undefined ? memory : store(memory),
    forward: (request) => {
      reached.push(request.path)
      return respond(200, 'from the upstream')
    },
    ...options,
  })
  const connection = await connect(running.port)
  const ask = (asked: Ask = {}): Promise<WireResponse> =>
    connection.request(asked.method ?? 'GET', asked.path ?? '/', headersOf(asked), asked.body)
  return {
    ...running,
    clock,
    reached,
    ask,
    async statuses(count, asked) {
      const seen: number[] = []
      for (let i = 0; i < count; i += 1) seen.push((await ask(asked)).status)
      return seen
    },
    async atOnce(count, asked = {}) {
      const connections = await Promise.all(Array.from({ length: count }, () => connect(running.port)))
      const answers = await Promise.all(
        connections.map((each) => each.request(asked.method ?? 'GET', asked.path ?? '/', headersOf(asked))),
      )
      for (const each of connections) each.hangUp()
      return answers.map(({ status }) => status).toSorted((a, b) => a - b)
    },
  }
}

function headersOf({ key, headers = [] }: Ask): string[] {
  return [...(key === undefined ? [] : [`Authorization: ${key}`]), ...headers]
}

/** So many of a status. */
export function times(count: number, status: number): number[] {
  return Array.from({ length: count }, () => status)
}

/** One limit as the `RateLimit` fields tell it; undefined where a field or a parameter is missing. */
export interface Told {
  readonly q: number | undefined
  readonly w: number | undefined
  readonly r: number | undefined
  readonly t: number | undefined
}

/** What `RateLimit-Policy` and `RateLimit` say, by the names of the limits. */
export function told(response: WireResponse): Record<string, Told> {
  const [policies, standings] = [itemsOf(response, 'ratelimit-policy'), itemsOf(response, 'ratelimit')]
  const names = [...new Set([...policies.keys(), ...standings.keys()])]
  return Object.fromEntries(
    names.map((name) => {
      const [policy, standing] = [policies.get(name), standings.get(name)]
      return [name, { q: policy?.get('q'), w: policy?.get('w'), r: standing?.get('r'), t: standing?.get('t') }]
    }),
  )
}

/** How many requests are left, by the names of the limits. */
export function remaining(response: WireResponse): Record<string, number | undefined> {
  return Object.fromEntries(Object.entries(told(response)).map(([name, { r }]) => [name, r]))
}

/** A list of strings with integer parameters (RFC 9651); anything else fails. */
function itemsOf(response: WireResponse, field: string): Map<string, Map<string, number>> {
  const lines = fields(response, field)
  if (lines.length === 0) return new Map()
  return new Map(
    lines
      .join(', ')
      .split(', ')
      .map((item) => {
        const [, name, parameters] = /^"([a-z-]+)"((?:;[a-z]=\d{1,15})*)$/.exec(item) ?? []
        if (name === undefined || parameters === undefined) throw new Error(`Not an item of ${field}: ${item}`)
        const pairs = parameters.split(';').slice(1)
        return [name, new Map(pairs.map((pair) => [pair.charAt(0), Number(pair.slice(2))]))] as const
      }),
  )
}

/** Every field that speaks of limits, by its name in lower case. */
export function limitFields(response: WireResponse): Record<string, string[]> {
  const names = response.headers.map(([name]) => name).filter((name) => /ratelimit|retry-after/.test(name))
  return Object.fromEntries([...new Set(names)].toSorted().map((name) => [name, fields(response, name)]))
}
