import type { ApiInfo } from '../api.ts'
import type { ParsedDefinition } from '../definition/parse.ts'
import type { CompiledApi, Services } from '../chain/compiled-api.ts'
import type { ModuleUse } from '../plugins/plugin-modules.ts'
import { releaseAll, type WithPlugins } from './load-plugins.ts'

/** An API of which everything is there but the others it may call. */
export type LoneApi = Omit<CompiledApi, 'services'>

/** What is done for an API beside answering its requests. */
interface Life {
  /** It serves from now on. */
  begin(): void
  /** Lets go of what was made for it; told what its modules threw at their end. */
  end(errors: readonly unknown[]): void
}

/** What an API is loaded from and holds. Generations that have it unchanged share it; it ends with the last of them. */
export class LoadedApi {
  readonly parsed: ParsedDefinition
  /** Which state of the plugins directory its plugins are of; undefined where none stands in a file. */
  readonly sources: number | undefined
  readonly api: LoneApi
  readonly #uses: readonly ModuleUse[]
  readonly #life: Life
  #begun = false
  #holders = 0
  #ended: Promise<void> | undefined

  constructor(
    parsed: ParsedDefinition,
    sources: number | undefined,
    api: LoneApi,
    uses: readonly ModuleUse[],
    life: Life,
  ) {
    this.parsed = parsed
    this.sources = sources
    this.api = api
    this.#uses = uses
    this.#life = life
  }

  get id(): string {
    return this.api.info.id
  }

  get available(): boolean {
    return this.api.available
  }

  /** The API among others. */
  among(services: Services): CompiledApi {
    return { ...this.api, services }
  }

  hold(): void {
    this.#holders += 1
    if (this.#begun) return
    this.#begun = true
    for (const use of this.#uses) use.begin()
    this.#life.begin()
  }

  letGo(): void {
    this.#holders -= 1
    if (this.#holders === 0) void this.end()
  }

  /** Ends it whoever holds it; its modules may take that long. Never rejects. */
  end(timeoutMs?: number): Promise<void> {
    this.#ended ??= releaseAll(this.#uses, timeoutMs).then((errors) => this.#life.end(errors))
    return this.#ended
  }
}

/** What plugins learn of an API. */
export function infoOf({ draft, document }: ParsedDefinition, definition: WithPlugins['definition']): ApiInfo {
  const { id, orgId, name } = draft
  return Object.freeze({ id, orgId, name, definition, document })
}
