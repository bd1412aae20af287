import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkDefinitions, type DefinitionInput } from '@postern/core'
import { readDefinitions } from '@postern/files'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { definitionSchema } from '../../packages/core/src/definition/schema.ts'
import { publishedSchema } from '../../packages/core/src/definition/published-schema.ts'
import { plain, type Told, toldBy } from './pages.ts'

/*
 * `packages/core/definition.schema.json` is what editors know of definitions in files. It is made from the schema the
 * gateway checks them with and from the words of the pages: `pnpm test --project repository -u` writes it anew.
 */

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

/** A JSON Schema that can be written to. */
interface Form {
  properties?: Record<string, Form>
  anyOf?: Form[]
  items?: Form
  additionalProperties?: Form | boolean
  description?: string
  default?: unknown
  [keyword: string]: unknown
}

const definitions = read('docs/definition.md')
const sessions = read('docs/sessions.md')
const tables = {
  keys: toldBy(definitions, '# Definition\n'),
  plugin: toldBy(definitions, 'or a reference, which is'),
  settings: toldBy(sessions, '## Every setting\n'),
}

/** The properties of an object, or of that alternative which is one. */
function propertiesOf(form: Form | undefined): Record<string, Form> {
  return form?.properties ?? form?.anyOf?.find(({ properties }) => properties !== undefined)?.properties ?? {}
}

function partOf(form: Form, keys: readonly string[]): Form | undefined {
  return keys.reduce<Form | undefined>((whole, key) => propertiesOf(whole)[key], form)
}

/** A default as data, where the page has one and not a sentence. */
function valueOf(text: string): { default?: unknown } {
  const shown = text.replaceAll('`', '')
  if (/^[\d,]+(?: \(.*\))?$/.test(shown)) return { default: Number(shown.replace(/ \(.*/, '').replaceAll(',', '')) }
  if (/^(?:true|false|\[\]|\{\})$/.test(shown)) return { default: JSON.parse(shown) as unknown }
  return text === `\`${shown}\`` ? { default: shown } : {}
}

function tell(form: Form | undefined, told: Told): void {
  if (form === undefined) return
  form.description = plain(told.is)
  Object.assign(form, valueOf(told.default))
  // `intervalMs` (5,000): a part with its default, in the sentence about the whole.
  for (const [, key = '', value = ''] of told.is.matchAll(/`(\w+)` \(([\d.,]+)\)/g)) {
    const part = propertiesOf(form)[key]
    if (part !== undefined) part.default = Number(value.replaceAll(',', ''))
  }
}

function withWords(): Form {
  const schema = structuredClone(publishedSchema()) as Form
  const { plugin, policy } = schema['$defs'] as Record<string, Form>
  schema['title'] = 'The definition of an API of postern'
  for (const [key, told] of [...tables.settings, ...tables.keys]) tell(partOf(schema, key.split('.')), told)
  for (const [key, told] of tables.plugin) tell(partOf(plugin!, [key]), told)
  for (const [key, { is }] of tables.settings) {
    const ofSession = /^session (\w+)$/.exec(key)?.[1]
    const part = ofSession === undefined ? undefined : partOf(policy!, [ofSession])
    if (part !== undefined && is !== '') part.description = plain(is)
  }
  return schema
}

/** `name`, `upstream.url`, ...: every key down to what the tables tell as a whole. */
function keysOf(form: Form): string[] {
  const nested = (key: string, part: Form): string[] =>
    Object.keys(propertiesOf(part)).map((inner) => `${key}.${inner}`)
  return Object.entries(propertiesOf(form)).flatMap(([key, part]) => [key].concat(nested(key, part)))
}

/** Where a schema lets everything pass: a check in code of which `inJson` says nothing. */
function untold(form: Form, where: string): string[] {
  const parts = [...Object.entries(form.properties ?? {}), ...Object.entries(form.anyOf ?? {})]
  if (form.items !== undefined) parts.push(['items', form.items])
  if (typeof form.additionalProperties === 'object') parts.push(['*', form.additionalProperties])
  const { description: _, default: __, ...says } = form
  return [
    ...(Object.keys(says).length === 0 ? [where] : []),
    ...parts.flatMap(([key, part]) => untold(part, `${where}.${key}`)),
  ]
}

describe('the JSON Schema of definitions', () => {
  const schema = withWords()
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true })
  const accepts = ajv.compile(schema)

  it('is what packages/core/definition.schema.json holds', async () => {
    await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(
      '../../packages/core/definition.schema.json',
    )
  })

  it('has words for every key', () => {
    expect(keysOf(schema).filter((key) => partOf(schema, key.split('.'))?.description === undefined)).toEqual([])
    const { plugin } = schema['$defs'] as Record<string, Form>
    expect(keysOf(plugin!).filter((key) => partOf(plugin!, [key])?.description === undefined)).toEqual([])
  })

  it('says something of every value', () => {
    const { plugin, policy } = schema['$defs'] as Record<string, Form>
    expect([...untold(schema, ''), ...untold(plugin!, 'plugin')]).toEqual([])
    // Kept for a real gateway, whatever it is.
    expect(
      untold(policy!, '').filter((where) => !/graphql|restricted|allowedTypes|fieldAccess|jsonRpc|mcp/i.test(where)),
    ).toEqual([])
  })

  it('has defaults that are valid', () => {
    const wrong: string[] = []
    const visit = (form: Form, where: string): void => {
      for (const [key, part] of Object.entries(propertiesOf(form))) {
        const name = `${where}${key}`
        const alone = ajv.compile({ ...part, $defs: schema['$defs'] })
        if ('default' in part && !alone(part.default)) wrong.push(name)
        visit(part, `${name}.`)
      }
    }
    visit(schema, '')
    expect(wrong).toEqual([])
  })

  const plugins = { stop: () => undefined, check: () => undefined }
  const stop = { functionName: 'stop' }
  const auth = { functionName: 'check' }
  /** Whether a gateway would take it. */
  async function isServed(definition: unknown): Promise<boolean> {
    return (await checkDefinitions(definition as DefinitionInput, { plugins })).problems.length === 0
  }

  const GOOD: Readonly<Record<string, object>> = {
    'a name': {},
    everything: {
      $schema: 'https://postern.example/definition.schema.json',
      id: 'a-1',
      orgId: 'o',
      listenPath: '/a/',
      stripListenPath: false,
      upstream: {
        targets: ['http://127.0.0.1:9000', { url: 'https://b.example/v2', weight: 3 }],
        preserveHost: true,
        forwarded: 'set',
        balance: 'least-pending',
        retries: 0,
        health: { path: '/health', intervalMs: 1 },
        circuitBreaker: { failureRatio: 0.5 },
      },
      hooks: { pre: [stop], auth, postAuth: [{ ...stop, name: 'x', timeoutMs: 5 }], response: [] },
      endpoints: { 'GET /x/:id': [stop], '* /y': [], 'GET ~^/z/[0-9]+$': [stop], 'M-SEARCH /m': [] },
      authentication: {
        token: { header: false, query: 'key', strip: 'all' },
        idExtractor: { source: 'header', mode: 'regex', header: 'x-id', expression: '[a-z]+', matchIndex: 0 },
        baseIdentity: 'token',
      },
      limits: {
        rate: 0.5,
        per: 1,
        endpoints: { 'GET /x/:id': { rate: 1, per: 2 } },
        algorithm: 'gcra',
        keyRate: false,
      },
      policies: {
        gold: {
          rate: 5,
          per: 1,
          quotaMax: -1,
          accessRights: { a: { allowedUrls: [{ url: '/x', methods: ['GET'] }] } },
        },
      },
      version: 'v1',
      sessionLifetime: 60,
      keepUntilExpiry: true,
      config: { anything: [1, { at: 'all' }] },
      maxBodyBytes: 0,
      underscoreHeaders: 'keep',
      trustedProxies: ['10.0.0.0/8'],
      records: {
        tags: ['x'],
        tagHeaders: ['x-tenant'],
        track: ['GET /a/:b'],
        skip: ['* ~^/c'],
        detailed: true,
        maxDetailedBytes: 0,
        retention: 60,
      },
      secrets: { headers: ['X-Api-Key'], query: ['key'], bodyFields: ['password'] },
    },
    'a plain upstream': { upstream: 'HTTP://127.0.0.1:9000/base' },
    'flags for objects': {
      upstream: { url: 'http://a', circuitBreaker: true },
      authentication: { token: true },
      records: false,
    },
    'a credential': { hooks: { auth }, authentication: { credential: { cookie: 'sid' } } },
  }

  it.each(Object.entries(GOOD))('accepts %s, as the gateway does', async (_, fields) => {
    const definition = { name: 'a', ...fields }
    expect([accepts(definition), accepts.errors]).toEqual([true, null])
    expect((await checkDefinitions(definition as DefinitionInput, { plugins })).problems).toEqual([])
  })

  const BAD: Readonly<Record<string, unknown>> = {
    'no name': { name: undefined },
    'an empty name': { name: '' },
    'a number for a name': { name: 7 },
    'an unknown key': { lisenPath: '/' },
    'an id with a slash': { id: 'a/b' },
    'a relative listen path': { listenPath: 'a' },
    'a pattern for a listen path': { listenPath: '/a/*' },
    'another protocol': { upstream: 'ftp://a' },
    'a query in a URL': { upstream: { url: 'http://a/?b' } },
    'credentials in a URL': { upstream: { url: 'http://a:b@c/' } },
    'no upstream in an upstream': { upstream: {} },
    'two kinds of upstream': { upstream: { url: 'http://a', targets: ['http://b'] } },
    'no target': { upstream: { targets: [] } },
    'a weight of 0': { upstream: { targets: [{ url: 'http://a', weight: 0 }] } },
    'half a retry': { upstream: { url: 'http://a', retries: 0.5 } },
    'an unknown policy of forwarding': { upstream: { url: 'http://a', forwarded: 'all' } },
    'a health check without path': { upstream: { url: 'http://a', health: {} } },
    'a failure ratio above 1': { upstream: { url: 'http://a', circuitBreaker: { failureRatio: 2 } } },
    'a plugin that is text': { hooks: { pre: ['stop'] } },
    'a plugin without name': { hooks: { pre: [{ path: 'a.js' }] } },
    'a plugin with an unknown key': { hooks: { pre: [{ ...stop, timeout: 5 }] } },
    'one plugin for many': { hooks: { pre: stop } },
    'many plugins for one': { hooks: { auth: [auth] } },
    'an unknown hook': { hooks: { before: [stop] } },
    'null for a plugin': { hooks: { auth: null } },
    'an endpoint without method': { endpoints: { '/x': [stop] } },
    'an endpoint in small letters': { endpoints: { 'get /x': [stop] } },
    'an endpoint without path': { endpoints: { 'GET x': [stop] } },
    'an endpoint without expression': { endpoints: { 'GET ~': [stop] } },
    'text for a token': { authentication: { token: 'yes' } },
    'blanks in a header name': { authentication: { token: { header: 'x y' } } },
    'another place to strip': { authentication: { token: { strip: 'header' } } },
    'an id extractor without source': { hooks: { auth }, authentication: { idExtractor: { mode: 'value' } } },
    'a rate without period': { limits: { rate: 5 } },
    'a period without rate': { limits: { per: 5 } },
    'a rate of 0': { limits: { rate: 0, per: 1 } },
    'a limit of no endpoint': { limits: { endpoints: { x: { rate: 1, per: 1 } } } },
    'an unknown algorithm': { limits: { algorithm: 'bucket' } },
    'text for a policy': { policies: { gold: 'x' } },
    'a policy with an unknown field': { policies: { gold: { rates: 5 } } },
    'text for a rate of a policy': { policies: { gold: { rate: '5', accessRights: { a: {} } } } },
    'a right with an unknown field': { policies: { gold: { accessRights: { a: { allowed: [] } } } } },
    'a list for config': { config: [] },
    'a timeout of 0': { pluginTimeoutMs: 0 },
    'a timeout as text': { requestTimeoutMs: '5s' },
    'bytes below 0': { maxBodyBytes: -1 },
    'text for a flag': { ignoreCase: 'yes' },
    'text for proxies': { trustedProxies: '10.0.0.0/8' },
    'text for records': { records: 'all' },
    'retention for ever': { records: { retention: 0 } },
    'a number for a schema': { $schema: 7 },
  }

  it.each(Object.entries(BAD))('refuses %s, as the gateway does', async (_, fields) => {
    const definition = JSON.parse(JSON.stringify({ name: 'a', ...(fields as object) })) as unknown
    expect([accepts(definition), await isServed(definition)]).toEqual([false, false])
  })

  /** The definition with everything, once for each value in it and each other value that could stand there. */
  const VALUES = [null, true, false, 0, -1, 0.5, 7, 1e12, '', 'x', '/x', 'http://a', [], ['x'], {}, { url: 'http://a' }]
  function* changed(whole: unknown, change: (value: unknown) => unknown = (value) => value): Generator {
    for (const value of VALUES) yield change(value)
    if (typeof whole !== 'object' || whole === null) return
    const copy = (key: string, value: unknown): unknown =>
      Array.isArray(whole) ? whole.with(Number(key), value) : { ...whole, [key]: value }
    yield change({ ...whole, unknown: 1 })
    for (const [key, part] of Object.entries(whole)) {
      if (!Array.isArray(whole))
        yield change(Object.fromEntries(Object.entries(whole).filter(([other]) => other !== key)))
      yield* changed(part, (value) => change(copy(key, value)))
    }
  }

  it(
    'refuses what the schema in code refuses, and nothing that a gateway would serve',
    { timeout: 60_000 },
    async () => {
      const everything = { name: 'a', ...GOOD['everything'] }
      const disagreed: unknown[] = []
      let count = 0
      for (const definition of changed(everything)) {
        count += 1
        const accepted = accepts(definition)
        if (accepted ? !definitionSchema.safeParse(definition).success : await isServed(definition))
          disagreed.push([accepted, definition])
      }
      expect(disagreed).toEqual([])
      expect(count).toBeGreaterThan(1_000)
    },
  )

  it.each([[null], [[]], ['a'], [7]])('refuses %j, as the gateway does', async (definition) => {
    expect([accepts(definition), await isServed(definition)]).toEqual([false, false])
  })

  it('accepts the native definitions that pages show', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-shown-'))
    const pages = ['.', 'docs', ...readdirSync(path.join(root, 'packages')).map((name) => `packages/${name}`)]
    const blocks = pages
      .flatMap((page) => readdirSync(path.join(root, page)).map((name) => path.join(page, name)))
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) => Array.from(read(file).matchAll(/^```(json|ya?ml)\n([^]*?)^```$/gm)))
      .filter(([, , code = '']) => /\blistenPath\b/.test(code) && !code.includes('x-tyk-api-gateway'))
      // One is shown for what is found wrong with it.
      .filter(([, , code = '']) => !code.startsWith('# broken.yaml'))
    for (const [i, [, ending, code = '']] of blocks.entries()) writeFileSync(path.join(folder, `${i}.${ending}`), code)
    const sources = await readDefinitions(folder)
    rmSync(folder, { recursive: true })
    expect(sources.filter(({ document }) => !accepts(document)).map(({ document }) => document)).toEqual([])
    expect(sources.length).toBeGreaterThan(0)
  })
})
