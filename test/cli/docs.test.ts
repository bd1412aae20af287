import { readFileSync } from 'node:fs'
import path from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { LINTS } from '../../packages/cli/src/lint/lints.ts'
import { closeAll } from '../support/cleanup.ts'
import { postern, project, start, write } from './postern.ts'

const root = path.resolve(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const page = read('docs/cli.md')

/** Where Node runs no TypeScript the starter is JavaScript. */
const typescript = Boolean((process.features as { readonly typescript?: unknown }).typescript)
const inThisNode = (text: string): string =>
  typescript ? text : text.replaceAll(/(orders(?:\.test)?)\.ts/g, '$1.js').replace(/^wrote \S+tsconfig.*\n/m, '')

interface Shown {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly output: string
}

function shownIn(text: string): Shown[] {
  return [...text.matchAll(/^```console\n\$ (FORCE_COLOR=1 )?postern (.*)\n([^]*?)^```$/gm)].map(
    ([, colour, args = '', output = '']) => ({
      args: args.split(' '),
      env: colour === undefined ? {} : { FORCE_COLOR: '1' },
      output: inThisNode(output),
    }),
  )
}

/** The starter, with the files of the page. */
async function shop(): Promise<string> {
  const folder = await project()
  await postern(folder, ['init', 'shop'])
  const files = [...page.matchAll(/^```yaml\n(# (\S+)\n[^]*?)^```$/gm)]
  await write(
    path.join(folder, 'shop'),
    Object.fromEntries(files.map(([, text = '', name = '']) => [name, inThisNode(text)])),
  )
  return path.join(folder, 'shop')
}

const shown = [...shownIn(page), ...shownIn(read('packages/cli/README.md'))]
const runs = ({ args: [command, ...others] }: Shown): boolean => command === 'serve' && !others.includes('--help')

describe('what the pages show', () => {
  afterEach(closeAll)

  it.each(shown.filter((one) => !runs(one) && one.args[0] !== 'init').map((one) => [one.args.join(' '), one] as const))(
    'postern %s says that',
    async (_, { args, env, output }) => {
      const { stdout, stderr } = await postern(await shop(), args, env)
      expect([stripVTControlCharacters(stdout), stderr]).toEqual([output, ''])
    },
  )

  it('postern init says that', async () => {
    const one = shown.find(({ args }) => args[0] === 'init')
    const { stdout } = await postern(await project(), one?.args ?? [])
    expect(stdout.split('\nJavaScript, because')[0]?.trimEnd()).toBe(one?.output.trimEnd())
  })

  it('postern serve says that at first', async () => {
    const one = shown.find(runs)
    const { untilSaid, said } = start(await shop(), [...(one?.args ?? []), '--port', '0'])
    await untilSaid(/watches .*\n/)
    const [first = ''] = (one?.output ?? '').split(/^\d\d:/m)
    expect(said().stdout.replace(/127\.0\.0\.1:\d+\n/, '127.0.0.1:8080\n')).toBe(first)
  })

  it('lists the lints there are', () => {
    const rows = [...page.matchAll(/^\| `([a-z-]+)` +\| (warning|hint) +\|/gm)].map(([, id, severity]) => [
      id,
      severity,
    ])
    expect(rows).toEqual(LINTS.map(({ id, severity }) => [id, severity]))
  })
})
