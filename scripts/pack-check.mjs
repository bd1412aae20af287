// Packs the public packages, checks the tarballs (publint, attw), installs them with npm in fresh
// apps outside the workspace and runs those: one per host and major, as ESM, CommonJS and TypeScript.
//   node scripts/pack-check.mjs [--keep] [--node <path> ...]      (after a build)
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { keep: { type: 'boolean' }, node: { type: 'string', multiple: true } } })
const nodes = values.node ?? [process.execPath]
const work = mkdtempSync(path.join(tmpdir(), 'postern-pack-'))
const tarballs = path.join(work, 'tarballs')
const tools = path.join(work, 'tools')

const listener = { adapter: 'http', mount: 'http.createServer(gateway)' }
const express = { adapter: 'express', name: 'express', mount: 'http.createServer(express().use(gateway))' }
const koa = { adapter: 'koa', name: 'koa', mount: 'http.createServer(new koa().use(gateway).callback())' }
const hosts = {
  http: listener,
  express4: { ...express, version: '^4.21.0', types: '^4.17.21' },
  express5: { ...express, version: '^5.0.0', types: '^5.0.0' },
  koa2: { ...koa, version: '^2.16.0', types: '^2.15.0' },
  koa3: { ...koa, version: '^3.0.0', types: '^3.0.0' },
}

let failed = 0
/** Runs a command; it must exit by itself, with 0 and, where `quiet`, without a word on stderr. */
function step(label, command, args, { accept = ({ status }) => status === 0, quiet = false, ...options } = {}) {
  const started = performance.now()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000, ...options })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      output[stream] += text
    })
  }
  return new Promise((resolve) => {
    const end = (status, reason) => {
      const ok = accept({ status, ...output }) && !(quiet && output.stderr.trim() !== '')
      console.log(`${ok ? 'ok  ' : 'FAIL'} ${label} (${Math.round(performance.now() - started)} ms)`)
      if (!ok) {
        failed += 1
        console.log(`${output.stdout}${output.stderr}${reason}`.replaceAll(/^/gmu, '     '))
      }
      resolve(ok)
    }
    child.once('error', (error) => end(-1, String(error)))
    child.once('close', (status, signal) => end(status, signal === null ? `exit ${status}` : `did not end: ${signal}`))
  })
}

/** The same small program for every host; `types` writes it as TypeScript. */
function smoke({ adapter, name, mount }, { types = false, commonjs = false } = {}) {
  const load = (names, from) => (commonjs ? `const ${names} = require('${from}')` : `import ${names} from '${from}'`)
  const typed = (text) => (types ? text : '')
  return `
${load('http', 'node:http')}
${load('assert', 'node:assert/strict')}
${load('{ respond }', '@postern/core')}
${load('{ createGateway }', `@postern/${adapter}`)}
${load('{ prometheus }', '@postern/core/metrics')}
${load('{ readDefinitions, watch }', '@postern/files')}
${load('{ openTelemetry }', '@postern/opentelemetry')}
${name === undefined ? '' : load(name, name)}
${typed(`
import type { AddressInfo } from 'node:net'
import type { PrePlugin } from '@postern/core'

export const sessionBeforeAuthentication: PrePlugin = (_request, context) => {
  // @ts-expect-error: nobody is known yet
  return void context.session
}
`)}
const listen = (server${typed(': http.Server')})${typed(': Promise<string>')} =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve('http://127.0.0.1:' + (server.address()${typed(' as AddressInfo')}).port)
    })
  })

async function main() {
  const upstream = http.createServer((req, res) => {
    res.end(req.method + ' ' + req.url + ' ' + req.headers['x-smoke'])
  })
  const gateway = createGateway({
    name: 'smoke',
    listenPath: '/api/',
    upstream: { url: await listen(upstream) },
    hooks: {
      pre: [
        (request) => {
          request.headers.set('x-smoke', '1')
        },
      ],
    },
    endpoints: { 'GET /virtual': [() => respond(200, { ok: true })] },
  })
  const metrics = prometheus()
  const stopTracing = openTelemetry()
  const definitions = await readDefinitions('apis.yaml')
  assert.deepEqual(definitions.map(({ locate }) => locate(['listenPath'])), [{ line: 2, column: 13 }])
  const watching = watch({ reload: async () => undefined }, { files: 'apis.yaml' })
  await watching.ready
  const server = ${mount}
  const base = await listen(server)

  assert.equal(await (await fetch(base + '/api/x')).text(), 'GET /x 1')
  assert.deepEqual(await (await fetch(base + '/api/virtual')).json(), { ok: true })
  assert.match(metrics.text(), /postern_plugin_calls_total\\{api="smoke"/)
  metrics.close()
  stopTracing()
  const elsewhere = await fetch(base + '/elsewhere')
  await elsewhere.text()
  assert.equal(elsewhere.status, 404)

  // Nothing below forces an end: a handle the gateway leaves open keeps the process alive.
  await watching.close()
  await gateway.close()
  server.close()
  upstream.close()
}

void main()
`
}

const strict = '--strict --exactOptionalPropertyTypes --esModuleInterop --types node --pretty false --rootDir .'.split(
  ' ',
)
const nodenext = ['--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022']
const compilations = [
  { label: 'nodenext', compiler: 'typescript-7', flags: nodenext, sources: ['typed.mts', 'typed.cts'] },
  { label: 'nodenext', compiler: 'typescript-5', flags: nodenext, sources: ['typed.mts', 'typed.cts'] },
  {
    label: 'commonjs, node10',
    compiler: 'typescript-5',
    flags: ['--module', 'commonjs', '--moduleResolution', 'node10', '--target', 'es2022'],
    sources: ['typed.ts'],
  },
  {
    label: 'bundler',
    compiler: 'typescript-7',
    flags: ['--module', 'preserve', '--moduleResolution', 'bundler', '--target', 'esnext', '--noEmit'],
    sources: ['typed.ts'],
  },
]
const programs = [
  'plain.mjs',
  'plain.cjs',
  'typescript-7/typed.mjs',
  'typescript-7/typed.cjs',
  'typescript-5/typed.mjs',
  'typescript-5/typed.cjs',
  'typescript-5/typed.js',
]

/** skipLibCheck is off: the published .d.ts must be sound. A third party's may be broken (@types/koa 3.0.3 is). */
function compiled({ status, stdout }) {
  const errors = stdout.split('\n').filter((line) => line.includes('error TS'))
  const ours = errors.filter((line) => !/^node_modules\/(?!@postern\/)/u.test(line))
  return ours.length === 0 && (status === 0 || errors.length > 0)
}

const npmInstall = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']

async function checkTarball(file) {
  const name = path.basename(file)
  await step(`publint ${name}`, 'node_modules/.bin/publint', ['run', file, '--strict'])
  await step(`attw ${name}`, 'node_modules/.bin/attw', [file, '--profile', 'esm-only', '--no-emoji'])
}

async function checkHost(label, host, packed) {
  const cwd = path.join(work, label)
  const { adapter, name, version, types } = host
  const ours = ['core', 'http', 'files', 'opentelemetry', adapter].map((part) => [
    `@postern/${part}`,
    `file:${packed[part]}`,
  ])
  const manifest = {
    private: true,
    dependencies: {
      ...Object.fromEntries(ours),
      '@opentelemetry/api': '^1.9.0',
      ...(name === undefined ? {} : { [name]: version }),
    },
    devDependencies: { '@types/node': '^20.19.0', ...(name === undefined ? {} : { [`@types/${name}`]: types }) },
  }
  const files = {
    'package.json': JSON.stringify(manifest),
    'apis.yaml': 'name: files\nlistenPath: /files/\n',
    'plain.mjs': smoke(host),
    'plain.cjs': smoke(host, { commonjs: true }),
    'typed.mts': smoke(host, { types: true }),
    'typed.cts': smoke(host, { types: true }),
    'typed.ts': smoke(host, { types: true }),
  }
  mkdirSync(cwd)
  for (const [file, text] of Object.entries(files)) writeFileSync(path.join(cwd, file), text)

  if (!(await step(`${label}: npm install of the tarballs`, 'npm', npmInstall, { cwd }))) return
  for (const { label: mode, compiler, flags, sources } of compilations) {
    const args = [path.join(tools, 'node_modules', compiler, 'bin/tsc'), ...strict, ...flags, '--outDir', compiler]
    await step(`${label}: ${compiler} ${mode}`, process.execPath, [...args, ...sources], { cwd, accept: compiled })
  }
  for (const node of nodes) {
    const release = execFileSync(node, ['-v'], { encoding: 'utf8' }).trim()
    for (const program of programs) {
      await step(`${label}: ${program} on ${release}`, node, [program], { cwd, quiet: true, timeout: 10_000 })
    }
  }
}

/** A starter, checked, tested and served by the installed command. */
const tryServe = `
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const args = ['serve', 'shop/orders.json', '--port', '0', '--json']
const child = spawn('node_modules/.bin/postern', args, { stdio: ['ignore', 'pipe', 'inherit'] })
const [line] = await once(createInterface(child.stdout), 'line')
const { url } = JSON.parse(line)
const response = await fetch(url + '/orders/stock/apple', { headers: { authorization: 'secret' } })
assert.deepEqual(await response.json(), { sku: 'apple', left: 3, tier: 'gold' })
child.kill()
assert.deepEqual(await once(child, 'exit'), [0, null])
`

async function checkCommandLine(packed) {
  const cwd = path.join(work, 'cli')
  const ours = ['core', 'http', 'files', 'cli'].map((part) => [`@postern/${part}`, `file:${packed[part]}`])
  mkdirSync(cwd)
  writeFileSync(
    path.join(cwd, 'package.json'),
    JSON.stringify({ private: true, dependencies: Object.fromEntries(ours) }),
  )
  writeFileSync(path.join(cwd, 'serve.mjs'), tryServe)
  if (!(await step('cli: npm install of the tarballs', 'npm', npmInstall, { cwd }))) return
  for (const node of nodes) {
    const release = execFileSync(node, ['-v'], { encoding: 'utf8' }).trim()
    // What stands behind `env node` in the command is the Node to try.
    const env = { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}` }
    const options = { cwd, env, timeout: 30_000, quiet: true }
    rmSync(path.join(cwd, 'shop'), { recursive: true, force: true })
    const command = 'node_modules/.bin/postern'
    if (!(await step(`cli: postern init on ${release}`, command, ['init', 'shop'], options))) continue
    const [test] = readdirSync(path.join(cwd, 'shop/test'))
    await step(`cli: postern check on ${release}`, command, ['check', 'shop/orders.json', '--strict'], options)
    await step(`cli: its test on ${release}`, node, ['--test', `shop/test/${test}`], { ...options, quiet: false })
    await step(`cli: postern serve on ${release}`, node, ['serve.mjs'], options)
  }
}

mkdirSync(tarballs)
mkdirSync(tools)
const pack = ['-y', 'pnpm@12', '-r', '--filter', './packages/*', 'pack', '--pack-destination', tarballs]
execFileSync('npx', pack, { stdio: ['ignore', 'ignore', 'inherit'] })
const packed = Object.fromEntries(
  readdirSync(tarballs).map((file) => [/^postern-(.+)-\d/u.exec(file)[1], path.join(tarballs, file)]),
)
const compilers = { 'typescript-5': 'npm:typescript@~5.9.3', 'typescript-7': 'npm:typescript@~7.0.2' }
writeFileSync(path.join(tools, 'package.json'), JSON.stringify({ private: true, dependencies: compilers }))
await step('npm install of the compilers', 'npm', npmInstall, { cwd: tools })

const jobs = [
  ...Object.values(packed).map((file) => () => checkTarball(file)),
  ...Object.entries(hosts).map(
    ([label, host]) =>
      () =>
        checkHost(label, host, packed),
  ),
  () => checkCommandLine(packed),
]
const worker = async () => {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await job()
}
await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker))

if (values.keep === true) console.log(`kept ${work}`)
else rmSync(work, { recursive: true })
console.log(failed === 0 ? 'pack-check: ok' : `pack-check: ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
