import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { blocksOf, CHART, chart, PAGES, withBlocks } from '../../bench/src/report/pages.ts'
import { newestResults } from '../../bench/src/report/result-files.ts'

/* What is quoted of a bench is what was measured: `pnpm bench report` writes it from the newest files in bench/results. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const results = newestResults()

describe('what pages quote of the benches', () => {
  it('has results to quote', () => {
    expect(results?.http.slices['get']).toBeDefined()
  })

  it.each(PAGES)('%s says what was measured', (page) => {
    expect(withBlocks(read(page), blocksOf(results!))).toBe(read(page))
  })

  it('the chart shows what was measured', () => {
    expect(read(CHART)).toBe(chart(results!.http))
  })

  it('every block is on a page, and none twice', () => {
    const shown = PAGES.flatMap((page) => [...read(page).matchAll(/<!-- bench:(\w+) -->/g)].map(([, name]) => name))
    const written = Object.keys(blocksOf(results!))
    expect(new Set(shown)).toEqual(new Set(written))
    expect(shown).toHaveLength(written.length)
  })

  it('no other numbers of requests or ratios stand beside them', () => {
    const beside = PAGES.map((page) => read(page).replaceAll(/<!-- bench:(\w+) -->[^]*?<!-- \/bench:\1 -->/g, ''))
    const [, section = ''] = beside[0]!.split('\n## Performance\n')
    const texts = [section.split('\n## ')[0]!, beside[1]!]
    expect(texts.flatMap((text) => text.match(/\d+\.\d+|\d+ ?x\b|\d+ (?:ns|µs|%)/g) ?? [])).toEqual([])
  })

  it('every number is of a contestant there is a row for', () => {
    const { labels, slices } = results!.http
    const measured = new Set(Object.values(slices).flatMap((byContestant) => Object.keys(byContestant)))
    expect([...measured].filter((name) => labels[name] === undefined)).toEqual([])
  })

  it('are of runs that are kept with what they were made on', () => {
    const { machine, versions, method } = results!.http
    expect(
      [machine.node, machine.kernel, machine.cpu, method.load, method.upstream].filter((text) => text === ''),
    ).toEqual([])
    expect(Object.keys(versions)).toEqual(expect.arrayContaining(['http-proxy-3', '@fastify/http-proxy', 'undici']))
    expect(existsSync(path.join(root, CHART))).toBe(true)
  })
})
