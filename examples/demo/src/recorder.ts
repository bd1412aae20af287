import { tracingChannel } from 'node:diagnostics_channel'
import type { AnalyticsRecord, GatewayRequest, GatewayResponse, Hook, PluginTrace } from '@postern/core'
import type { Hit } from './upstreams.ts'

/** One thing a plugin changed: a header or a field, before and after; undefined where there was or is none. */
export interface Change {
  readonly name: string
  readonly before: string | undefined
  readonly after: string | undefined
}

/** One plugin call, in milliseconds of `performance.now()`. */
export interface Call {
  readonly hook: Hook
  readonly plugin: string
  readonly start: number
  readonly end: number
  readonly changes: readonly Change[]
  /** What it decided, in words; undefined when it let the request pass. */
  readonly decision: string | undefined
}

/** Everything seen of one request, told after its record has passed the analytics plugin. */
export interface Seen {
  readonly record: AnalyticsRecord
  readonly calls: readonly Call[]
  readonly hits: readonly Hit[]
}

type Fields = ReadonlyMap<string, string>

export interface Recorder {
  addHit(hit: Hit): void
  stop(): void
}

/** Listens to `tracing:postern:plugin:*` and looks at each plugin's subject before and after its call. */
export function startRecorder(onSeen: (seen: Seen) => void): Recorder {
  const began = new Map<PluginTrace, { readonly at: number; readonly fields: Fields }>()
  const callsOf = new Map<object, Call[]>()
  let hits: Hit[] = []

  const start = (trace: PluginTrace): void => {
    began.set(trace, { fields: fieldsOf(trace), at: performance.now() })
  }
  const end = (trace: PluginTrace): void => {
    const now = performance.now()
    const before = began.get(trace)
    if (before === undefined) return
    began.delete(trace)
    const { hook, plugin, exchange } = trace
    const changes = changesOf(before.fields, fieldsOf(trace))
    const call: Call = { hook, plugin, start: before.at, end: now, changes, decision: decisionOf(trace) }
    const calls = [...(callsOf.get(exchange) ?? []), call]
    callsOf.set(exchange, calls)
    if (hook !== 'analytics') return
    callsOf.delete(exchange)
    const own = hits.filter((hit) => hit.start >= calls[0]!.start)
    hits = []
    onSeen({ record: trace.subject as AnalyticsRecord, calls, hits: own })
  }

  // `end` ends a synchronous plugin, `asyncEnd` one that returned a promise.
  const subscribers = { start, end, asyncStart: () => undefined, asyncEnd: end, error: () => undefined }
  const channel = tracingChannel<string, PluginTrace>('postern:plugin')
  channel.subscribe(subscribers)
  return { addHit: (hit) => void hits.push(hit), stop: () => channel.unsubscribe(subscribers) }
}

function fieldsOf({ hook, subject }: PluginTrace): Fields {
  if (hook === 'analytics')
    return new Map(Object.entries(subject).map(([name, value]) => [name, JSON.stringify(value).replaceAll('"', '')]))
  if (hook === 'response') {
    const { status, headers } = subject as GatewayResponse
    return new Map([['status', String(status)], ...headersOf(headers)])
  }
  const { method, path, query, upstream, headers } = subject as GatewayRequest
  return new Map([
    ['method', method],
    ['path', path],
    ['upstream', upstream ?? ''],
    ...[...query].map(([name, value]) => [`?${name}`, value] as const),
    ...headersOf(headers),
  ])
}

function headersOf(headers: GatewayRequest['headers']): (readonly [string, string])[] {
  return [...new Set([...headers].map(([name]) => name))].map((name) => [name, headers.get(name) ?? ''])
}

function changesOf(before: Fields, after: Fields): Change[] {
  const names = new Set([...before.keys(), ...after.keys()])
  return [...names]
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => ({ name, before: before.get(name), after: after.get(name) }))
}

function decisionOf({ hook, result, error }: PluginTrace): string | undefined {
  if (error !== undefined) return `broke: ${error instanceof Error ? error.message : 'no Error'}`
  if (result === false) return 'drops the record'
  if (typeof result !== 'object' || result === null) return undefined
  if (result instanceof Response) return `answers ${result.status}`
  if (hook === 'auth' && 'metadata' in result) return `lets in ${(result.metadata as { token: string }).token}`
  const { responseCode, responseError } = result as { responseCode: number; responseError?: string }
  return responseError === undefined ? `answers ${responseCode}` : `denies ${responseCode} ${responseError}`
}
