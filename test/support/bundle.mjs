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
  const name = `${path.basename(entry, '.ts')}.${format === 'esm' ? 'mjs' : 'cjs'}`
  await build(path.dirname(entry), entry, folder, { format, entryFileNames: name })
  return path.join(folder, name)
}

/**
 * Several programs and packages that share what they import.
 *
 * @param {Readonly<Record<string, string>>} entries `.ts` files by the names of what they become, without an ending
 * @param {string} folder where the files go
 * @returns {Promise<void>}
 */
export async function bundleTogether(entries, folder) {
  const names = { entryFileNames: '[name].mjs', chunkFileNames: 'shared/[name]-[hash].mjs' }
  await build(folder, { ...entries }, folder, { format: 'esm', ...names })
}

async function build(root, ssr, outDir, output) {
  const ofVitest = createRequire(createRequire(import.meta.url).resolve('vitest/package.json'))
  const vite = await import(pathToFileURL(ofVitest.resolve('vite')).href)
  const conditions = ['@postern/source', 'module', 'node', 'production']
  await vite.build({
    configFile: false,
    logLevel: 'error',
    root,
    resolve: { conditions },
    ssr: { noExternal: true, target: 'node', resolve: { conditions } },
    build: {
      ssr: typeof ssr === 'string' ? ssr : true,
      outDir,
      emptyOutDir: false,
      minify: false,
      target: 'node20',
      rolldownOptions: { ...(typeof ssr === 'string' ? {} : { input: ssr }), output },
    },
  })
}
