import { tracingChannel, type TracingChannel, type TracingChannelSubscribers } from 'node:diagnostics_channel'
import type { ApiInfo, HookTrace, PluginTrace, RequestTrace, UpstreamTrace } from '@postern/core'
import { changesOf, collectSecrets, type Fields, fieldsOf } from './fields.ts'
import { escaped, maskQueries, Masking, SecretTexts, withoutUser } from './masking.ts'
import type { ShownRequest, ShownSpan } from './shown.ts'

const MOST_SPANS = 60
const MOST_OPEN = 5_000
const LONGEST_URL = 2_000

interface Followed {
  readonly shown: ShownRequest
  readonly startedAt: number
  readonly masking: Masking
  readonly secrets: SecretTexts
}

interface Begun {
  readonly span: ShownSpan
  readonly fields: Fields | undefined
}

type Tracing<T extends object> = TracingChannel<unknown, T>

/** Follows requests through the diagnostics channels of postern; what is here lives no longer than they do. */
export class Requests {
  readonly #isOurs: (api: ApiInfo) => boolean
  readonly #onEnd: (request: ShownRequest) => void
  readonly #onLate: (request: ShownRequest) => void
  readonly #maskings = new WeakMap<ApiInfo, Masking>()
  /** Weak: analytics plugins run after the end. */
  readonly #followed = new WeakMap<object, Followed>()
  readonly #begun = new WeakMap<object, Begun>()
  readonly #stops: (() => void)[] = []
  #open = new Set<object>()
  #last = 0

  constructor(
    isOurs: (api: ApiInfo) => boolean,
    onEnd: (request: ShownRequest) => void,
    onLate: (request: ShownRequest) => void,
  ) {
    this.#isOurs = isOurs
    this.#onEnd = onEnd
    this.#onLate = onLate
  }

  /** How many are under way. */
  get open(): number {
    return this.#open.size
  }

  start(): void {
    this.#listen<RequestTrace>('request', {
      start: (trace) => this.#requestStarts(trace),
      ended: (trace) => this.#requestEnds(trace),
    })
    this.#listen<HookTrace>('hook', {
      start: (trace) => this.#spanStarts(trace, { kind: 'hook', hook: trace.hook, name: trace.hook }),
      ended: (trace) => this.#spanEnds(trace, trace.outcome ?? 'failed'),
    })
    this.#listen<PluginTrace>('plugin', {
      start: (trace) => {
        this.#spanStarts(trace, { kind: 'plugin', hook: trace.hook, name: trace.plugin }, (followed) => {
          const fields = fieldsOf(trace.hook, trace.subject)
          collectSecrets(fields, followed.masking, followed.secrets)
          return fields
        })
      },
      ended: (trace) => this.#pluginEnds(trace),
    })
    this.#listen<UpstreamTrace>('upstream', {
      start: (trace) => this.#spanStarts(trace, { kind: 'upstream', hook: '', name: 'upstream' }),
      ended: (trace) => this.#upstreamEnds(trace),
    })
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
    this.#open = new Set()
  }

  #listen<T extends object>(
    name: string,
    { start, ended }: { readonly start: (trace: T) => void; readonly ended: (trace: T) => void },
  ): void {
    const channel: Tracing<T> = tracingChannel(`postern:${name}`)
    const nothing = (): void => undefined
    // Both, since either ends a trace: `end` what was done at once, `asyncEnd` what had to be waited for.
    const subscribers: TracingChannelSubscribers<T> = {
      start,
      end: ended,
      asyncEnd: ended,
      asyncStart: nothing,
      error: nothing,
    }
    channel.subscribe(subscribers)
    this.#stops.push(() => channel.unsubscribe(subscribers))
  }

  #maskingOf(api: ApiInfo): Masking {
    const known = this.#maskings.get(api)
    if (known !== undefined) return known
    const masking = new Masking(api)
    this.#maskings.set(api, masking)
    return masking
  }

  #requestStarts(trace: RequestTrace): void {
    const { api, exchange, request, startedAt, parent } = trace
    if (!this.#isOurs(api) || this.#open.size >= MOST_OPEN) return
    const masking = this.#maskingOf(api)
    const secrets = new SecretTexts()
    collectSecrets(fieldsOf('pre', request), masking, secrets)
    const query = [...request.query].map(([name]) => `${escaped(name)}=***`).join('&')
    const under = api.definition.listenPath === '/' ? '' : api.definition.listenPath
    const url = secrets.show(`${under}${request.path}`).slice(0, LONGEST_URL)
    this.#last += 1
    const shown: ShownRequest = {
      n: this.#last,
      id: secrets.show(trace.requestId),
      api: api.name,
      time: Date.now() - (performance.now() - startedAt),
      method: secrets.show(request.method),
      url: query === '' ? url : `${url}?${query.slice(0, 300)}`,
      parent: (parent !== undefined && this.#followed.get(parent)?.shown.n) || null,
      status: 0,
      code: '',
      ms: 0,
      spans: [],
    }
    this.#open.add(exchange)
    this.#followed.set(exchange, { shown, startedAt, masking, secrets })
  }

  #requestEnds({ exchange, status, code, durationMs }: RequestTrace): void {
    const followed = this.#followed.get(exchange)
    if (followed === undefined || !this.#open.delete(exchange)) return
    const { shown } = followed
    shown.status = status ?? 0
    shown.code = code ?? ''
    shown.ms = durationMs ?? 0
    this.#onEnd(shown)
  }

  #spanStarts(
    trace: HookTrace | PluginTrace | UpstreamTrace,
    what: Pick<ShownSpan, 'kind' | 'hook' | 'name'>,
    look?: (followed: Followed) => Fields,
  ): void {
    const followed = this.#followed.get(trace.exchange)
    if (followed === undefined || followed.shown.spans.length >= MOST_SPANS) return
    const at = trace.startedAt - followed.startedAt
    const span: ShownSpan = { ...what, at, ms: 0, outcome: 'running', note: '', changes: [] }
    followed.shown.spans.push(span)
    this.#begun.set(trace, { span, fields: look?.(followed) })
  }

  #spanEnds(trace: HookTrace | PluginTrace | UpstreamTrace, outcome: string): void {
    const begun = this.#begun.get(trace)
    if (begun === undefined) return
    begun.span.ms = trace.durationMs ?? 0
    begun.span.outcome = outcome
    const followed = this.#followed.get(trace.exchange)
    if (followed === undefined) return
    if (trace.error !== undefined && begun.span.kind !== 'hook')
      begun.span.note = followed.secrets.show(messageOf(trace.error))
    if (!this.#open.has(trace.exchange)) this.#onLate(followed.shown)
  }

  #pluginEnds(trace: PluginTrace): void {
    const begun = this.#begun.get(trace)
    const followed = this.#followed.get(trace.exchange)
    if (begun?.fields === undefined || followed === undefined) return
    const { masking, secrets } = followed
    const after = fieldsOf(trace.hook, trace.subject)
    collectSecrets(after, masking, secrets)
    begun.span.changes = changesOf(begun.fields, after, masking, secrets)
    begun.span.note = secrets.show(decisionOf(trace.result))
    this.#spanEnds(trace, trace.outcome ?? 'failed')
  }

  #upstreamEnds(trace: UpstreamTrace): void {
    const begun = this.#begun.get(trace)
    if (begun === undefined) return
    const { target, attempts = 1, status } = trace
    const where = target === undefined ? 'the host application' : withoutUser(target)
    const again = attempts > 1 ? `, sent ${attempts} times` : ''
    this.#spanEnds(trace, status === undefined ? 'failed' : 'answered')
    const { note } = begun.span
    begun.span.note = maskQueries(`${where}${again}${status === undefined ? '' : `: ${status}`}${note && `: ${note}`}`)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What a plugin returned, in words; what it says to the client is its own affair. */
function decisionOf(result: unknown): string {
  if (typeof result !== 'object' || result === null) return ''
  if (result instanceof Response) return `answers ${result.status}`
  const { responseCode, responseError } = result as { responseCode?: unknown; responseError?: unknown }
  if (typeof responseCode !== 'number') return ''
  return typeof responseError === 'string' && responseError !== ''
    ? `${responseCode} ${responseError}`
    : `answers ${responseCode}`
}
