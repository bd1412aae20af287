// Package layering: which workspace package may depend on which, and do the
// tsconfig references say the same as package.json. No dependencies, so it can run first.
import { readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'

const allowed = {
  '@postern/core': [],
  '@postern/http': ['@postern/core'],
  '@postern/files': ['@postern/core'],
  '@postern/cli': ['@postern/core', '@postern/http', '@postern/files'],
  '@postern/express': ['@postern/core', '@postern/http'],
  '@postern/koa': ['@postern/core', '@postern/http'],
  '@postern/redis': ['@postern/core'],
  '@postern/inspector': ['@postern/core'],
  '@postern/opentelemetry': ['@postern/core'],
}

const problems = []
for (const directory of readdirSync('packages')) {
  const manifest = JSON.parse(readFileSync(`packages/${directory}/package.json`, 'utf8'))
  const tsconfig = JSON.parse(readFileSync(`packages/${directory}/tsconfig.json`, 'utf8'))
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
    .filter((name) => name.startsWith('@postern/'))
    .toSorted()
  const referenced = (tsconfig.references ?? []).map(({ path }) => path.replace('../', '@postern/')).toSorted()
  const may = allowed[manifest.name]
  if (may === undefined) problems.push(`${manifest.name}: not in the layer table of scripts/check-layers.mjs`)
  for (const name of declared) {
    if (may?.includes(name) === false) problems.push(`${manifest.name} may not depend on ${name}`)
  }
  if (declared.join() !== referenced.join()) {
    problems.push(`${manifest.name}: dependencies [${declared}] but tsconfig references [${referenced}]`)
  }
}
if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exit(1)
}
console.log('layers: ok')
