import createDebug from 'debug'
import type { Hook, Log } from '../hooks.ts'

type Level = keyof Log

/** A logger of pino's shape: fields first, then the message. `console` fits as well. */
export type LogTarget = Readonly<Record<Level, (fields: Record<string, unknown>, message: string) => void>>

/** A plugin's logger, made once: `postern:plugin:<name>` under `debug`, or the host's logger where it passed one. */
export function pluginLog(plugin: string, hook: Hook, api: string, target: LogTarget | undefined): Log {
  const at =
    target === undefined ? debugLevels(`postern:plugin:${plugin}`) : targetLevels(target, { api, hook, plugin })
  return Object.freeze({ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') })
}

function debugLevels(namespace: string): (level: Level) => Log[Level] {
  const write = createDebug(namespace)
  return (level) => (message, fields) => {
    if (!write.enabled) return
    if (fields === undefined) write('%s %s', level, message)
    else write('%s %s %o', level, message, fields)
  }
}

function targetLevels(target: LogTarget, base: Readonly<Record<string, unknown>>): (level: Level) => Log[Level] {
  return (level) => (message, fields) => target[level]({ ...base, ...fields, ...base }, message)
}
