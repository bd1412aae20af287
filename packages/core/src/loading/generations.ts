import type { Events } from '../chain/events.ts'
import type { ReloadReport } from '../chain/reload-report.ts'
import type { ParsedDefinition, Reading } from '../definition/parse.ts'
import { problemList } from '../definition/problems.ts'
import { GatewayError, isGatewayError } from '../errors.ts'
import { reportOf } from './compare.ts'
import { Generation, type SharedServices } from './generation.ts'
import type { LoadedApi } from './loaded-api.ts'
import type { Loader } from './loader.ts'
import { withinTime } from '../within-time.ts'

/** A reload that waits for the one under way; whoever asks meanwhile waits for the same, with the input of the last. */
interface Waiting {
  input: unknown
  readonly report: Promise<ReloadReport>
}

/** One generation serves; the next is loaded completely, and then takes over, or does not. */
export class Generations {
  readonly #parse: (input: unknown) => Reading
  readonly #loader: Loader
  readonly #shared: SharedServices
  readonly #swap: (generation: Generation) => void
  #current: Generation
  /** Settles with the load under way; never rejects. */
  #working: Promise<unknown> | undefined
  #waiting: Waiting | undefined
  /** Why some APIs of the current generation do not answer. */
  #failure: GatewayError | undefined
  #closed = false
  /** Who waits, and is to hear of `stop` first. */
  readonly #waiters = new Set<() => void>()

  /** Throws `PSTN_DEFINITION_INVALID`. What needs files is loaded from then on. */
  constructor(
    input: unknown,
    parse: (input: unknown) => Reading,
    loader: Loader,
    shared: SharedServices,
    swap: (generation: Generation) => void,
  ) {
    this.#parse = parse
    this.#loader = loader
    this.#shared = shared
    this.#swap = swap
    const reading = parse(input)
    warnOfIgnored(reading, shared.events)
    const apis = loader.start(reading.definitions)
    this.#current = new Generation(apis, shared)
    if (apis.some(({ available }) => !available)) void this.#work(this.#complete(reading.definitions))
  }

  get current(): Generation {
    return this.#current
  }

  /** Resolves when every API can answer. */
  async ready(): Promise<void> {
    await this.#unlessStopped(this.#quiet())
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Rejects at the end of the gateway, however long a plugin file takes. */
  reload(input: unknown): Promise<ReloadReport> {
    return this.#unlessStopped(this.#reload(input))
  }

  /** Not a race with a promise that lives as long as the gateway: it would hold the outcome of each for as long. */
  #unlessStopped<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const stopped = (): void => reject(closed())
      if (this.#closed) stopped()
      else this.#waiters.add(stopped)
      work.then(resolve, reject).finally(() => this.#waiters.delete(stopped))
    })
  }

  #reload(input: unknown): Promise<ReloadReport> {
    if (this.#closed) return Promise.reject(closed())
    if (this.#waiting !== undefined) {
      this.#waiting.input = input
      return this.#waiting.report
    }
    if (this.#working === undefined) return this.#work(this.#exchange(input))
    const report = this.#working.then(() => {
      this.#waiting = undefined
      return this.#work(this.#exchange(waiting.input))
    })
    const waiting: Waiting = { input, report }
    this.#waiting = waiting
    return report
  }

  /** What serves now is the last; what is being loaded is not taken over any more. */
  stop(): void {
    this.#closed = true
    for (const tell of this.#waiters) tell()
  }

  /** Ends everything. What a plugin file is still busy with after that time ends behind our back. */
  async close(timeoutMs: number): Promise<void> {
    this.stop()
    await withinTime(Promise.all([this.#loader.close(timeoutMs), this.#quiet()]), timeoutMs)
  }

  /** Resolves when nothing is being loaded, and nothing waits to be. */
  async #quiet(): Promise<void> {
    while (this.#working !== undefined || this.#waiting !== undefined)
      // Whoever asked for it is told how it ends.
      await (this.#working ?? this.#waiting?.report.catch(() => undefined))
  }

  #work<T>(work: Promise<T>): Promise<T> {
    const done = (): void => {
      if (this.#working === working) this.#working = undefined
    }
    const working = work.then(done, done)
    this.#working = working
    return work
  }

  /** At the start: what can be loaded serves, whatever becomes of the others. */
  async #complete(definitions: readonly ParsedDefinition[]): Promise<void> {
    const { apis, error } = await this.#loader.load(definitions, this.#current.apis, { all: false })
    if (this.#closed) return this.#discard(apis)
    this.#failure = error
    this.#takeOver(new Generation(apis, this.#shared))
    if (error === undefined) return
    const { events } = this.#shared
    events.emit('loadError', { error })
    events.warn('load', `[${error.code}] ${error.message}\nThe APIs concerned answer 503.`)
  }

  async #exchange(input: unknown): Promise<ReloadReport> {
    const { events } = this.#shared
    if (this.#closed) throw closed()
    try {
      const reading = this.#parse(input)
      const before = this.#current.apis
      const { apis, error } = await this.#loader.load(reading.definitions, before, { all: true })
      const refusal = this.#closed ? closed() : error
      if (refusal !== undefined) {
        await this.#discard(apis)
        throw refusal
      }
      warnOfIgnored(reading, events)
      this.#failure = undefined
      this.#takeOver(new Generation(apis, this.#shared))
      const report = reportOf(before, apis)
      warnOfOpened(before, apis, events)
      events.emit('reload', report)
      return report
    } catch (error) {
      if (isGatewayError(error) && !this.#closed) events.emit('loadError', { error })
      throw error
    }
  }

  #takeOver(next: Generation): void {
    const before = this.#current
    this.#current = next
    this.#swap(next)
    before.retire()
  }

  #discard(apis: readonly LoadedApi[]): Promise<void> {
    return this.#loader.discard(apis, this.#current.apis)
  }
}

function closed(): GatewayError {
  return new GatewayError('PSTN_CLOSED', 'The gateway was closed.')
}

/** The routes of an API without an upstream are the host application's, and go on without it. */
function warnOfOpened(before: readonly LoadedApi[], after: readonly LoadedApi[], events: Events): void {
  const ids = new Set(after.map(({ id }) => id))
  for (const { id, api } of before) {
    const guarded = api.upstream === undefined && !api.customForwarder && !api.passive
    if (ids.has(id) || !guarded) continue
    const { name, definition } = api.info
    events.warn(
      `removed ${id}`,
      `A reload has removed API "${name}", which has no upstream: what the host application serves at ${definition.listenPath} is not guarded by it any more.`,
    )
  }
}

/** Once, so that nobody takes what has no effect for a guard. */
function warnOfIgnored({ title, warnings }: Reading, events: Events): void {
  if (warnings.length === 0) return
  const text = `${title}: this has no effect here, or another one than it reads:\n${problemList(warnings)}`
  events.warn(text, text)
}
