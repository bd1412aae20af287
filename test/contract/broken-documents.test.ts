import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { checkDefinitions, type GatewayError, isGatewayError, type Problem, respond } from '@postern/core'
import { readDefinitions } from '@postern/files'
import { createGateway } from '@postern/http'
import { beforeEach, describe, expect, it } from 'vitest'
import { pluginFolder, writeFiles } from '../support/plugin-folder.ts'
import { classic } from './broken/classic.ts'
import { type Broken, prepared } from './broken/document.ts'
import { native } from './broken/native.ts'
import { oas } from './broken/oas.ts'
import { PLUGIN_FILES, plugins } from './broken/plugins.ts'
import { several } from './broken/several.ts'
import { syntax } from './broken/syntax.ts'
import { listenTo, run } from './harness.ts'

declare global {
  /** The APIs whose plugins were told to begin; `outside` when a file was run that nobody may reach. */
  var posternInits: string[]
}

beforeEach(() => void (globalThis.posternInits = []))

const PREVIOUS = {
  name: 'previous',
  listenPath: '/previous/',
  hooks: { pre: [() => respond(200, 'the previous version')] },
}

/** What the host hands in. */
const GIVEN = {
  stamp: () => undefined,
  checkKey: () => ({}),
  hello: () => respond(200, 'hello'),
  Guard: class Guard {
    run(): void {}
  },
  limit: 5,
}

const GROUPS: [string, readonly Broken[]][] = [
  ['native documents', native],
  ['documents of Tyk Classic', classic],
  ['documents of Tyk OAS', oas],
  ['plugins', plugins],
  ['several files', several],
]
const isWrong = ({ code }: Broken): boolean => code === undefined

describe('texts', () => {
  it.each(syntax)('are not read: $what', async (broken) => {
    const prototypes = ownKeys()
    const { problems, apis } = prepare(broken)
    expectReport(await readDefinitions(apis).then(accepted, refusal), broken, problems)
    expect(ownKeys()).toEqual(prototypes)
  })
})

describe.each(GROUPS)('%s', (_, rows) => {
  it.each(rows)('are not taken over: $what', async (broken) => {
    const prototypes = ownKeys()
    const { problems, apis, options } = prepare(broken)
    const { gateway, url } = await run(PREVIOUS, options)
    const told = listenTo(gateway, 'loadError')
    const sources = await readDefinitions(apis)

    const error = await gateway.reload(sources).then(accepted, refusal)
    expectReport(error, broken, problems)
    expect(told).toEqual([{ error }])
    const report = await checkDefinitions(sources, options)
    expect(report.problems.map(withoutError)).toEqual(problems)

    // The previous version goes on, nothing of the others has begun.
    expect(gateway.apis().map(({ id }) => id)).toEqual(['previous'])
    expect(await answers(url)).toEqual({ previous: 200, orders: 404, good: 404 })
    expect(globalThis.posternInits).toEqual([])
    expect(ownKeys()).toEqual(prototypes)
  })
})

describe.each(GROUPS)('%s at the start', (_, rows) => {
  it.each(rows.filter(isWrong))('are refused: $what', async (broken) => {
    const { problems, apis, options } = prepare(broken)
    const sources = await readDefinitions(apis)
    expectReport(
      attempt(() => createGateway(sources, options)),
      broken,
      problems,
    )
    expect(globalThis.posternInits).toEqual([])
  })
})

describe('plugins at the start', () => {
  it.each(plugins.filter((broken) => !isWrong(broken)))('leave their APIs unavailable: $what', async (broken) => {
    const { problems, apis, options } = prepare(broken)
    const { gateway, url } = await run(await readDefinitions(apis), options)
    expectReport(await gateway.ready().then(accepted, refusal), broken, problems)
    expect(await answers(url)).toMatchObject({ previous: 404, orders: 503 })
    // The others serve, as far as there are any.
    expect(globalThis.posternInits).toEqual('good.yaml' in broken.files ? ['good'] : [])
  })
})

/** The whole set on disk, and what to load it with. */
function prepare(broken: Broken) {
  const folder = pluginFolder(Object.fromEntries(Object.entries(PLUGIN_FILES).map(([n, t]) => [`plugins/${n}`, t])))
  writeFiles(folder, { 'outside.mjs': 'globalThis.posternInits.push("outside")' })
  symlinkSync('../outside.mjs', path.join(folder, 'plugins/link.mjs'))
  symlinkSync('..', path.join(folder, 'plugins/up'))
  const apis = path.join(folder, 'apis')
  mkdirSync(apis)
  const { files, problems } = prepared(broken, folder)
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(apis, name), content)
  const given = { plugins: GIVEN, pluginsDirectory: path.join(folder, 'plugins'), bundles: broken.bundles }
  return { problems, apis, options: broken.nothingGiven === true ? {} : given }
}

function expectReport(error: GatewayError, { code }: Broken, problems: readonly Problem[]): void {
  expect((error.cause as readonly Problem[]).map(withoutError)).toEqual(problems)
  expect(error.code).toBe(code ?? 'PSTN_DEFINITION_INVALID')
  const [title, ...lines] = error.message.split('\n')
  expect(title).toMatch(/^(?:The definition|The list|What was read|Plugins could not be loaded).*:$/)
  expect(lines).toEqual(problems.map(lineOf))
}

function lineOf({ file, line, column, path: at, message }: Problem): string {
  const place = line === undefined ? file : `${file}:${line}:${column}`
  return `  - ${place}${at === '' ? '' : ` ${at}`}: ${message}`
}

function withoutError(told: Problem): Problem {
  const { error: _error, ...problem } = told
  return problem
}

async function answers(url: string): Promise<Record<string, number>> {
  const status = async (name: string): Promise<[string, number]> => {
    const response = await fetch(`${url}/${name}/x`)
    await response.text()
    return [name, response.status]
  }
  return Object.fromEntries(await Promise.all(['previous', 'orders', 'good'].map(status)))
}

function refusal(error: unknown): GatewayError {
  if (isGatewayError(error)) return error
  throw error
}

function accepted(): never {
  throw new Error('it was accepted')
}

function attempt(work: () => unknown): GatewayError {
  try {
    work()
  } catch (error) {
    return refusal(error)
  }
  return accepted()
}

/** What everything inherits. */
function ownKeys(): (readonly PropertyKey[])[] {
  return [Object, Array, Function].map(({ prototype }) => Reflect.ownKeys(prototype))
}
