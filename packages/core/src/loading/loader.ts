import { Masks } from '../analytics/masks.ts'
import type { ApiInfo } from '../api.ts'
import { compileChain, unavailableChain } from '../chain/chain.ts'
import type { Events } from '../chain/events.ts'
import type { ParsedDefinition } from '../definition/parse.ts'
import { inOrder, type Problem } from '../definition/problems.ts'
import { describe, GatewayError } from '../errors.ts'
import type { Forwarder } from '../forward/forwarder.ts'
import { Leases } from '../forward/leases.ts'
import type { Pools } from '../forward/pools.ts'
import type { TargetReport } from '../forward/targets.ts'
import { upstreamCheck } from '../forward/upstream-check.ts'
import { upstreamForwarder } from '../forward/upstream-forwarder.ts'
import { upgradeForwarder, withUpgrades } from '../forward/upgrade-forwarder.ts'
import { compileTrust } from '../http/client.ts'
import type { LogTarget } from '../plugins/log.ts'
import type { ModuleUse, PluginModules } from '../plugins/plugin-modules.ts'
import { filePlugins, fromFiles, inPlace, problemOf, releaseAll, type WithPlugins } from './load-plugins.ts'
import { isSame } from './same.ts'
import { infoOf, LoadedApi, type LoneApi } from './loaded-api.ts'
import { pluginsError } from './plugins-error.ts'

/** What the APIs of a gateway are made with. */
export interface Workshop {
  readonly events: Events
  readonly pools: Pools
  readonly log: LogTarget | undefined
  /** The host's own; undefined for the built-in one. */
  readonly forward: Forwarder | undefined
  /** Undefined where no directory is named. */
  readonly modules: PluginModules | undefined
}

/** What became of loading several definitions. */
export interface Loaded {
  readonly apis: readonly LoadedApi[]
  /** Why some of them are not available; undefined when all are. */
  readonly error: GatewayError | undefined
}

/** A definition with everything its plugins need. */
interface Complete extends WithPlugins {
  readonly parsed: ParsedDefinition
}

/** A definition, and what is wrong with its plugins. */
interface Incomplete {
  readonly parsed: ParsedDefinition
  readonly problems: readonly Problem[]
}

function incomplete(parsed: ParsedDefinition, problems: readonly Problem[]): Incomplete {
  return { parsed, problems: inOrder(problems.map((problem) => parsed.place(problem))) }
}

/** Makes running APIs of definitions. */
export class Loader {
  readonly #shop: Workshop
  readonly #alive = new Set<LoadedApi>()
  #closed = false

  constructor(shop: Workshop) {
    this.#shop = shop
  }

  /** What can be made without reading a file; the others answer 503. */
  start(definitions: readonly ParsedDefinition[]): readonly LoadedApi[] {
    return definitions.map((parsed) =>
      filePlugins(parsed.draft).length === 0
        ? this.#finish(parsed, undefined, inPlace(parsed.draft), [], undefined)
        : this.#unavailable(parsed, undefined),
    )
  }

  /**
   * Makes all of them, but for those of `before` that are the same. `all`: or none, and then no `init` is called before every
   * plugin is found. Never rejects.
   */
  async load(
    definitions: readonly ParsedDefinition[],
    before: readonly LoadedApi[],
    { all }: { readonly all: boolean },
  ): Promise<Loaded> {
    const known = new Map(before.map((api) => [api.id, api]))
    const reads = definitions.some(({ draft }) => filePlugins(draft).length > 0)
    const sources = reads ? await this.#modules.refresh() : 0
    const found = await Promise.all(
      definitions.map(async (parsed) => {
        const old = known.get(parsed.draft.id)
        return old !== undefined && isStill(old, parsed, sources) ? old : this.#find(parsed)
      }),
    )
    const missing = found.flatMap((one) => ('problems' in one ? one.problems : []))
    // What arrives after the end is not begun.
    if (this.#closed || (all && missing.length > 0)) {
      await Promise.all(found.map(async (one) => ('uses' in one ? releaseAll(one.uses) : [])))
      return { apis: [], error: missing.length > 0 ? pluginsError(missing) : undefined }
    }
    const made = await Promise.all(
      found.map(async (one) => ('uses' in one ? this.#make(one, sources, known.get(one.parsed.draft.id)) : one)),
    )
    const problems = made.flatMap((one) => (one instanceof LoadedApi ? [] : one.problems))
    const apis = made.map((one) =>
      one instanceof LoadedApi ? one : this.#unavailable(one.parsed, known.get(one.parsed.draft.id)),
    )
    return { apis, error: problems.length === 0 ? undefined : pluginsError(problems) }
  }

  /** The API of a definition, or what is wrong with its plugin files; nothing is started. */
  async check(parsed: ParsedDefinition): Promise<LoneApi | readonly Problem[]> {
    if (filePlugins(parsed.draft).length === 0) return this.#compile(infoOf(parsed, inPlace(parsed.draft)), undefined)
    await this.#modules.refresh()
    const found = await fromFiles(parsed.draft, this.#modules)
    if (!('definition' in found)) return incomplete(parsed, found).problems
    await releaseAll(found.uses)
    return this.#compile(infoOf(parsed, found.definition), undefined)
  }

  /** Lets go of APIs that were made in vain. */
  async discard(apis: readonly LoadedApi[], kept: readonly LoadedApi[]): Promise<void> {
    await Promise.all(apis.filter((api) => !kept.includes(api)).map((api) => api.end()))
  }

  /** Ends whatever is left; plugin files may take that long. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#alive].map((api) => api.end(timeoutMs)))
  }

  get #modules(): PluginModules {
    if (this.#shop.modules === undefined)
      throw new GatewayError('PSTN_INTERNAL', 'Plugins in files were accepted without a directory for them.')
    return this.#shop.modules
  }

  /** Reads the plugin files; calls nothing in them. */
  async #find(parsed: ParsedDefinition): Promise<Complete | Incomplete> {
    if (filePlugins(parsed.draft).length === 0) return { parsed, definition: inPlace(parsed.draft), uses: [] }
    const found = await fromFiles(parsed.draft, this.#modules)
    return 'definition' in found ? { parsed, ...found } : incomplete(parsed, found)
  }

  async #make(
    { parsed, definition, uses }: Complete,
    sources: number,
    old: LoadedApi | undefined,
  ): Promise<LoadedApi | Incomplete> {
    const info = infoOf(parsed, definition)
    const initialised = await Promise.allSettled(uses.map((use) => use.init(info)))
    const broken = initialised.flatMap((one, i) =>
      one.status === 'rejected' ? [problemOf(placeOf(uses[i]!, parsed), one.reason)] : [],
    )
    if (broken.length === 0)
      return this.#finish(parsed, uses.length === 0 ? undefined : sources, definition, uses, old, info)
    await releaseAll(uses)
    return incomplete(parsed, broken)
  }

  #finish(
    parsed: ParsedDefinition,
    sources: number | undefined,
    definition: WithPlugins['definition'],
    uses: WithPlugins['uses'],
    old: LoadedApi | undefined,
    info: ApiInfo = infoOf(parsed, definition),
  ): LoadedApi {
    const { pools } = this.#shop
    const api = this.#compile(info, old)
    const { upstream } = definition
    const letGo = upstream === undefined ? () => undefined : pools.hold(upstream)
    const loaded = new LoadedApi(parsed, sources, api, uses, {
      begin: () => this.#begin(api),
      end: (errors) => {
        this.#alive.delete(loaded)
        api.leases.close()
        letGo()
        for (const error of errors)
          this.#shop.events.warn(
            `close ${info.id}`,
            `A plugin file of API "${info.name}" failed at its end: ${describe(error)}`,
          )
      },
    })
    this.#alive.add(loaded)
    return loaded
  }

  /** Not before it serves: of what is never taken over nobody is to hear. */
  #begin({ info, leases, customForwarder, definition: { upstream } }: LoneApi): void {
    if (customForwarder || upstream === undefined) return
    leases.watch(upstreamCheck(this.#shop.pools, upstream))
    if (!upstream.verifyTls)
      this.#shop.events.warn(
        `verifyTls ${info.id}`,
        `API "${info.name}" accepts any certificate of its upstream (upstream.verifyTls: false): whoever is in between reads and writes as it pleases.`,
      )
  }

  #unavailable(parsed: ParsedDefinition, old: LoadedApi | undefined): LoadedApi {
    const hooks = { pre: [], auth: undefined, postAuth: [], post: [], response: [], analytics: [] }
    const info = infoOf(parsed, { ...parsed.draft, hooks, endpoints: {} })
    const api = {
      ...this.#compile(info, old),
      chain: unavailableChain(info, parsed.draft.hooks.analytics.length > 0),
      available: false,
      passive: false,
    }
    return new LoadedApi(parsed, undefined, api, [], { begin: () => undefined, end: () => api.leases.close() })
  }

  #compile(info: ApiInfo, old: LoadedApi | undefined): LoneApi {
    const { events, pools, log, forward } = this.#shop
    const { definition } = info
    const { upstream } = definition
    const chain = compileChain(info, log)
    const customForwarder = forward !== undefined
    const leases = new Leases(definition, targetReport(info, events))
    return {
      info,
      definition,
      chain,
      upstream: leases.own,
      leases,
      trust: compileTrust(definition.trustedProxies),
      masks: new Masks(definition.secrets, definition.authentication.idExtractor?.source === 'body'),
      forward:
        forward ?? withUpgrades(upstreamForwarder(pools, leases, definition), upgradeForwarder(leases, definition)),
      customForwarder,
      // Of the API, whatever its version: what is forgotten concerns those who are asked in the older one as well.
      forgets: old?.api.forgets ?? { count: 0 },
      effective: new WeakMap(),
      available: true,
      passive:
        chain.request.length + chain.response.length + chain.analytics.length === 0 &&
        upstream === undefined &&
        !customForwarder,
    }
  }
}

/** The first place that names the file. */
function placeOf({ path }: ModuleUse, { draft }: ParsedDefinition): string {
  const first = filePlugins(draft).find(({ plugin }) => plugin.path === path)
  return first === undefined ? 'hooks' : `${first.at}.path`
}

function isStill(old: LoadedApi, { draft, document }: ParsedDefinition, sources: number): boolean {
  return (
    old.available &&
    (old.sources === undefined || old.sources === sources) &&
    isSame(old.parsed.draft, draft) &&
    isSame(old.parsed.document, document)
  )
}

function targetReport(api: ApiInfo, events: Events): TargetReport {
  return {
    circuitBreaker: (target, state) => events.emit('circuitBreaker', { api, target, state }),
    targetHealth: (target, healthy, reason) => events.emit('targetHealth', { api, target, healthy, reason }),
  }
}
