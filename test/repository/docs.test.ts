import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from '@postern/http'
import { parseDefinitions } from '../../packages/core/src/definition/parse.ts'
import { definitionSchema } from '../../packages/core/src/definition/schema.ts'
import { ERRORS } from '../../packages/core/src/errors.ts'
import { deafPort } from '../support/server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
// Below test/, so that imports resolve as they do in a test; ignored by git.
const work = path.join(root, 'test/.out/docs')
const markdown = ['.', 'docs', ...readdirSync(path.join(root, 'packages')).map((name) => `packages/${name}`)]
  .flatMap((folder) => readdirSync(path.join(root, folder)).map((name) => path.posix.join(folder, name)))
  .filter((file) => file.endsWith('.md'))

const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

interface Block {
  readonly language: string
  readonly code: string
  /** As its first line says, `// plugins.ts`, else by its place. */
  readonly file: string
}

function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language = '', code = ''], i) => ({
    language,
    code,
    file: /^\/\/ ([\w.-]+)\n/.exec(code)?.[1] ?? `block-${i}.${language}`,
  }))
}

const prefixed = (fields: object = {}): object =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [`upstream.${name}`, value as unknown]))

const folderOf = (file: string): string => path.join(work, file.replaceAll(/[/.]/g, '-'))

beforeAll(() => {
  rmSync(work, { recursive: true, force: true })
  for (const file of markdown) {
    mkdirSync(folderOf(file), { recursive: true })
    for (const { language, code, file: name } of blocksOf(read(file))) {
      if (language === 'ts' || language === 'js') writeFileSync(path.join(folderOf(file), name), code)
    }
  }
})
afterAll(() => rmSync(work, { recursive: true, force: true }))

describe('code in Markdown', () => {
  it('names no file twice in one page', () => {
    const names = markdown.flatMap((file) => blocksOf(read(file)).map((block) => `${file}: ${block.file}`))
    expect(names).toEqual([...new Set(names)])
  })

  it('compiles as its readers would compile it', { timeout: 60_000 }, async () => {
    const options = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true }
    const modules = { target: 'es2023', lib: ['es2023'], module: 'nodenext', types: ['node'], moduleDetection: 'force' }
    const customConditions = ['@postern/source']
    // The sources in packages/ import each other by their real names.
    const compilerOptions = {
      ...options,
      ...modules,
      skipLibCheck: true,
      customConditions,
      allowImportingTsExtensions: true,
    }
    const include = markdown.map((file) => `${path.basename(folderOf(file))}/*.ts`)
    writeFileSync(path.join(work, 'tsconfig.json'), JSON.stringify({ compilerOptions, include }))
    const compiler = path.join(root, 'node_modules/typescript/bin/tsc')
    const run = promisify(execFile)(process.execPath, [compiler, '-p', work, '--pretty', 'false'], { cwd: work })
    const output = await run.then(
      ({ stdout }) => stdout,
      (error: unknown) => (error as { stdout: string }).stdout,
    )
    expect(output).toBe('')
  })

  it('runs the first steps of the README to the answers it shows', async () => {
    const folder = folderOf('README.md')
    const port = await deafPort()
    const app = path.join(folder, 'app.js')
    writeFileSync(app, readFileSync(app, 'utf8').replace('3000', String(port)))
    await import(/* @vite-ignore */ pathToFileURL(app).href)
    const shown = blocksOf(read('README.md')).find(({ language }) => language === 'console')?.code ?? ''
    const steps = [...shown.matchAll(/^\$ curl (?:-H '(\w+): (\w+)' )?http:\/\/localhost:3000(\S+)\n([^$]+)/gm)]
    expect(steps).toHaveLength(4)
    for (const [, name, value, target = '', answer = ''] of steps) {
      const headers: Record<string, string> = name === undefined ? {} : { [name]: value ?? '' }
      const response = await fetch(`http://localhost:${port}${target}`, { headers })
      expect(await response.text()).toBe(answer.trimEnd())
    }
  })
})

describe('tables', () => {
  /** The cells of a page's tables whose first one is code. */
  const rowsOf = (text: string): string[][] =>
    [...text.matchAll(/^\| `(.+) \|$/gm)].map(([, row = '']) => `\`${row}`.split(' | ').map((cell) => cell.trim()))

  it('docs/errors.md lists the codes there are, with what their client gets', () => {
    const shown = rowsOf(read('docs/errors.md'))
      .filter(([code]) => code?.startsWith('`PSTN_'))
      .map(([code, status, answer]) => [code, status, answer])
    const real = Object.entries(ERRORS).map(([code, { status, answer }]) => [
      `\`${code}\``,
      status === null ? '–' : String(status),
      answer === null ? '–' : `\`${answer}\``,
    ])
    expect(shown).toEqual(real)
  })

  it('docs/budgets.md shows the defaults there are', () => {
    const server = createServer(() => undefined)
    const [parsed] = parseDefinitions({ name: 'a', upstream: 'http://127.0.0.1:9000' }).definitions
    const api = parsed?.draft
    const ofServer: Record<string, number> = {
      headersTimeoutMs: server.headersTimeout,
      requestTimeoutMs: server.requestTimeout,
      keepAliveTimeoutMs: server.keepAliveTimeout,
      idleTimeoutMs: server.timeout,
      maxHeaderBytes: (server as Server & { readonly maxHeaderSize?: number }).maxHeaderSize ?? 0,
    }
    const ofDefinition = { ...api, ...prefixed(api?.upstream) } as Record<string, unknown>
    const compared = [...read('docs/budgets.md').matchAll(/^\| [^|]+ \| ([^|]+?) +\| ([^|]+?) +\|/gm)].flatMap(
      ([, setting = '', shown = '']) => {
        const names = [...setting.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => name)
        const values = names[0] === 'createServer' ? ofServer : ofDefinition
        return names
          .filter((name) => Object.hasOwn(values, name))
          .map((name) => ({
            name,
            shown,
            is: values[name] === Infinity ? 'no limit' : (values[name] as number).toLocaleString('en'),
          }))
      },
    )
    expect(compared.filter(({ shown, is }) => shown !== is)).toEqual([])
    const timed = Object.keys(ofDefinition).filter((name) => /TimeoutMs$|^(?:upstream\.)?max[A-Z]/.test(name))
    const named = new Set(compared.map(({ name }) => name))
    expect(timed.filter((name) => !named.has(name))).toEqual([])
    expect(Object.keys(ofServer).filter((name) => !named.has(name))).toEqual([])
  })

  it('docs/definition.md lists the keys there are', () => {
    const [table = ''] = read('docs/definition.md').split('\nA plugin is')
    const shown = rowsOf(table).map(([key]) => key?.replaceAll('`', ''))
    const known = (input: object, where: string): string[] => {
      const messages = definitionSchema.safeParse(input).error?.issues.map(({ message }) => message) ?? []
      const [, list = ''] = /known keys are (.*)/.exec(messages.join('\n')) ?? []
      return list.split(', ').map((key) => where + key)
    }
    const nested: Record<string, string[]> = {
      upstream: known({ name: 'x', upstream: { url: 'http://x', none: 1 } }, 'upstream.'),
      hooks: known({ name: 'x', hooks: { none: 1 } }, 'hooks.'),
      records: known({ name: 'x', records: { none: 1 } }, 'records.'),
      secrets: known({ name: 'x', secrets: { none: 1 } }, 'secrets.'),
    }
    const keys = Object.keys(definitionSchema.shape)
    expect(shown).toEqual(keys.flatMap((key) => [key].concat(nested[key] ?? [])))
  })
})

describe('pages', () => {
  it('link to files and headings that exist', () => {
    const broken = markdown.flatMap((file) => {
      const links = [...read(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
      return links.filter((link) => !/^https?:/.test(link) && !resolves(file, link)).map((link) => `${file}: ${link}`)
    })
    expect(broken).toEqual([])
  })

  it('show one drawing of the lifecycle', () => {
    const drawing = blocksOf(read('docs/lifecycle.md')).find(({ language }) => language === 'text')
    expect(read('README.md')).toContain(drawing?.code)
  })
})

function resolves(file: string, link: string): boolean {
  const [target = '', anchor] = link.split('#')
  const page = target === '' ? file : path.posix.join(path.posix.dirname(file), target)
  if (!existsSync(path.join(root, page))) return false
  return anchor === undefined || anchorsOf(read(page)).includes(anchor)
}

function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

describe('examples', () => {
  const examples = readdirSync(path.join(root, 'examples')).filter((name) => name !== 'demo')

  it.each(examples)('%s stays under 80 lines in all', (name) => {
    const folder = path.join(root, 'examples', name, 'src')
    const lines = readdirSync(folder).map(
      (file) => readFileSync(path.join(folder, file), 'utf8').split('\n').length - 1,
    )
    expect(lines.reduce((sum, count) => sum + count, 0)).toBeLessThan(80)
  })
})
