import { type ApiInfo, type GatewayError, isGatewayError, type LogTarget, type ReloadReport } from '@postern/core'
import type { Finding } from '../finding.ts'

/** One request that is over. */
export interface Served {
  readonly method: string
  /** With the names of the query, never its values: keys are sent there. */
  readonly path: string
  /** Undefined: the connection ended before there was an answer. */
  readonly status: number | undefined
  readonly ms: number
  /** The name of the API; undefined where none listens. */
  readonly api: string | undefined
}

export interface Listening {
  readonly url: string
  readonly apis: readonly ApiInfo[]
  /** What is watched for changes; empty for nothing. */
  readonly watched: readonly string[]
}

/** What goes wrong while requests are served. */
export interface Trouble {
  /** The name of the event. */
  readonly event: string
  readonly api: string
  /** `pre plugin "stamp"`, `upstream`. */
  readonly what: string
  readonly message: string
  readonly code?: string
  readonly hook?: string
  readonly plugin?: string
  /** Where in the plugins directory it was thrown: `plugins/orders.js:7`. */
  readonly at?: string
  /** How often it came back since it was told last; left out where it is told for the first time. */
  readonly again?: number
}

/** What a plugin logs. */
export interface PluginLine {
  readonly level: 'info' | 'warn' | 'error'
  /** Who says so: `api`, `hook`, `plugin`; and what the plugin adds. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

/** Everything `serve` has to say while it runs; one implementation for people, one for programs. */
export interface ServeLog {
  /** It does not serve at all. */
  failed(findings: readonly Finding[]): void
  listening(listening: Listening): void
  request(served: Served): void
  reloaded(report: ReloadReport): void
  /** The previous version keeps serving. */
  notReloaded(findings: readonly Finding[]): void
  trouble(trouble: Trouble): void
  warning(message: string): void
  plugin(line: PluginLine): void
  stopping(): void
  stopped(cut: number): void
}

/** Where plugins log, unless the options say something else. What they say at `debug` is for nobody here. */
export function logTarget(log: ServeLog): LogTarget {
  const at =
    (level: PluginLine['level']): LogTarget['info'] =>
    (fields, message) =>
      log.plugin({ level, fields, message })
  return { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') }
}

export function timeOfDay(date: Date = new Date()): string {
  return date.toTimeString().slice(0, 8)
}

/** The message of an error and of what caused it. */
export function messageOf(error: GatewayError): string {
  const { cause } = error
  if (isGatewayError(cause) || !(cause instanceof Error) || error.message.includes(cause.message)) return error.message
  return `${error.message} (${cause.name}: ${cause.message})`
}
