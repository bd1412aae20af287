import { benchChain } from './chain.ts'
import { benchMatching } from './matching.ts'

const BENCHES: Readonly<Record<string, () => Promise<void>>> = { matching: benchMatching, chain: benchChain }

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name))
if (unknown.length > 0) {
  console.error(`Unknown bench: ${unknown.join(', ')}. There are: ${Object.keys(BENCHES).join(', ')}.`)
  process.exitCode = 2
} else {
  for (const name of wanted.length === 0 ? Object.keys(BENCHES) : wanted) await BENCHES[name]?.()
}
