import type { ApiDefinition } from '../api.ts'
import type { PluginSettings } from '../api-input.ts'
import type { Plugins } from '../hooks.ts'

/** A plugin that stands in a file nobody has read yet. */
export interface FilePlugin {
  /** As the definition has it. */
  readonly path: string
  readonly functionName: string
  readonly name: string
  readonly timeoutMs: number | undefined
  readonly plugin?: undefined
}

export type DraftPlugin<P> = PluginSettings<P> | FilePlugin

type DraftPlugins<H extends keyof Plugins> = readonly DraftPlugin<Plugins[H]>[]

/** A validated definition, every default filled in, some of whose plugins may still stand in files. */
export interface Draft extends Omit<ApiDefinition, 'hooks' | 'endpoints'> {
  readonly hooks: {
    readonly pre: DraftPlugins<'pre'>
    readonly auth: DraftPlugin<Plugins['auth']> | undefined
    readonly postAuth: DraftPlugins<'postAuth'>
    readonly post: DraftPlugins<'post'>
    readonly response: DraftPlugins<'response'>
    readonly analytics: DraftPlugins<'analytics'>
  }
  readonly endpoints: Readonly<Record<string, DraftPlugins<'endpoint'>>>
}
