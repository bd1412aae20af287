import type { ApiInfo } from '../api.ts'
import type { ParsedDefinition } from '../definition/parse.ts'
import type { CompiledApi, Services } from '../chain/compiled-api.ts'
import type { ModuleUse } from '../plugins/plugin-modules.ts'
import { releaseAll, type WithPlugins } from './load-plugins.ts'

/** An API of which everything is there but the others it may call. */
export type LoneApi = Omit<CompiledApi, 'services'>

/** What an API is loaded from and holds. Generations that have it unchanged share it; it ends with the last of them. */
export class LoadedApi {
  readonly parsed: ParsedDefinition
  /** Which state of the plugins directory its plugins are of; undefined where none stands in a file. */
  readonly sources: number | undefined
  /** False: its plugins are not there (yet); it answers 503. */
  readonly available: boolean
  readonly api: LoneApi
  readonly #uses: readonly ModuleUse[]
  readonly #end: (errors: readonly unknown[]) => void
  #holders = 0
  #ended: Promise<void> | undefined

  /** `end` lets go of what was made for the API; it is told what the modules threw at their end. */
  constructor(
    parsed: ParsedDefinition,
    sources: number | undefined,
    api: LoneApi,
    uses: readonly ModuleUse[] | 'unavailable',
    end: (errors: readonly unknown[]) => void,
  ) {
    this.parsed = parsed
    this.sources = sources
    this.api = api
    this.available = uses !== 'unavailable'
    this.#uses = uses === 'unavailable' ? [] : uses
    this.#end = end
  }

  get id(): string {
    return this.api.info.id
  }

  /** The API among others. */
  among(services: Services): CompiledApi {
    return { ...this.api, services }
  }

  hold(): void {
    this.#holders += 1
  }

  letGo(): void {
    this.#holders -= 1
    if (this.#holders === 0) void this.end()
  }

  /** Ends it whoever holds it. Never rejects. */
  end(): Promise<void> {
    this.#ended ??= releaseAll(this.#uses).then(this.#end)
    return this.#ended
  }
}

/** What plugins learn of an API. */
export function infoOf({ draft, document }: ParsedDefinition, definition: WithPlugins['definition']): ApiInfo {
  const { id, orgId, name } = draft
  return Object.freeze({ id, orgId, name, definition, document })
}
