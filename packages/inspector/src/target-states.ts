import type { Gateway } from '@postern/core'

export interface TargetState {
  readonly healthy: boolean
  readonly breaker: string
}

const WELL: TargetState = { healthy: true, breaker: 'closed' }
/** Targets plugins choose could be any number. */
const MOST = 1_000

/** How targets are. Listens as long as the inspector is there: a page opened later has to know. */
export class TargetStates {
  readonly #states = new Map<string, TargetState>()
  readonly #stops: (() => void)[]

  constructor(gateway: Pick<Gateway, 'on'>) {
    this.#stops = [
      gateway.on('targetHealth', ({ api, target, healthy }) => this.#set(api.id, target, { healthy })),
      gateway.on('circuitBreaker', ({ api, target, state }) => this.#set(api.id, target, { breaker: state })),
      gateway.on('reload', ({ removed, changed }) => {
        // Their targets are new ones, and well until shown otherwise.
        for (const { id } of [...removed, ...changed.map(({ api }) => api)]) this.#forget(id)
      }),
    ]
  }

  of(api: string, target: string): TargetState {
    return this.#states.get(keyOf(api, target)) ?? WELL
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }

  #set(api: string, target: string, change: Partial<TargetState>): void {
    const key = keyOf(api, target)
    if (!this.#states.has(key) && this.#states.size >= MOST) return
    this.#states.set(key, { ...this.of(api, target), ...change })
  }

  #forget(api: string): void {
    for (const key of this.#states.keys()) if (key.startsWith(`${api} `)) this.#states.delete(key)
  }
}

function keyOf(api: string, target: string): string {
  return `${api} ${target.replace(/\/$/, '')}`
}
