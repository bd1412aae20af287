// Node 20 runs no TypeScript: a program and all it imports become one file, made by what runs the tests.
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * @param {string} entry a `.ts` file
 * @param {string} folder where the file goes
 * @param {'esm' | 'cjs'} [format]
 * @returns {Promise<string>} its path
 */
export async function bundle(entry, folder, format = 'esm') {
  const ofVitest = createRequire(createRequire(import.meta.url).resolve('vitest/package.json'))
  const vite = await import(pathToFileURL(ofVitest.resolve('vite')).href)
  const conditions = ['@postern/source', 'module', 'node', 'production']
  const name = `${path.basename(entry, '.ts')}.${format === 'esm' ? 'mjs' : 'cjs'}`
  await vite.build({
    configFile: false,
    logLevel: 'error',
    root: path.dirname(entry),
    resolve: { conditions },
    ssr: { noExternal: true, target: 'node', resolve: { conditions } },
    build: {
      ssr: entry,
      outDir: folder,
      emptyOutDir: false,
      minify: false,
      target: 'node20',
      rolldownOptions: { output: { format, entryFileNames: name } },
    },
  })
  return path.join(folder, name)
}
