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

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    before: { type: 'string' },
    only: { type: 'string', default: '' },
    workload: { type: 'string', default: '' },
    rounds: { type: 'string' },
  },
})
const unknown = positionals.filter((name) => !Object.hasOwn(BENCHES, name))
if (unknown.length > 0) {
  console.error(
    `Unknown bench: ${unknown.join(', ')}. There are: ${Object.keys(BENCHES).join(', ')}; and --quick, --before <folder>;
for http --only <contestant,...>, --workload <name,...>, --rounds <number>.`,
  )
  process.exitCode = 2
} else {
  const { quick, before, only, workload, rounds } = values
  const options: BenchOptions = {
    quick,
    before,
    only: listOf(only),
    workloads: listOf(workload),
    rounds: rounds === undefined ? undefined : Number(rounds),
  }
  // What is only looked at changes no page.
  const all = Object.keys(BENCHES).filter((name) => name !== 'report' || !quick)
  // What has been started ends with this process, however that is asked to.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  try {
    for (const name of positionals.length === 0 ? all : positionals) await BENCHES[name]?.(options)
  } catch (error) {
    // It was asked for what there is not.
    if (!(error instanceof RangeError)) throw error
    console.error(error.message)
    process.exitCode = 2
  }
}

function listOf(text: string): string[] {
  return text.split(',').filter((name) => name !== '')
}
