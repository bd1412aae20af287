import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Entry, Group } from '../hostile/catalogue/entry.ts'
import { hosts } from '../support/hosts.ts'

/*
 * `docs/hostile-traffic.md` says what `test/hostile` holds postern to. It is made from the same catalogue the tests run
 * on: `pnpm test --project repository -u` writes it anew.
 */

const folder = fileURLToPath(new URL('../hostile', import.meta.url))
const letters = readdirSync(path.join(folder, 'catalogue'))
  .filter((file) => /^[a-z]\.ts$/.test(file))
  .map((file) => file.slice(0, 1).toUpperCase())
  .toSorted()

const groups = await Promise.all(
  letters.map(async (letter) => {
    const file = path.join(folder, 'catalogue', `${letter.toLowerCase()}.ts`)
    const exports = Object.values((await import(file)) as Record<string, Group>)
    return { letter, exports, group: exports[0]! }
  }),
)

const tests = readdirSync(folder)
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => readFileSync(path.join(folder, file), 'utf8'))
  .join('\n')

const PLACE: Readonly<Record<Entry['on'], string>> = {
  hosts: 'every host',
  core: 'no host involved',
  process: 'whole processes',
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

function tableOf({ title, entries, untested = {} }: Group, letter: string): string {
  const rows = Object.entries(entries).map(
    ([id, { sends, promises, on }]) => `| ${id} | ${cell(sends)} | ${cell(promises)} | ${PLACE[on]} |`,
  )
  const missing = Object.entries(untested).map(([id, reason]) => `| ${id} | ${cell(reason)} |`)
  return [
    `## ${letter}. ${title}`,
    ...(rows.length > 0
      ? [['| id | what comes | what postern does | tested on |', '| --- | --- | --- | --- |', ...rows].join('\n')]
      : []),
    ...(missing.length > 0 ? [['| id | not tested, because |', '| --- | --- |', ...missing].join('\n')] : []),
  ].join('\n\n')
}

function page(): string {
  const ids = groups.flatMap(({ group }) => Object.values(group.entries))
  const perHost = ids.filter(({ on }) => on === 'hosts').length
  return `# Hostile traffic

What strangers, broken clients, broken upstreams and bad luck send, and what postern does then. Every row is a test in
[test/hostile](../test/hostile), named by its id, over raw sockets where it is about bytes: ${ids.length} rows, ${perHost} of them on
each of ${hosts.map(([name]) => name).join(', ')}. Run them with \`pnpm test --project hostile\`; \`.ci/run\` prints how many ids are green.

The hosts stand behind \`createServer\` of \`@postern/http\`. What an application that listens by itself has to set is in
[budgets](budgets.md#the-server-in-front). "Refused" means: the status with \`{"error": ...}\`, \`Connection: close\`, nothing at
the upstream, and nothing that was pipelined behind is looked at.

This page is made from the catalogue of the tests, and a test holds it equal.

${groups.map(({ letter, group }) => tableOf(group, letter)).join('\n\n')}
`
}

describe('the catalogue of hostile traffic', () => {
  it.each(groups)('has one group in the file of $letter', ({ exports }) => {
    expect(exports).toHaveLength(1)
  })

  it.each(groups)('has an attack for every id of $letter, and ids of its letter only', ({ letter, group }) => {
    const ids = Object.keys(group.entries)
    expect(ids.filter((id) => !tests.includes(`'${id}'`))).toEqual([])
    expect([...ids, ...Object.keys(group.untested ?? {})].filter((id) => !id.startsWith(letter))).toEqual([])
    expect(ids.filter((id) => group.untested?.[id] !== undefined)).toEqual([])
  })

  it('is what docs/hostile-traffic.md shows', async () => {
    await expect(page()).toMatchFileSnapshot('../../docs/hostile-traffic.md')
  })
})
