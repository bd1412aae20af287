import createDebug from 'debug'
import type { Hook, Log } from '../hooks.ts'

type Level = keyof Log
type Fields = Readonly<Record<string, unknown>>

/** A logger of pino's shape: fields first, then the message. `console` fits as well. */
export type LogTarget = Readonly<Record<Level, (fields: Record<string, unknown>, message: string) => void>>

/** The logger of one plugin, whatever request it writes about. */
export interface PluginLog {
  /** What the plugin is given for one call. */
  of(call: { readonly requestId: string }): Log
}

/** A plugin's logger, made once: `postern:plugin:<name>` under `debug`, or the host's logger where it passed one. */
export function pluginLog(plugin: string, hook: Hook, api: string, target: LogTarget | undefined): PluginLog {
  const write = target === undefined ? debugWriter(plugin) : targetWriter(target)
  const common = target === undefined ? { api, hook } : { api, hook, plugin }
  return { of: (call) => (write.enabled() ? logOf(write, () => ({ ...common, requestId: call.requestId })) : SILENT) }
}

/** Where lines go. */
export interface LogWriter {
  enabled(): boolean
  write(level: Level, message: string, fields: Fields): void
}

/** `debug`, under `postern:plugin:<name>`. */
export function debugWriter(name: string): LogWriter {
  const write = createDebug(`postern:plugin:${name}`)
  return {
    enabled: () => write.enabled,
    write: (level, message, fields) => {
      if (Object.keys(fields).length === 0) write('%s %s', level, message)
      else write('%s %s %o', level, message, fields)
    },
  }
}

/** The host's own logger. */
export function targetWriter(target: LogTarget): LogWriter {
  return { enabled: () => true, write: (level, message, fields) => target[level]({ ...fields }, message) }
}

/** Functions that need no `this`: plugins take them out of the logger. */
export function logOf(writer: LogWriter, common: () => Fields): Log {
  const at =
    (level: Level): Log[Level] =>
    (message, fields) => {
      if (!writer.enabled()) return
      const ours = common()
      // First in the line, and not to be replaced by what a plugin calls its fields.
      writer.write(level, message, { ...ours, ...fields, ...ours })
    }
  return Object.freeze({ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') })
}

const nothing = (): void => undefined

const SILENT: Log = Object.freeze({ debug: nothing, info: nothing, warn: nothing, error: nothing })
