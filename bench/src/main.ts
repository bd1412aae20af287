import { parseArgs } from 'node:util'
import { benchCluster } from './cluster/bench-cluster.ts'
import { benchEvents } from './events.ts'
import { benchHttp } from './http/bench-http.ts'
import { benchChain } from './inside/chain.ts'
import { benchGrowth } from './inside/growth.ts'
import { benchMatching } from './inside/matching.ts'
import { benchRecords } from './record-sinks.ts'
import { benchSessions } from './limits/sessions.ts'
import { writeReport } from './report/write-report.ts'
import { benchTracing } from './tracing.ts'
import { UsageError } from './usage-error.ts'

interface BenchOptions {
  /** For those that can be short. */
  readonly quick: boolean
  /** A built checkout to compare with. */
  readonly before: string | undefined
  /** Of `http`. */
  readonly only: readonly string[]
  readonly workloads: readonly string[]
  readonly rounds: number | undefined
}

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<void> | void>> = {
  http: benchHttp,
  matching: benchMatching,
  chain: benchChain,
  growth: benchGrowth,
  records: benchRecords,
  sessions: benchSessions,
  cluster: benchCluster,
  tracing: benchTracing,
  events: benchEvents,
  report: writeReport,
}

const USAGE = `pnpm bench [${Object.keys(BENCHES).join('|')} ...]

  --quick               fewer contestants, slices and inputs
  --before <folder>     a built checkout to compare with, where a bench can
  --only <name,...>     contestants of http
  --workload <name,...> workloads of http
  --rounds <number>     of http

Without a name all of them run; without --quick the pages that quote them are written.`

try {
  await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = 2
}

async function main(): Promise<void> {
  const { values, positionals } = commandLine()
  if (values.help) {
    console.log(USAGE)
    return
  }
  const unknown = positionals.filter((name) => !Object.hasOwn(BENCHES, name))
  if (unknown.length > 0) throw new UsageError(`Unknown bench: ${unknown.join(', ')}.\n\n${USAGE}`)
  const { quick, before, only, workload, rounds } = values
  const options: BenchOptions = {
    quick,
    before,
    only: listOf(only),
    workloads: listOf(workload),
    rounds: rounds === undefined ? undefined : wholeNumber(rounds),
  }
  // What is only looked at changes no page.
  const all = Object.keys(BENCHES).filter((name) => name !== 'report' || !quick)
  // What has been started ends with this process, however that is asked to.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  for (const name of positionals.length === 0 ? all : positionals) await BENCHES[name]?.(options)
}

function commandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        before: { type: 'string' },
        only: { type: 'string', default: '' },
        workload: { type: 'string', default: '' },
        rounds: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`, { cause: error })
  }
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`--rounds ${text}: expected a number from 1.`)
  return Number(text)
}

function listOf(text: string): string[] {
  return text.split(',').filter((name) => name !== '')
}
