import { benchChain } from './chain.ts'
import { benchEvents } from './events.ts'
import { benchMatching } from './matching.ts'
import { benchRecords } from './record-sinks.ts'
import { benchSessions } from './sessions.ts'

/** `--quick` is for those that can be short. */
const BENCHES: Readonly<Record<string, (options: { readonly quick: boolean }) => Promise<void>>> = {
  matching: benchMatching,
  chain: benchChain,
  records: benchRecords,
  sessions: benchSessions,
  events: benchEvents,
}

const quick = process.argv.includes('--quick')
const wanted = process.argv.slice(2).filter((argument) => argument !== '--quick')
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name))
if (unknown.length > 0) {
  console.error(`Unknown bench: ${unknown.join(', ')}. There are: ${Object.keys(BENCHES).join(', ')}; and --quick.`)
  process.exitCode = 2
} else {
  for (const name of wanted.length === 0 ? Object.keys(BENCHES) : wanted) await BENCHES[name]?.({ quick })
}
