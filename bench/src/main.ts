import { parseArgs } from 'node:util'
import { benchChain } from './chain.ts'
import { benchEvents } from './events.ts'
import { benchMatching } from './matching.ts'
import { benchRecords } from './record-sinks.ts'
import { benchSessions } from './sessions.ts'
import { benchTracing } from './tracing.ts'

interface BenchOptions {
  /** For those that can be short. */
  readonly quick: boolean
  /** A built checkout to compare with. */
  readonly before: string | undefined
}

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<void>>> = {
  matching: benchMatching,
  chain: benchChain,
  records: benchRecords,
  sessions: benchSessions,
  tracing: benchTracing,
  events: benchEvents,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, before: { type: 'string' } },
})
const unknown = positionals.filter((name) => !Object.hasOwn(BENCHES, name))
if (unknown.length > 0) {
  console.error(
    `Unknown bench: ${unknown.join(', ')}. There are: ${Object.keys(BENCHES).join(', ')}; and --quick, --before <folder>.`,
  )
  process.exitCode = 2
} else {
  const { quick, before } = values
  for (const name of positionals.length === 0 ? Object.keys(BENCHES) : positionals)
    await BENCHES[name]?.({ quick, before })
}
