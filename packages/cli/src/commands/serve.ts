import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readDefinitions, watch } from '@postern/files'
import { type DefinitionSource, isGatewayError } from '@postern/core'
import { createGateway, createServer, type HttpGateway, stopOnSignals } from '@postern/http'
import { nearest } from '@postern/core/store'
import { parseArguments, UsageError } from '../arguments.ts'
import { type Command, HELP_OPTION, JSON_OPTION } from '../command.ts'
import { examine } from '../inspect.ts'
import { findingOf, findingsOf, type Gathered, gather, inOurWords, SOURCE_OPTIONS } from '../loading.ts'
import { noticingExit } from '../noticed-exit.ts'
import type { Output } from '../output.ts'
import { withProgress } from '../progress.ts'
import { milliseconds } from '../serve/duration.ts'
import { jsonLog } from '../serve/json-log.ts'
import { logTarget, type ServeLog } from '../serve/log.ts'
import { tellingRepeatedTroublesOnce } from '../serve/repeated-troubles.ts'
import { textLog } from '../serve/text-log.ts'
import { watchTroubles } from '../serve/troubles.ts'
import { RequestWatch } from '../serve/watch-requests.ts'

const OPTIONS = {
  port: { type: 'string', short: 'p', value: 'PORT', says: 'default 8080; 0 takes any that is free' },
  host: { type: 'string', value: 'ADDRESS', says: 'default 127.0.0.1; 0.0.0.0 lets other machines in' },
  watch: { type: 'boolean', says: 'reload when definitions or plugins change; the default on a terminal' },
  'no-watch': { type: 'boolean', says: 'never reload; the default elsewhere' },
  grace: { type: 'string', value: 'TIME', says: 'requests in flight may take this long after a signal; default 10s' },
  log: { type: 'string', value: 'text|json|none', says: 'one line for each request; default text' },
  ...SOURCE_OPTIONS,
  json: { ...JSON_OPTION.json, says: 'the same as --log json' },
  ...HELP_OPTION,
} as const

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
const LOGS = ['text', 'json', 'none']

export const serve: Command = {
  name: 'serve',
  usage: 'FILE... [--port 8080] [--host 127.0.0.1] [--watch] [--plugins DIR] [--options FILE] [--log text]',
  says: 'a gateway of its own: serves definitions, reloads them, stops gracefully',
  options: OPTIONS,
  async run(args, output) {
    const { values, positionals: files } = parseArguments(args, OPTIONS)
    const settings = readSettings(values, files, output)
    if (settings.log === 'json') output.out.reserve(process.stderr)
    const gathered = await withProgress(output.err, 'loading', () => gather(files, values))
    const log = tellingRepeatedTroublesOnce(settings.log === 'json' ? jsonLog(output) : textLog(output))
    const gateway = await start(gathered, log, output)
    if (gateway === undefined) return 1
    return new Serving(gateway, gathered, files, settings, log).run()
  },
}

interface Settings {
  readonly port: number
  readonly host: string
  readonly watch: boolean
  readonly graceMs: number
  readonly log: string
}

function readSettings(
  values: ReturnType<typeof parseArguments<typeof OPTIONS>>['values'],
  files: readonly string[],
  { out }: Output,
): Settings {
  if (files.length === 0) throw new UsageError('Name the definitions to serve: postern serve FILE...')
  if (values.watch && values['no-watch']) throw new UsageError('--watch and --no-watch exclude each other.')
  const { port = '8080', host = '127.0.0.1', grace = '10s' } = values
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new UsageError(`Found --port ${JSON.stringify(port)}; expected a number from 0 to 65535.`)
  const graceMs = milliseconds(grace)
  if (graceMs === undefined)
    throw new UsageError(`Found --grace ${JSON.stringify(grace)}; expected a time such as 10s, 500ms or 2m.`)
  const log = values.log ?? (values.json ? 'json' : 'text')
  if (!LOGS.includes(log)) {
    const meant = nearest(log, LOGS)
    const hint = meant === undefined ? '' : ` did you mean ${meant}?`
    throw new UsageError(`Found --log ${JSON.stringify(log)};${hint} expected text, json or none.`)
  }
  if (values.json && log !== 'json') throw new UsageError(`--json and --log ${log} exclude each other.`)
  const watching = values.watch || (!values['no-watch'] && out.interactive)
  return { port: Number(port), host, watch: watching, graceMs, log }
}

/** A gateway that can answer, or undefined where something is wrong, which is said then. */
async function start(gathered: Gathered, log: ServeLog, output: Output): Promise<HttpGateway | undefined> {
  const { err, warnings } = output
  const found = await withProgress(err, 'loading plugins', () => examine(gathered))
  if (!('apis' in found)) {
    log.failed(found)
    return undefined
  }
  try {
    const gateway = createGateway(gathered.sources, { log: logTarget(log), ...gathered.options })
    watchTroubles(gateway, gathered.options.pluginsDirectory, (trouble) => log.trouble(trouble))
    await withProgress(err, 'starting', () => gateway.ready())
    warnings.sayTo((message) => log.warning(message))
    for (const { message } of found.inactive) log.warning(message)
    return gateway
  } catch (error) {
    // The gateway has warned of the same.
    warnings.forget()
    log.failed(findingsOf(error))
    return undefined
  }
}

/** A gateway on a port, until a signal ends it. */
class Serving {
  readonly #gateway: HttpGateway
  readonly #gathered: Gathered
  readonly #files: readonly string[]
  readonly #settings: Settings
  readonly #log: ServeLog

  constructor(gateway: HttpGateway, gathered: Gathered, files: readonly string[], settings: Settings, log: ServeLog) {
    this.#gateway = gateway
    this.#gathered = gathered
    this.#files = files
    this.#settings = settings
    this.#log = log
  }

  async run(): Promise<number> {
    const server = this.#createServer()
    const stopped = this.#untilStopped(server)
    try {
      await listen(server, this.#settings)
    } catch (error) {
      this.#log.failed([findingOf({ path: '', message: listenError(error, this.#settings) }, 'error', 'listen')])
      await this.#gateway.close({ timeoutMs: 0 })
      return 1
    }
    const deaf = this.#reloadOnSignal()
    const close = await this.#watch()
    this.#log.listening({ url: urlOf(server), apis: this.#gateway.apis(), watched: this.#watched() })
    const cut = await stopped
    deaf()
    await close()
    this.#log.stopped(cut)
    return cut > 0 ? 1 : 0
  }

  #createServer(): Server {
    const gateway = this.#gateway
    const requests = new RequestWatch(gateway, (served) => this.#log.request(served))
    const logged = this.#settings.log !== 'none'
    const server = createServer((req, res) => {
      if (logged) requests.request(req, res)
      gateway(req, res)
    })
    server.on('upgrade', (req, socket, head) => {
      if (logged) requests.upgrade(req, socket)
      gateway.upgrade(req, socket, head)
    })
    return server
  }

  #untilStopped(server: Server): Promise<number> {
    const { graceMs } = this.#settings
    const say = (): void => {
      for (const signal of SIGNALS) process.off(signal, say)
      this.#log.stopping()
    }
    for (const signal of SIGNALS) process.on(signal, say)
    return new Promise((resolve) => {
      stopOnSignals(server, this.#gateway, { graceMs, signals: SIGNALS, onStopped: resolve })
    })
  }

  #watched(): string[] {
    if (!this.#settings.watch) return []
    const { plugins } = this.#gathered
    return plugins === undefined ? [...this.#files] : [...this.#files, plugins]
  }

  /** Returns what ends that. */
  #reloadOnSignal(): () => void {
    this.#gateway.on('reload', (changes) => this.#log.reloaded(changes))
    // Whoever asked for the reload tells the same, and what is wrong with files that could not be read.
    this.#gateway.on('loadError', () => undefined)
    const reload = async (): Promise<void> => {
      try {
        await this.#reload(await readDefinitions(this.#files))
      } catch (error) {
        this.#notReloaded(error)
      }
    }
    const onSignal = (): void => void reload()
    process.on('SIGHUP', onSignal)
    return () => {
      process.off('SIGHUP', onSignal)
      // It is about to end; the terminal may go first.
      process.on('SIGHUP', () => undefined)
    }
  }

  #notReloaded(error: unknown): void {
    if (isGatewayError(error) && error.code === 'PSTN_CLOSED') return
    this.#log.notReloaded(inOurWords(findingsOf(error), this.#gathered))
  }

  #reload(definitions: DefinitionSource[]): Promise<unknown> {
    return noticingExit(() => this.#gateway.reload(definitions))
  }

  /** Reloads what changes; returns what ends that. */
  async #watch(): Promise<() => Promise<void>> {
    if (!this.#settings.watch) return async () => undefined
    const { pluginsDirectory } = this.#gathered.options
    const watcher = watch(
      { reload: (definitions) => this.#reload(definitions) },
      {
        files: this.#files,
        ...(pluginsDirectory === undefined ? {} : { plugins: pluginsDirectory }),
        onError: (error: unknown) => this.#notReloaded(error),
      },
    )
    // What keeps it from watching is told by `onError` as well.
    await watcher.ready.catch(() => undefined)
    return () => watcher.close()
  }
}

function listen(server: Server, { port, host }: Settings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function listenError(error: unknown, { port, host }: Settings): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return `port ${port} of ${host} is in use; choose another: --port ${port + 1}`
  if (code === 'EACCES') return `port ${port} is not for everybody; choose one above 1023: --port 8080`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `${host} is no address of this machine; --host 127.0.0.1 or --host 0.0.0.0 is`
  return `cannot listen on port ${port} of ${host}: ${message}`
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}
