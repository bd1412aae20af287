import { execFile } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { DefinitionSource } from '@postern/core'
import { type Reloadable, watch, type Watching, type WatchOptions } from '@postern/files'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { bundle } from '../../support/bundle.mjs'
import { closeAll, closeLater } from '../../support/cleanup.ts'
import { warningsDuring } from '../../support/warnings.ts'
import { folderWith } from './folder.ts'

afterEach(closeAll)

interface Watched {
  /** The names of each reload. */
  readonly reloads: unknown[][]
  readonly errors: unknown[]
  readonly watching: Watching
}

const nameOf = ({ document }: DefinitionSource): unknown => (document as { name?: unknown }).name

async function watched(options: WatchOptions, reload: () => unknown = () => undefined): Promise<Watched> {
  const reloads: unknown[][] = []
  const errors: unknown[] = []
  const gateway = {
    reload: async (sources: DefinitionSource[]) => {
      reloads.push(sources.map(nameOf))
      await reload()
    },
  }
  const watching = watch(gateway, { onError: (error) => errors.push(error), ...options })
  closeLater(() => watching.close())
  await watching.ready
  return { reloads, errors, watching }
}

/** Long enough for a change that was noticed to have had its reload. */
const QUIET_MS = 500
const quiet = (): Promise<void> => wait(QUIET_MS)
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5_000, interval: 20 })

describe('a change of a definition file', () => {
  type Save = (file: string, content: string) => void
  it.each<[string, Save]>([
    ['is written in place', writeFileSync],
    [
      'is written beside and renamed',
      (file, content) => {
        writeFileSync(`${file}.tmp`, content)
        renameSync(`${file}.tmp`, file)
      },
    ],
    [
      'is deleted and written anew',
      (file, content) => {
        unlinkSync(file)
        writeFileSync(file, content)
      },
    ],
    [
      'is moved away to a backup and written anew',
      (file, content) => {
        renameSync(file, `${file}~`)
        writeFileSync(file, content)
      },
    ],
    [
      'is of the same length and as old',
      (file, content) => {
        writeFileSync(`${file}.tmp`, content)
        utimesSync(file, 1, 1)
        utimesSync(`${file}.tmp`, 1, 1)
        renameSync(`${file}.tmp`, file)
      },
    ],
    [
      'is copied over',
      (file, content) => {
        writeFileSync(`${file}.tmp`, content)
        copyFileSync(`${file}.tmp`, file)
      },
    ],
  ])('is one reload, when it %s', async (_, save) => {
    const file = path.join(folderWith({ 'a.json': '{"name":"a"}' }), 'a.json')
    const { reloads, errors } = await watched({ files: file })
    for (const name of ['b', 'c', 'd']) {
      const before = reloads.length
      save(file, JSON.stringify({ name }))
      await eventually(() => expect(reloads.slice(before)).toEqual([[name]]))
    }
    await quiet()
    expect(reloads).toEqual([['b'], ['c'], ['d']])
    expect(errors).toEqual([])
  })

  it('is one reload, however many files it is', async () => {
    const folder = folderWith({ 'a.json': '{"name":"a"}' })
    const { reloads } = await watched({ files: [pathToFileURL(folder)] })
    for (let i = 1; i <= 20; i += 1) writeFileSync(path.join(folder, `b${i}.yaml`), `name: b${i}`)
    unlinkSync(path.join(folder, 'a.json'))
    await eventually(() => expect(reloads).toHaveLength(1))
    await quiet()
    expect(reloads.map((names) => names.length)).toEqual([20])
  })

  it('is not what happens to other files beside it', async () => {
    const folder = folderWith({ 'a.json': '{"name":"a"}', 'b.json': '{"name":"b"}' })
    const { reloads } = await watched({ files: path.join(folder, 'a.json') })
    writeFileSync(path.join(folder, 'b.json'), '{"name":"c"}')
    writeFileSync(path.join(folder, 'notes.txt'), 'x')
    readFileSync(path.join(folder, 'a.json'))
    await quiet()
    expect(reloads).toEqual([])
  })

  it('is waited for until it is whole', async () => {
    const file = path.join(folderWith({ 'a.yaml': 'name: a' }), 'a.yaml')
    const { reloads, errors } = await watched({ files: file })
    const handle = openSync(file, 'w')
    for (const part of ['na', 'me: [', 'b', ']\n']) {
      writeSync(handle, part)
      await wait(10)
    }
    closeSync(handle)
    await eventually(() => expect(reloads).toEqual([[['b']]]))
    expect(errors).toEqual([])
  })

  it('is not read for as long as it is being written to, however long that is', async () => {
    const file = path.join(folderWith({ 'a.yaml': 'name: a' }), 'a.yaml')
    const { reloads, errors } = await watched({ files: file })
    writeFileSync(file, 'name: half\n')
    for (let i = 0; i < 50; i += 1) {
      appendFileSync(file, `# ${i}\n`)
      await wait(40)
    }
    expect(reloads).toEqual([])
    appendFileSync(file, 'listenPath: /whole\n')
    await eventually(() => expect(reloads).toEqual([['half']]))
    expect(errors).toEqual([])
  })

  it('is an error while it is half, and the reload of what comes after', async () => {
    const file = path.join(folderWith({ 'a.json': '{"name":"a"}' }), 'a.json')
    const { reloads, errors } = await watched({ files: file })
    writeFileSync(file, '{"name":')
    await eventually(() => expect(errors).toMatchObject([{ code: 'PSTN_DEFINITION_INVALID' }]))
    appendFileSync(file, '"b"}')
    await eventually(() => expect(reloads).toEqual([['b']]))
    expect(errors).toHaveLength(1)
  })

  it('is not missed where something else happens all the time', async () => {
    const folder = folderWith({ 'a.json': '{"name":"a"}' })
    const { reloads } = await watched({ files: folder })
    const noise = setInterval(() => writeFileSync(path.join(folder, 'log.txt'), 'x'), 20)
    closeLater(() => clearInterval(noise))
    await wait(100)
    writeFileSync(path.join(folder, 'a.json'), '{"name":"b"}')
    await eventually(() => expect(reloads).toEqual([['b']]))
  })
})

describe('what vanishes', () => {
  it('is an error when it is the file, and a reload when it is back', async () => {
    const file = path.join(folderWith({ 'a.json': '{"name":"a"}' }), 'a.json')
    const { reloads, errors } = await watched({ files: file })
    unlinkSync(file)
    await eventually(() => expect(errors).toHaveLength(1))
    expect(String(errors[0])).toContain('a.json: does not exist')
    writeFileSync(file, '{"name":"a"}')
    await eventually(() => expect(reloads).toEqual([['a']]))
  })

  it('is not removed when it comes back soon, and nothing else is reloaded meanwhile', async () => {
    const folder = folderWith({ 'a.json': '{"name":"a"}', 'b.json': '{"name":"b"}' })
    const { reloads } = await watched({ files: folder })
    unlinkSync(path.join(folder, 'a.json'))
    await wait(600)
    writeFileSync(path.join(folder, 'b.json'), '{"name":"c"}')
    await wait(600)
    expect(reloads).toEqual([])
    writeFileSync(path.join(folder, 'a.json'), '{"name":"a"}')
    await eventually(() => expect(reloads).toEqual([['a', 'c']]))
    unlinkSync(path.join(folder, 'a.json'))
    await eventually(() => expect(reloads).toEqual([['a', 'c'], ['c']]))
  })

  it('is an error when it is the directory and all above it, and a reload when they are back', async () => {
    const folder = folderWith({ 'deep/apis/a.json': '{"name":"a"}' })
    const apis = path.join(folder, 'deep/apis')
    const { reloads, errors } = await watched({ files: apis })
    for (const name of ['b', 'c']) {
      const [reloaded, failed] = [reloads.length, errors.length]
      rmSync(path.join(folder, 'deep'), { recursive: true })
      await eventually(() => expect(errors.length).toBeGreaterThan(failed))
      mkdirSync(path.join(folder, 'deep'))
      await wait(200)
      mkdirSync(apis)
      await wait(200)
      writeFileSync(path.join(apis, 'a.json'), JSON.stringify({ name }))
      await eventually(() => expect(reloads.slice(reloaded)).toEqual([[name]]))
    }
  })

  it('is found again in the directory that took its place', async () => {
    const folder = folderWith({ 'apis/a.json': '{"name":"a"}', 'next/a.json': '{"name":"b"}' })
    const [apis, next] = [path.join(folder, 'apis'), path.join(folder, 'next')]
    const { reloads } = await watched({ files: apis })
    renameSync(apis, path.join(folder, 'old'))
    renameSync(next, apis)
    await eventually(() => expect(reloads).toEqual([['b']]))
    writeFileSync(path.join(apis, 'a.json'), '{"name":"c"}')
    await eventually(() => expect(reloads).toEqual([['b'], ['c']]))
    writeFileSync(path.join(folder, 'old/a.json'), '{"name":"d"}')
    await quiet()
    expect(reloads).toEqual([['b'], ['c']])
  })

  it('may be missing from the beginning', async () => {
    const folder = folderWith({})
    const { reloads } = await watched({ files: path.join(folder, 'later/a.json') })
    mkdirSync(path.join(folder, 'later'))
    writeFileSync(path.join(folder, 'later/a.json'), '{"name":"a"}')
    await eventually(() => expect(reloads).toEqual([['a']]))
  })
})

describe('links', () => {
  it('are followed when they are pointed elsewhere', async () => {
    const folder = folderWith({ '1/a.json': '{"name":"a"}', '2/a.json': '{"name":"b"}' })
    symlinkSync('1', path.join(folder, 'apis'))
    const { reloads } = await watched({ files: path.join(folder, 'apis') })
    symlinkSync('2', path.join(folder, 'apis.tmp'))
    renameSync(path.join(folder, 'apis.tmp'), path.join(folder, 'apis'))
    await eventually(() => expect(reloads).toEqual([['b']]))
    writeFileSync(path.join(folder, '2/a.json'), '{"name":"c"}')
    await eventually(() => expect(reloads).toEqual([['b'], ['c']]))
  })

  it.each([
    ['the directory', ''],
    ['the file', 'a.json'],
  ])('are followed as Kubernetes moves them, with %s named', async (_, name) => {
    const folder = folderWith({ '..1/a.json': '{"name":"a"}', '..2/a.json': '{"name":"b"}' })
    symlinkSync('..1', path.join(folder, '..data'))
    symlinkSync('..data/a.json', path.join(folder, 'a.json'))
    const { reloads } = await watched({ files: path.join(folder, name) })
    symlinkSync('..2', path.join(folder, '..data_tmp'))
    renameSync(path.join(folder, '..data_tmp'), path.join(folder, '..data'))
    await eventually(() => expect(reloads).toEqual([['b']]))
  })

  it('are followed to the file that is written to', async () => {
    const folder = folderWith({ 'real/a.json': '{"name":"a"}', 'apis/README': '' })
    symlinkSync('../real/a.json', path.join(folder, 'apis/a.json'))
    const { reloads } = await watched({ files: path.join(folder, 'apis') })
    writeFileSync(path.join(folder, 'real/a.json'), '{"name":"b"}')
    await eventually(() => expect(reloads).toEqual([['b']]))
  })
})

describe('a change of a plugin', () => {
  it('is a reload, however deep it is', async () => {
    const folder = folderWith({ 'a.json': '{"name":"a"}', 'plugins/x.js': '', 'plugins/deep/y.ts': '' })
    const plugins = path.join(folder, 'plugins')
    const { reloads } = await watched({ files: path.join(folder, 'a.json'), plugins: pathToFileURL(plugins) })
    const changes: readonly (readonly [change: () => void, reloads: number])[] = [
      [() => writeFileSync(path.join(plugins, 'x.js'), '1'), 1],
      [() => writeFileSync(path.join(plugins, 'deep/y.ts'), '2'), 2],
      [() => writeFileSync(path.join(plugins, 'deep/new.mjs'), '3'), 3],
      [() => mkdirSync(path.join(plugins, 'deep/new/newer'), { recursive: true }), 3],
      [() => writeFileSync(path.join(plugins, 'deep/new/newer/z.cjs'), '4'), 4],
      [() => writeFileSync(path.join(plugins, 'deep/new/newer/z.cjs'), '5'), 5],
      [() => rmSync(path.join(plugins, 'deep'), { recursive: true }), 6],
    ]
    for (const [change, count] of changes) {
      change()
      await eventually(() => expect(reloads).toHaveLength(count))
      await wait(250)
    }
    expect(reloads).toHaveLength(6)
  })

  it('is seen in directories that were made together with it', async () => {
    const folder = folderWith({ 'a.json': '{"name":"a"}', 'plugins/x.js': '' })
    const { reloads } = await watched({ files: path.join(folder, 'a.json'), plugins: path.join(folder, 'plugins') })
    const deep = path.join(folder, 'plugins/1/2/3')
    mkdirSync(deep, { recursive: true })
    writeFileSync(path.join(deep, 'y.js'), '1')
    await eventually(() => expect(reloads).toHaveLength(1))
    writeFileSync(path.join(deep, 'y.js'), '2')
    await eventually(() => expect(reloads).toHaveLength(2))
  })

  it('is not what happens to logs, to hidden files and to installed packages', async () => {
    const folder = folderWith({
      'a.json': '{"name":"a"}',
      'plugins/node_modules/x/index.js': '',
      'plugins/.git/x.js': '',
    })
    const plugins = path.join(folder, 'plugins')
    symlinkSync('..', path.join(plugins, 'up'))
    const { reloads } = await watched({ files: path.join(folder, 'a.json'), plugins })
    writeFileSync(path.join(plugins, 'node_modules/x/index.js'), '1')
    writeFileSync(path.join(plugins, '.git/x.js'), '1')
    writeFileSync(path.join(plugins, 'app.log'), '1')
    await quiet()
    expect(reloads).toEqual([])
  })

  it('may be the first one of a directory that did not exist', async () => {
    const folder = folderWith({ 'a.json': '{"name":"a"}' })
    const plugins = path.join(folder, 'plugins')
    const { reloads } = await watched({ files: path.join(folder, 'a.json'), plugins })
    mkdirSync(plugins)
    writeFileSync(path.join(plugins, 'x.js'), '1')
    await eventually(() => expect(reloads.length).toBeGreaterThan(0))
    await quiet()
    const before = reloads.length
    writeFileSync(path.join(plugins, 'x.js'), '2')
    await eventually(() => expect(reloads).toHaveLength(before + 1))
  })
})

describe('reloads', () => {
  it('are one at a time, and the last change wins', async () => {
    const file = path.join(folderWith({ 'a.json': '{"name":0}' }), 'a.json')
    let [running, most] = [0, 0]
    const { reloads } = await watched({ files: file }, async () => {
      running += 1
      most = Math.max(most, running)
      await wait(300)
      running -= 1
    })
    for (let name = 1; name <= 20; name += 1) {
      writeFileSync(file, JSON.stringify({ name }))
      await wait(name % 4 === 0 ? 250 : 20)
    }
    await eventually(() => expect(reloads.at(-1)).toEqual([20]))
    await eventually(() => expect(running).toBe(0))
    expect(most).toBe(1)
    expect(reloads.length).toBeLessThan(10)
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('no'))],
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
  ])('go on after one that %s', async (_, fail) => {
    const file = path.join(folderWith({ 'a.json': '{"name":"a"}' }), 'a.json')
    let failing = true
    const { reloads, errors } = await watched({ files: file }, () => (failing ? fail() : undefined))
    writeFileSync(file, '{"name":"b"}')
    await eventually(() => expect(errors).toEqual([new Error('no')]))
    failing = false
    writeFileSync(file, '{"name":"c"}')
    await eventually(() => expect(reloads).toEqual([['b'], ['c']]))
  })

  it('warn of the process once for each message where nobody listens, and anew after one that worked', async () => {
    const file = path.join(folderWith({ 'a.json': '{"name":"a"}' }), 'a.json')
    const warnings: string[] = []
    const listen = ({ message }: Error): void => void warnings.push(message.split(file)[1] ?? message)
    process.on('warning', listen)
    closeLater(() => process.off('warning', listen))
    const { reloads } = await watched({ files: file, onError: undefined })
    writeFileSync(file, '{')
    await eventually(() => expect(warnings).toHaveLength(1))
    writeFileSync(file, '{')
    await quiet()
    writeFileSync(file, '[')
    await eventually(() => expect(warnings).toHaveLength(2))
    writeFileSync(file, '{"name":"b"}')
    await eventually(() => expect(reloads).toEqual([['b']]))
    writeFileSync(file, '{')
    await eventually(() => expect(warnings).toHaveLength(3))
    expect(warnings).toEqual([
      ':1:2: found the end of the file, expected a key in double quotes',
      ':1:2: found the end of the file, expected a value',
      ':1:2: found the end of the file, expected a key in double quotes',
    ])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('oh no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('oh no'))],
  ])('survive an onError that %s', async (_, onError: () => unknown) => {
    const file = path.join(folderWith({ 'a.json': '{"name":"a"}' }), 'a.json')
    const warnings = await warningsDuring(async () => {
      const { reloads } = await watched({ files: file, onError })
      writeFileSync(file, '{')
      await quiet()
      writeFileSync(file, '{"name":"b"}')
      await eventually(() => expect(reloads).toEqual([['b']]))
    }, 'onError')
    expect(warnings).toEqual(['onError of watch() failed: Error: oh no'])
  })
})

describe('the end', () => {
  it('comes with close(), also twice, and after it nothing is reloaded', async () => {
    const file = path.join(folderWith({ 'a.json': '{"name":"a"}' }), 'a.json')
    const { reloads, watching } = await watched({ files: file })
    writeFileSync(file, '{"name":"b"}')
    await wait(20)
    await Promise.all([watching.close(), watching.close()])
    writeFileSync(file, '{"name":"c"}')
    await quiet()
    expect(reloads).toEqual([])
  })

  it('waits for the reload that is under way', async () => {
    const file = path.join(folderWith({ 'a.json': '{"name":"a"}' }), 'a.json')
    let ended = false
    const { reloads, watching } = await watched({ files: file }, async () => {
      await wait(200)
      ended = true
    })
    writeFileSync(file, '{"name":"b"}')
    await eventually(() => expect(reloads).toHaveLength(1))
    await watching.close()
    expect(ended).toBe(true)
  })

  it('may come before it is ready', async () => {
    const file = path.join(folderWith({ 'a.json': '{"name":"a"}' }), 'a.json')
    const reload = vi.fn<Reloadable['reload']>(() => Promise.resolve())
    const watching = watch({ reload }, { files: file })
    await watching.close()
    await watching.ready
    writeFileSync(file, '{"name":"b"}')
    await quiet()
    expect(reload).not.toHaveBeenCalled()
  })

  it('of a process is not held up, neither by watching nor by a change', { timeout: 30_000 }, async () => {
    const folder = folderWith({ 'a.json': '{"name":"a"}' })
    const program = await bundle(path.join(import.meta.dirname, 'watching-process.ts'), folder)
    const file = path.join(folder, 'a.json')
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, file], { timeout: 10_000 })
    expect([stdout, stderr]).toEqual(['ready\n', ''])
  })
})

it.each([
  [undefined, { files: 'a' }, 'Found undefined, expected a gateway, with its reload().'],
  [{}, { files: 'a' }, 'Found an empty object, expected a gateway, with its reload().'],
  [{ reload: () => undefined }, undefined, 'The options are undefined; expected { files }.'],
  [{ reload: () => undefined }, {}, 'Found undefined, expected the path of a definition file.'],
  [
    { reload: () => undefined },
    { files: 'a', plugin: 'b' },
    'Unknown option "plugin"; did you mean "plugins"? known: files, plugins, onError.',
  ],
  [{ reload: () => undefined }, { files: 'a', plugins: 7 }, 'Found 7, expected a path or a file: URL.'],
  [{ reload: () => undefined }, { files: 'a', onError: 7 }, 'options.onError is 7; expected a function.'],
])('takes no %j with %j', (gateway, options, message) => {
  expect(() => watch(gateway as never, options as never)).toThrow(
    expect.objectContaining({ code: 'PSTN_OPTIONS_INVALID', message }),
  )
})

describe('what does not exist at the start', () => {
  it('is told once, and waited for', async () => {
    const folder = folderWith({})
    const [files, plugins] = [path.join(folder, 'apis'), path.join(folder, 'plugins')]
    const { reloads, errors } = await watched({ files, plugins })
    const message = `${files}, ${plugins} do not exist; reloads as soon as there is something.`
    expect(errors).toEqual([expect.objectContaining({ message })])
    mkdirSync(files)
    writeFileSync(path.join(files, 'a.json'), '{ "name": "a" }')
    await eventually(() => expect(reloads).toEqual([['a']]))
    expect(errors.filter((error) => (error as Error).message === message)).toHaveLength(1)
  })
})
