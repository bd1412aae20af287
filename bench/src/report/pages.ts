import { chart, SHOWN } from './chart.ts'
import { markdownTable } from './markdown-table.ts'
import { median, type Spread } from './numbers.ts'
import { atRate, BASELINE, ratioOf, underLoadMb } from './ratios-of.ts'
import type { AllResults } from './result-files.ts'
import type { Figures, HttpResults } from './results.ts'

/** What stands between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, by name. */
export function blocksOf(all: AllResults): Readonly<Record<string, string>> {
  return {
    summary: summary(all.http),
    setting: setting(all.http),
    requests: requests(all.http),
    connections: connections(all.http),
    rate: atARate(all.http),
    memory: memory(all.http),
    inside: inside(all),
    growth: growth(all.growth),
  }
}

/** Pages whose blocks are written, from the root of the repository. */
export const PAGES = ['README.md', 'docs/performance.md'] as const
export const CHART = 'docs/images/performance.svg'

/** A page with its blocks as the results say. Throws for a block nobody knows. */
export function withBlocks(page: string, blocks: Readonly<Record<string, string>>): string {
  return page.replaceAll(/<!-- bench:([a-z]+) -->[^]*?<!-- \/bench:\1 -->/g, (_: string, name: string) => {
    const block = blocks[name]
    if (block === undefined) throw new Error(`There is no block "${name}"; known: ${Object.keys(blocks).join(', ')}.`)
    return `<!-- bench:${name} -->\n\n${block}\n\n<!-- /bench:${name} -->`
  })
}

export { chart }

const THREE = { get: 'small GET', post: 'POST 1 KiB', large: '100 KiB' } as const

function summary(http: HttpResults): string {
  const shown = SHOWN.filter((name) => ratioOf(http, 'get', name) !== undefined)
  const rows = shown.map((name) =>
    [http.labels[name] ?? name].concat(
      Object.keys(THREE).map((workload) => ratioOf(http, workload, name)?.median.toFixed(2) ?? ''),
      ratioOf(http, 'get', name, BASELINE, 'cpuMicros')?.median.toFixed(2) ?? '',
    ),
  )
  return markdownTable(['requests per second, x http-proxy-3', ...Object.values(THREE), 'CPU of a GET'], rows)
}

function setting({ at, machine, versions, method }: HttpResults): string {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const lines = [
    `- ${at.slice(0, 10)}, ${machine.cores} cores of ${machine.cpu}, ${machine.kernel}, Node ${machine.node}`,
    `- ${packages.join(', ')}`,
    `- load by ${method.load}, upstream ${method.upstream}, ${method.pinned ? 'one core for the contestant and one for both of them' : 'nothing pinned to cores'}`,
    `- ${method.rounds} rounds of ${method.seconds} s for each contestant and workload`,
  ]
  return lines.join('\n')
}

function requests(http: HttpResults): string {
  const names = Object.keys(http.labels)
  return Object.entries(THREE)
    .map(([workload, title]) => {
      const rows = names.flatMap((name) => {
        const speed = ratioOf(http, workload, name)
        const cpu = ratioOf(http, workload, name, BASELINE, 'cpuMicros')
        if (speed === undefined || cpu === undefined) return []
        return [[http.labels[name] ?? name, speed.median.toFixed(2), range(speed), cpu.median.toFixed(2), range(cpu)]]
      })
      return markdownTable([title, 'per second', 'rounds', 'CPU', 'rounds'], rows)
    })
    .join('\n\n')
}

function connections(http: HttpResults): string {
  const workloads = { 'connections-1': '1', get: '64', 'connections-1000': '1,000', 'connections-5000': '5,000' }
  const measured = Object.keys(http.slices['connections-1000'] ?? {})
  const rows = measured.map((name) =>
    [http.labels[name] ?? name].concat(
      Object.keys(workloads).map((workload) => ratioOf(http, workload, name)?.median.toFixed(2) ?? ''),
    ),
  )
  return rows.length === 0 ? 'Not measured.' : markdownTable(['connections', ...Object.values(workloads)], rows)
}

function atARate(http: HttpResults): string {
  const rows = Object.keys(http.atRate).map((name) =>
    [http.labels[name] ?? name].concat(
      (['p50', 'p90', 'p99'] as const).map((what) => atRate(http, name, what)?.toFixed(1) ?? ''),
    ),
  )
  return rows.length === 0 ? 'Not measured.' : markdownTable(['milliseconds', 'p50', 'p90', 'p99'], rows)
}

function memory(http: HttpResults): string {
  const rows = Object.entries(http.memory).map(([name, { startMs, idleMb }]) => [
    http.labels[name] ?? name,
    startMs.length === 0 ? '' : median(startMs).toFixed(0),
    idleMb === 0 ? '' : idleMb.toFixed(0),
    underLoadMb(http, name)?.toFixed(0) ?? '',
  ])
  return markdownTable(['', 'first answer after ms', 'idle MB', 'under load MB'], rows)
}

function inside({ chain, matching, limits }: AllResults): string {
  const rows = [
    ...rowsOf(chain, Object.keys(chain?.ns ?? {})),
    ...rowsOf(
      matching,
      Object.keys(matching?.ns ?? {}).filter((name) => name.includes('endpoints, any')),
    ),
    ...rowsOf(
      limits,
      Object.keys(limits?.ns ?? {}).filter((name) => /^memory, [\d,]+ keys: /.test(name)),
    ),
  ]
  return rows.length === 0 ? 'Not measured.' : markdownTable(['', 'ns', 'bytes'], rows)
}

function growth(figures: Figures | undefined): string {
  const rows = rowsOf(figures, Object.keys(figures?.ns ?? {}))
  return rows.length === 0 ? 'Not measured.' : markdownTable(['', 'ns', 'bytes'], rows)
}

function rowsOf(figures: Figures | undefined, names: readonly string[]): string[][] {
  return names.map((name) => {
    const bytes = figures?.bytes[name]
    const rounds = figures?.ns[name] ?? []
    return [name, rounds.length === 0 ? '' : whole(median(rounds)), bytes === undefined ? '' : whole(bytes)]
  })
}

function range({ low, high }: Spread): string {
  return `${low.toFixed(2)} to ${high.toFixed(2)}`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}
