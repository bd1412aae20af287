import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Problem } from '@postern/core'
import { isGatewayError, respond } from '@postern/core'
import { type DefinitionPaths, readDefinitions } from '@postern/files'
import { createGateway } from '@postern/http'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../../support/cleanup.ts'
import { listen } from '../../support/server.ts'
import { folderWith } from './folder.ts'

afterEach(closeAll)

/** What the one file says. */
async function read(name: string, content: string | Uint8Array): Promise<unknown[]> {
  return (await readDefinitions(path.join(folderWith({ [name]: content }), name))).map(({ document }) => document)
}

async function problemsOf(paths: DefinitionPaths): Promise<readonly Problem[]> {
  const error: unknown = await readDefinitions(paths).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isGatewayError(error) || error.code !== 'PSTN_DEFINITION_INVALID') throw new Error(`found ${String(error)}`)
  return error.cause as Problem[]
}

/** What is wrong with the one file: `line:column message`. */
async function faults(name: string, content: string | Uint8Array): Promise<string[]> {
  const problems = await problemsOf(path.join(folderWith({ [name]: content }), name))
  return problems.map(({ line, column, message }) => (line === undefined ? message : `${line}:${column} ${message}`))
}

const ORDERS = { name: 'orders', hooks: { pre: [{ functionName: 'stamp' }] } }

describe('files and directories', () => {
  it('reads JSON and YAML, told by their endings', async () => {
    expect(await read('a.json', JSON.stringify(ORDERS))).toEqual([ORDERS])
    expect(await read('a.YAML', 'name: orders\nhooks:\n  pre:\n    - functionName: stamp\n')).toEqual([ORDERS])
    expect(await read('a.yml', '{ name: orders, hooks: { pre: [{ functionName: stamp }] } }')).toEqual([ORDERS])
  })

  it('reads the definition files of a directory in order, and not those below it', async () => {
    const folder = folderWith({
      'b.yml': 'name: b1\n---\nname: b2\n',
      'a.json': '{"name":"a"}',
      'notes.txt': '',
      '.hidden.yaml': 'name: [',
      'below/c.json': '{',
    })
    mkdirSync(path.join(folder, 'folder.json'))
    const sources = await readDefinitions([folder])
    expect(sources.map(({ document, file }) => [document, file])).toEqual([
      [{ name: 'a' }, path.join(folder, 'a.json')],
      [{ name: 'b1' }, path.join(folder, 'b.yml')],
      [{ name: 'b2' }, path.join(folder, 'b.yml')],
    ])
  })

  it('takes file URLs, and reads a file once that is named twice', async () => {
    const folder = folderWith({ 'a.json': '{"name":"a"}', 'b.json': '{"name":"b"}' })
    const [a, b] = [path.join(folder, 'a.json'), path.join(folder, 'b.json')]
    const sources = await readDefinitions([pathToFileURL(b), folder, a])
    expect(sources.map(({ file }) => file)).toEqual([b, a])
  })

  it('tells of everything that is wrong with any of them at once', async () => {
    const folder = folderWith({ 'a.json': '{"name":}', 'b.yaml': 'name: a\nname: b\n', 'c.json': '{"name":"c"}' })
    const paths = [folder, path.join(folder, 'd.json')]
    expect(await problemsOf(paths)).toEqual([
      { path: '', message: 'does not exist', file: path.join(folder, 'd.json') },
      { path: '', message: 'found "}", expected a value', file: path.join(folder, 'a.json'), line: 1, column: 9 },
      {
        path: '',
        message: 'found the key "name" for the second time',
        file: path.join(folder, 'b.yaml'),
        line: 2,
        column: 1,
      },
    ])
    await expect(readDefinitions(paths)).rejects.toThrow(`  - ${folder}/b.yaml:2:1: found the key "name" for the`)
  })

  it('names files as they were named', async () => {
    const folder = path.relative(process.cwd(), folderWith({ 'a.yaml': 'a: [' }))
    expect((await problemsOf(folder)).map(({ file }) => file)).toEqual([path.join(folder, 'a.yaml')])
    expect((await problemsOf([`./${folder}/none`])).map(({ file }) => file)).toEqual([`./${folder}/none`])
  })

  it.each([
    ['a file that does not exist', 'none.yaml', 'does not exist'],
    ['a file below a file', 'a.json/b.json', 'does not exist'],
    ['another ending', 'notes.txt', 'found the ending .txt, expected .json, .yaml, .yml'],
    ['no ending', 'Makefile', 'found no ending, expected .json, .yaml, .yml'],
    ['a directory without definitions', 'none', 'a directory without definition files (.json, .yaml, .yml)'],
    ['a link that leads nowhere', 'dangling.yaml', 'does not exist'],
    ['a link that leads to itself', 'loop.yaml', 'is a link that leads back to itself'],
    ['a pipe', 'pipe.yaml', 'is neither a file nor a directory'],
  ])('refuses %s', async (_, name, message) => {
    const folder = folderWith({ 'a.json': '{}', 'notes.txt': '', Makefile: '', 'none/README': '' })
    symlinkSync('nowhere.yaml', path.join(folder, 'dangling.yaml'))
    symlinkSync('loop.yaml', path.join(folder, 'loop.yaml'))
    execFileSync('sh', ['-c', 'mkfifo pipe.yaml'], { cwd: folder })
    const file = path.join(folder, name)
    expect(await problemsOf(file)).toEqual([{ path: '', message, file }])
  })

  it('says which file of a directory it is that leads nowhere', async () => {
    const folder = folderWith({ 'a.json': '{}' })
    symlinkSync('nowhere.yaml', path.join(folder, 'b.yaml'))
    expect(await problemsOf(folder)).toEqual([{ path: '', message: 'b.yaml: does not exist', file: folder }])
  })

  // Root reads everything.
  it.skipIf(process.getuid?.() === 0)('refuses what it may not read', async () => {
    const folder = folderWith({ 'a.json': '{}' })
    chmodSync(path.join(folder, 'a.json'), 0)
    expect((await problemsOf(folder)).map(({ message }) => message)).toEqual(['may not be read by this process'])
  })

  it('refuses 10 MB and more, and what is not UTF-8', async () => {
    const text = `{"name":"${'x'.repeat(10 * 1024 * 1024)}"}`
    expect(await faults('a.json', text)).toEqual([`is ${text.length} bytes long, expected at most 10485760`])
    expect(await faults('a.yaml', Buffer.from('\uFEFFname: a', 'utf16le'))).toEqual(['is not UTF-8'])
    expect(await faults('a.yaml', Buffer.from('name: a', 'utf16le'))).toEqual([
      '1:2 found the control character U+0000',
    ])
    expect(await faults('a.yaml', Buffer.from([0x61, 0x3a, 0x20, 0xff]))).toEqual(['is not UTF-8'])
  })

  it.each([[17], [[]], [[17]], [''], [new URL('https://a.example/b.json')], [undefined]])(
    'takes no %j for a path',
    async (paths) => {
      await expect(readDefinitions(paths as DefinitionPaths)).rejects.toMatchObject({ code: 'PSTN_OPTIONS_INVALID' })
    },
  )
})

describe.each(['a.json', 'a.yaml'])('%s', (name) => {
  it('may begin with a byte order mark', async () => {
    expect(await read(name, '\uFEFF{"name": "a"}')).toEqual([{ name: 'a' }])
  })

  it.each(['', '\n', ' \r\n\t', '\uFEFF'])('may not be empty: %j', async (content) => {
    expect(await faults(name, content)).toEqual(['is empty'])
  })

  it('may have no key twice', async () => {
    expect(await faults(name, '{"hooks": {"pre": 1, "auth": 2,\n "pre": 3}, "hooks": 4}')).toEqual([
      '2:2 found the key "pre" for the second time',
      '2:13 found the key "hooks" for the second time',
    ])
  })

  it('may not name a prototype', async () => {
    expect(await faults(name, '{"config": {"__proto__": {"polluted": true}}}')).toEqual([
      '1:13 found the key "__proto__", which nothing may have',
    ])
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })

  it('has keys that only look dangerous', async () => {
    const [document] = await read(name, '{"constructor": 1, "toString": 2, "hasOwnProperty": {"prototype": 3}}')
    expect(Object.entries(document as object)).toEqual([
      ['constructor', 1],
      ['toString', 2],
      ['hasOwnProperty', { prototype: 3 }],
    ])
  })

  it('is at most 200 levels deep', async () => {
    const nested = (depth: number): string => `${'['.repeat(depth)}1${']'.repeat(depth)}`
    expect(await read(name, nested(200))).toHaveLength(1)
    expect(await faults(name, nested(201))).toEqual(['1:202 is more than 200 levels deep'])
    expect(await faults(name, nested(100_000))).toEqual(['1:202 is more than 200 levels deep'])
    expect(await faults(name, '{"a":'.repeat(10_000))).toEqual([
      expect.stringContaining('is more than 200 levels deep'),
    ])
  })

  it('tells of the first ten problems of a file that has hundreds', async () => {
    const keys = Array.from({ length: 100 }, () => '"a": 1').join(', ')
    const told = await faults(name, `{${keys}}`)
    expect(told).toHaveLength(11)
    expect(told.at(-1)).toBe('89 more')
  })

  it('holds whatever data there is', async () => {
    const key = fc.string().filter((text) => text !== '__proto__')
    const data = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'grapheme' }),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
      ),
    })).value
    const folder = folderWith({})
    await fc.assert(
      fc.asyncProperty(data, fc.constantFrom(0, 2, '\t'), async (value, indent) => {
        // YAML's keys on one line are shorter than 1,024 characters, and its tabs may not indent.
        const text = JSON.stringify(value, null, name === 'a.yaml' ? 2 : indent)
        const file = path.join(folder, name)
        writeFileSync(file, text)
        const [source] = await readDefinitions(file)
        expect(source?.document).toEqual(JSON.parse(text))
      }),
      { numRuns: 200 },
    )
  })
})

/** Nothing, where a key twice is all that is wrong. */
async function withoutTwins(text: string): Promise<undefined> {
  const others = (await faults('a.json', text)).filter((fault) => !fault.endsWith('for the second time'))
  if (others.length > 0) throw new Error(`${text}: ${others.join()}`)
}

describe('JSON', () => {
  it.each([
    ['{"a": 1,}', '1:9 found "}" after a comma; JSON has no trailing commas'],
    ['[1,\n]', '2:1 found "]" after a comma; JSON has no trailing commas'],
    ['{a: 1}', '1:2 found "a", expected a key in double quotes'],
    ["{'a': 1}", '1:2 found "\'", expected a key in double quotes'],
    ['// orders\n{}', '1:1 found a comment, which JSON does not have, expected a value'],
    ['{"a" 1}', '1:6 found "1", expected ":"'],
    ['{"a": 1 "b": 2}', '1:9 found "\\"", expected "," or "}"'],
    ['{"a": [1 2]}', '1:10 found "2", expected "," or "]"'],
    ['{"a": undefined}', '1:7 found "undefined", expected a value'],
    ['{"a": NaN}', '1:7 found "NaN", expected a value'],
    ['{"a": +1}', '1:7 found "+1", expected a value'],
    ['{"a": 01}', '1:7 found "01", expected a number as JSON writes it'],
    ['{"a": 1.}', '1:7 found "1.", expected a number as JSON writes it'],
    ['{"a": .5}', '1:7 found ".5", expected a value'],
    ['{"a": 0x10}', '1:7 found "0x10", expected a number as JSON writes it'],
    ['{"a": truely}', '1:7 found "truely", expected a value'],
    ['{"a": "b', '1:7 found a text without its closing quote'],
    ['{"a": "b\n"}', '1:9 found the end of the line in a text; close it with a quote, or write \\n for a new line'],
    ['{"a": "\\x41"}', '1:8 found "\\\\x", which is no escape of JSON'],
    ['{"a": "\\u00g0"}', '1:8 found "\\\\u", which is no escape of JSON'],
    ['{"a": 1', '1:8 found the end of the file, expected "," or "}"'],
    ['{\r\n  "a": {\r\n', '3:1 found the end of the file, expected a key in double quotes'],
    ['{} {}', '1:4 found "{", expected nothing after the document'],
    ['{"a":\u00a01}', '1:6 found "\u00a0", expected a value'],
    ['{"a": 💥}', '1:7 found "💥", expected a value'],
  ])('is strict: %j', async (text, fault) => {
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError)
    expect(await faults('a.json', text)).toEqual([fault])
  })

  it('accepts what JSON.parse accepts, and nothing else', async () => {
    const folder = folderWith({})
    const file = path.join(folder, 'a.json')
    const piece = fc.constantFrom(
      ...'{}[],:"\\ \n\t01-.eEtrufalsn+',
      '"a"',
      'true',
      'null',
      '\\u0041',
      '\u0001',
      '{"a":',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
        const text = ['[', ...pieces, ']'].join('')
        writeFileSync(file, text)
        const ours = await readDefinitions(file).then(
          ([source]) => ({ value: source?.document }),
          () => undefined,
        )
        let theirs: { value: unknown } | undefined
        try {
          theirs = { value: JSON.parse(text) }
        } catch {
          theirs = undefined
        }
        // A key twice is what JSON.parse lets pass.
        if (ours === undefined && theirs !== undefined) theirs = await withoutTwins(text)
        expect(ours).toEqual(theirs)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('YAML', () => {
  it('is version 1.2: yes and no are text, keys are text, dates are text', async () => {
    expect(
      await read('a.yaml', 'a: yes\nb: off\nc: true\nd: 0o17\ne: 017\nf: ~\ng: 2026-11-20\n200: 1\n1.10: 2\nnull: 3\n'),
    ).toEqual([{ a: 'yes', b: 'off', c: true, d: 15, e: 17, f: null, g: '2026-11-20', 200: 1, '1.10': 2, null: 3 }])
  })

  it('has several documents, and passes over those with nothing in them', async () => {
    expect(await read('a.yaml', '---\nname: a\n---\n# nothing\n---\nname: b\n...\n---\n')).toEqual([
      { name: 'a' },
      { name: 'b' },
    ])
    expect(await faults('a.yaml', '# only\n---\n# comments\n')).toEqual(['has no definition in it'])
  })

  it('repeats what an alias names, each time as a thing of its own', async () => {
    const [document] = (await read('a.yaml', 'x: &x { a: &y 1, b: [*y] }\ny: &y 2\nz: [*x, *x, *y]\n')) as [
      { z: object[] },
    ]
    expect(document).toEqual({ x: { a: 1, b: [1] }, y: 2, z: [{ a: 1, b: [1] }, { a: 1, b: [1] }, 2] })
    expect(document.z[0]).not.toBe(document.z[1])
  })

  it('refuses aliases that stand for billions of values', async () => {
    const lines = Array.from({ length: 9 }, (_, i) => `x${i + 1}: &x${i + 1} [${`*x${i}, `.repeat(9)}*x${i}]`)
    const started = performance.now()
    expect(await faults('a.yaml', `x0: &x0 lol\n${lines.join('\n')}\n`)).toEqual([
      expect.stringContaining('the aliases up to here stand for more than 100000 values'),
    ])
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  it('refuses aliases that make it too deep', async () => {
    const lines = Array.from({ length: 300 }, (_, i) => `x${i + 1}: &x${i + 1} [*x${i}]`)
    expect(await faults('a.yaml', `x0: &x0 lol\n${lines.join('\n')}\n`)).toEqual([
      expect.stringContaining('is more than 200 levels deep'),
    ])
  })

  it.each([
    ['a: *x', '1:4 found *x, but nothing above is &x'],
    ['a: &x\n  b: *x\n', '2:6 found *x inside &x itself'],
    ['a: &x\n  - { b: [*x] }\n', '2:11 found *x inside &x itself'],
    ['a: &x 1\n---\nb: *x\n', '3:4 found *x, but nothing above is &x'],
    ['? [a, b]\n: 1', '1:3 found a key that is no text'],
    ['a: &x 1\n*x : 2', '2:1 found a key that is no text'],
    ['a: &x { b: 1 }\nc:\n  <<: *x\n', '3:3 found the merge key "<<", which YAML 1.2 does not have'],
    ['%YAML 1.1\n---\na: yes\n', '1:1 found %YAML 1.1, expected 1.2'],
    ['a: 1\na: 2', '2:1 found the key "a" for the second time'],
    ['200: 1\n"200": 2', '2:1 found the key "200" for the second time'],
  ])('refuses %j', async (text, fault) => {
    expect(await faults('a.yaml', text)).toEqual([fault])
  })

  it.each([
    ['a: !!js/function "function () {}"', 1, 4],
    ['a: 1\nb: !secret x', 2, 4],
    ['a: !!binary aGk=', 1, 4],
    ['a: !!int abc', 1, 4],
    ['a: b: c', 1, 4],
    ['a: [1', 1, 6],
    ['a: "b', 1, 6],
    ['a:\n\t- b', 2, 1],
    ['a:\n  - b\n c: d', 3, 1],
    ['a: @b', 1, 4],
  ])('shows where %j breaks', async (text, line, column) => {
    const problems = await problemsOf(path.join(folderWith({ 'a.yaml': text }), 'a.yaml'))
    expect(problems[0]).toMatchObject({ line, column })
  })

  it('survives whatever is in it', { timeout: 30_000 }, async () => {
    const folder = folderWith({})
    const file = path.join(folder, 'a.yaml')
    const piece = fc.constantFrom(
      ...'{}[],:"\'\\ \n-?&*!|>%@#~',
      '\n  ',
      '- ',
      ': ',
      'a',
      '&a ',
      '*a ',
      '---\n',
      '? ',
      '<<: ',
      '!!str ',
      '\t',
      '%YAML 1.2\n',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
        writeFileSync(file, pieces.join(''))
        const outcome = await readDefinitions(file).then(
          () => 'read',
          (error: unknown) => (isGatewayError(error) ? error.code : error),
        )
        expect(['read', 'PSTN_DEFINITION_INVALID']).toContain(outcome)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('the place of a value', () => {
  const text = `name: orders
hooks:
  pre:
    - functionName: stamp
    - { functionName: "b", timeoutMs: x }
  post: &post
    - functionName: c
endpoints:
  "GET /x": *post
---
name: b
`
  const json = `{
  "name": "orders",
  "hooks": {
    "pre": [{"functionName": 7}]
  }
}`

  it.each<[(string | number)[], line: number, column: number]>([
    [[], 1, 1],
    [['name'], 1, 7],
    [['hooks'], 2, 1],
    [['hooks', 'pre'], 3, 3],
    [['hooks', 'pre', 0], 4, 7],
    [['hooks', 'pre', 1, 'timeoutMs'], 5, 39],
    [['hooks', 'pre', 0, 'timeoutMs'], 4, 7],
    [['hooks', 'auth'], 2, 1],
    [['hooks', 'auth', 'name'], 2, 1],
    [['endpoints', 'GET /x'], 9, 13],
    [['endpoints', 'GET /x', 0, 'functionName'], 7, 21],
    [['upstream', 'url'], 1, 1],
    [['name', 'x'], 1, 1],
  ])('in YAML, of %j, is %i:%i', async (keys, line, column) => {
    const [source] = await readDefinitions(path.join(folderWith({ 'a.yaml': text }), 'a.yaml'))
    expect(source?.locate(keys)).toEqual({ line, column })
  })

  it('is that of its key for who asks', async () => {
    const [source] = await readDefinitions(path.join(folderWith({ 'a.yaml': text }), 'a.yaml'))
    expect([source?.locate(['name'], 'key'), source?.locate(['hooks', 'pre', 0], 'key')]).toEqual([
      { line: 1, column: 1 },
      { line: 4, column: 7 },
    ])
  })

  it('counts from the beginning of the file, also in its second document', async () => {
    const [, second] = await readDefinitions(path.join(folderWith({ 'a.yaml': text }), 'a.yaml'))
    expect([second?.locate(['name']), second?.locate([])]).toEqual([
      { line: 11, column: 7 },
      { line: 11, column: 1 },
    ])
  })

  it.each<[(string | number)[], line: number, column: number]>([
    [[], 1, 1],
    [['name'], 2, 11],
    [['hooks', 'pre', 0, 'functionName'], 4, 30],
    [['hooks', 'pre', 0, 'name'], 4, 13],
    [['hooks', 'pre', 1], 4, 5],
    [['hooks', 'auth'], 3, 3],
  ])('in JSON, of %j, is %i:%i', async (keys, line, column) => {
    const [source] = await readDefinitions(path.join(folderWith({ 'a.json': json }), 'a.json'))
    expect(source?.locate(keys)).toEqual({ line, column })
  })
})

describe('what a gateway finds wrong with what was read', () => {
  it('is told with its place', async () => {
    const folder = folderWith({
      'orders.yaml': 'name: orders\nlistenPath: /orders/\n# the warehouse\nupstream: { preserveHost: true }\n',
      'stock.json': '{"name": "stock", "lisenPath": "/stock/"}',
    })
    const sources = await readDefinitions(folder)
    expect(() => createGateway(sources)).toThrow(
      `The list of 2 definitions has 2 problems:
  - ${folder}/orders.yaml:4:1 upstream.url: missing, expected an http: or https: URL such as "http://127.0.0.1:9000", or targets: several of them
  - ${folder}/stock.json:1:19 lisenPath: unknown key; did you mean "listenPath"? known keys are name, `,
    )
  })

  it('is nothing where it is right', async () => {
    const folder = folderWith({ 'a.yaml': 'name: a\nlistenPath: /a/\nhooks:\n  pre: [{ functionName: stop }]\n' })
    const gateway = createGateway(await readDefinitions(folder), { plugins: { stop: () => respond(200, 'here') } })
    closeLater(() => gateway.close())
    const { url } = await listen(gateway)
    expect(await (await fetch(`${url}/a/`)).text()).toBe('here')
  })
})
