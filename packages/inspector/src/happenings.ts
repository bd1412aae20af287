import type { Gateway, GatewayEvents } from '@postern/core'
import { maskQueries, withoutUser } from './masking.ts'
import type { ShownEvent } from './shown.ts'

const KEPT = 60
const LONGEST = 300

/** What has happened beside requests. Plugins and upstreams that fail are seen in the requests they failed. */
export class Happenings {
  readonly #gateway: Pick<Gateway, 'on'>
  readonly #list: ShownEvent[] = []
  readonly #always: readonly (() => void)[]
  #stops: readonly (() => void)[] = []

  constructor(gateway: Pick<Gateway, 'on'>) {
    this.#gateway = gateway
    // Few, and worth knowing afterwards; nobody is warned of them in any case.
    this.#always = [
      gateway.on('reload', (report) => this.#add('reload', reloaded(report))),
      gateway.on('loadError', ({ error }) => this.#add('load failed', error.message)),
      gateway.on('targetHealth', ({ api, target, healthy, reason }) =>
        this.#add(healthy ? 'target well' : 'target unwell', `${api.name}: ${withoutUser(target)} (${reason})`),
      ),
      gateway.on('circuitBreaker', ({ api, target, state }) =>
        this.#add(`circuit ${state}`, `${api.name}: ${withoutUser(target)}`),
      ),
    ]
  }

  get list(): readonly ShownEvent[] {
    return this.#list
  }

  start(): void {
    const on: Gateway['on'] = (event, listener) => this.#gateway.on(event, listener)
    this.#stops = [
      on('storeError', ({ api, feature, outcome, error }) =>
        this.#add('store failed', `${api.name}: ${feature}, ${outcome}: ${error.message}`),
      ),
      on('rateLimitExceeded', ({ api, limit, endpoint, max, periodMs }) =>
        this.#add('rate limit', `${api.name}: ${max} in ${periodMs / 1000} s, of the ${limit}${at(endpoint)}`),
      ),
      on('quotaExceeded', ({ api, max }) => this.#add('quota', `${api.name}: ${max} used up`)),
      on('quotaThreshold', ({ api, percent }) => this.#add('quota', `${api.name}: ${percent} % used`)),
      on('lateChange', ({ api, path }) => this.#add('late change', `${api.name}: ${path}`)),
    ]
  }

  stop(): void {
    for (const stop of this.#stops) stop()
    this.#stops = []
  }

  close(): void {
    this.stop()
    for (const stop of this.#always) stop()
  }

  #add(kind: string, text: string): void {
    const shown = maskQueries(text).slice(0, LONGEST)
    const last = this.#list.at(-1)
    const again = last?.kind === kind && last.text === shown
    if (again) this.#list.pop()
    this.#list.push({ time: Date.now(), kind, text: shown, times: again ? last.times + 1 : 1 })
    if (this.#list.length > KEPT) this.#list.shift()
  }
}

function at(endpoint: string): string {
  return endpoint === '' ? '' : ` at ${endpoint}`
}

/** `+ added`, `- removed`, `~ changed (which keys)`. */
function reloaded({ added, removed, changed, unchanged }: GatewayEvents['reload']): string {
  return [
    ...added.map(({ name }) => `+ ${name}`),
    ...removed.map(({ name }) => `- ${name}`),
    ...changed.map(({ api, keys }) => `~ ${api.name} (${keys.join(', ')})`),
    `${unchanged} unchanged`,
  ].join('; ')
}
