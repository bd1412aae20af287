import type { HealthCheckSettings } from '../api.ts'
import type { UpstreamUrl } from '../http/upstream-url.ts'
import type { Target } from './target.ts'
import type { Targets } from './targets.ts'

/** Asks a target how it is; resolves with whether it is well, never rejects. */
export type CheckTarget = (url: UpstreamUrl, path: string, timeoutMs: number) => Promise<boolean>

/** Asks every target in turn, as long as the gateway is open. Until the first answers all count as healthy. */
export class HealthChecks {
  readonly #targets: Targets
  readonly #settings: HealthCheckSettings
  readonly #check: CheckTarget
  readonly #timers = new Map<Target, NodeJS.Timeout>()
  #stopped = false

  constructor(targets: Targets, settings: HealthCheckSettings, check: CheckTarget) {
    this.#targets = targets
    this.#settings = settings
    this.#check = check
    for (const target of targets.all) this.#later(target, 0, 0)
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }

  #later(target: Target, streak: number, ms: number): void {
    this.#timers.set(target, setTimeout(() => void this.#ask(target, streak), ms).unref())
  }

  /** `streak`: how many checks in a row have said the opposite of what holds. */
  async #ask(target: Target, streak: number): Promise<void> {
    const { path, timeoutMs, intervalMs, healthyAfter, unhealthyAfter } = this.#settings
    const well = await this.#check(target.url, path, timeoutMs)
    if (this.#stopped) return
    const against = well === target.checked ? 0 : streak + 1
    const turned = against >= (well ? healthyAfter : unhealthyAfter)
    if (turned) this.#targets.checked(target, well)
    this.#later(target, turned ? 0 : against, intervalMs)
  }
}
