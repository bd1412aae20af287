import type { ApiInfo } from '../api.ts'
import type { PluginSettings } from '../api-input.ts'
import type { Hook, Plugins } from '../hooks.ts'
import { type LogTarget, type PluginLog, pluginLog } from './log.ts'

/** A plugin ready to be called: everything that can be named or made at boot is in here. */
export interface LoadedPlugin<H extends Hook = Hook> {
  readonly hook: H
  readonly name: string
  readonly api: ApiInfo
  readonly run: Plugins[H]
  readonly timeoutMs: number
  readonly log: PluginLog
}

/** Makes a plugin of a definition's entry. `position` names a function that has no name. */
export function loadPlugin<H extends Hook>(
  hook: H,
  settings: PluginSettings<Plugins[H]>,
  position: string,
  api: ApiInfo,
  target: LogTarget | undefined,
): LoadedPlugin<H> {
  const name =
    settings.name ??
    (settings.plugin.name === '' || settings.plugin.name === 'plugin' ? position : settings.plugin.name)
  return {
    hook,
    name,
    api,
    run: settings.plugin,
    timeoutMs: settings.timeoutMs ?? api.definition.pluginTimeoutMs,
    log: pluginLog(name, hook, api.name, target),
  }
}
