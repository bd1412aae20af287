import { AsyncLocalStorage } from 'node:async_hooks'
import type { Log } from '../hooks.ts'
import { hostLog } from '../plugins/host-log.ts'
import { debugWriter, type LogTarget, logOf, type LogWriter, targetWriter } from '../plugins/log.ts'
import type { Exchange } from './exchange.ts'
import type { PluginTrace } from './traces.ts'
import { pluginChannel } from './tracing.ts'

/** The plugin call that something happens in. */
const running = new AsyncLocalStorage<PluginTrace>()
let listening = false

/**
 * A logger for the scope of a module. What is written within a plugin call has the fields of that call (`api`, `hook`,
 * `plugin`, `requestId`), however deep below it, and goes to the logger of its gateway; anything else goes to that of the
 * gateway that was made last. Where the gateway has no `log`, it is `debug`: `postern:plugin:<name>`.
 *
 * @example
 * const log = getLogger('prices')
 * export const price = async (sku: string) => log.info('asked', { sku })
 */
export function getLogger(name: string): Log {
  // Until somebody asks for a logger, plugin calls need not be told apart, and nothing is spent on it.
  if (!listening) pluginChannel.start.bindStore(running, (trace) => trace)
  listening = true
  const debug = debugWriter(name)
  const fieldsOfCall = (): Readonly<Record<string, unknown>> => {
    const trace = running.getStore()
    if (trace === undefined) return {}
    const { api, hook, plugin, exchange } = trace
    return { api: api.name, hook, plugin, requestId: (exchange as Exchange).requestId }
  }
  const writer: LogWriter = {
    enabled: () => targetOfNow() !== undefined || debug.enabled(),
    write: (level, message, fields) => {
      const target = targetOfNow()
      if (target === undefined) debug.write(level, message, fields)
      else targetWriter(target).write(level, message, { logger: name, ...fields })
    },
  }
  return logOf(writer, fieldsOfCall)
}

function targetOfNow(): LogTarget | undefined {
  const trace = running.getStore()
  return trace === undefined ? hostLog() : (trace.exchange as Exchange).api.services.log
}
