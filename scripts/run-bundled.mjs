// Runs a TypeScript program of the tests on the sources of the packages, as they are now:
//   node scripts/run-bundled.mjs test/fuzz/main.ts [other programs it starts, .ts] [its arguments]
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { bundle } from '../test/support/bundle.mjs'

const given = process.argv.slice(2)
const programs = given.filter((argument) => argument.endsWith('.ts'))
const folder = await mkdtemp(path.join(tmpdir(), 'postern-run-'))
const scripts = []
for (const program of programs) scripts.push(await bundle(path.resolve(program), folder))
const child = spawn(process.execPath, [scripts[0], ...given.slice(programs.length)], { stdio: 'inherit' })
// The terminal sends it to both; this one has to be there when the other has ended.
process.on('SIGINT', () => undefined)
child.once('exit', async (code, signal) => {
  await rm(folder, { recursive: true, force: true })
  process.exit(signal === null ? code : 1)
})
