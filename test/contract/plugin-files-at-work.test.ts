import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bundle } from '../support/bundle.mjs'
import { pluginFolder } from '../support/plugin-folder.ts'

// In a process of their own: what ends one cannot be seen in that of the tests.
const out = mkdtempSync(path.join(tmpdir(), 'postern-bundled-'))
const source = fileURLToPath(new URL('../../packages/core/src/plugins/plugin-modules.ts', import.meta.url))
let bundled = ''

beforeAll(async () => {
  bundled = pathToFileURL(await bundle(source, out)).href
}, 30_000)
afterAll(() => rmSync(out, { recursive: true, force: true }))

/** What a program prints; `open(path)` answers with a use, or with what it was refused for. */
async function printed(files: Readonly<Record<string, string>>, program: string, below = '.'): Promise<string> {
  const text = `
    import { setTimeout as wait } from 'node:timers/promises'
    const { PluginModules } = await import(${JSON.stringify(bundled)})
    import { writeFileSync } from 'node:fs'
    const folder = ${JSON.stringify(path.join(pluginFolder(files), below))}
    const modules = new PluginModules(folder)
    const open = (path) => modules.open(path, 'a').catch((error) => String(error.cause))
    ${program}`
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', text])
  return run.then(
    ({ stdout }) => stdout.trim(),
    (error: unknown) => `ended: ${(error as { stderr: string }).stderr}`,
  )
}

const broken = { 'a.mjs': 'import "./b.cjs"', 'b.cjs': 'throw new Error("broken")' }

it('a plugin that imports a CommonJS file that throws does not end the process', async () => {
  const program = 'console.log(await open("a.mjs"))\nawait wait(20)\nconsole.log(await open("a.mjs"))\nawait wait(20)'
  expect(await printed(broken, program)).toBe('Error: broken\nError: broken')
})

it('a rejection nobody handles ends the process, also while plugins load', async () => {
  const slow = { ...broken, 'slow.mjs': 'await new Promise((resolve) => setTimeout(resolve, 200))' }
  const program = `
    await open('a.mjs')
    const slow = open('slow.mjs')
    Promise.reject(new Error('of the host'))
    await slow
    console.log('still here')`
  expect(await printed(slow, program)).toMatch(/^ended: [^]*Error: of the host/)
})

it('a directory may have a name that URLs cannot hold', async () => {
  const odd = 'v 1 #é%41?x'
  const files = { [`${odd}/a.mjs`]: 'export { g } from "./lib.mjs"', [`${odd}/lib.mjs`]: 'export const g = () => 1' }
  const program = `
    const g = async () => (await open('a.mjs')).function('g')()
    const before = await g()
    writeFileSync(folder + '/lib.mjs', 'export const g = () => 2')
    await modules.refresh()
    console.log(before, await g())`
  expect(await printed(files, program, odd)).toBe('1 2')
})
