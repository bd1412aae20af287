import { afterEach, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { fuzzerOf, FUZZERS, listenToProcess, run } from './run.ts'

afterEach(closeAll)
listenToProcess()

const BRIEFLY_MS = 3000

it.each(FUZZERS)('a few seconds of made-up %s find nothing', { timeout: 60_000 }, async (name) => {
  const fuzzer = fuzzerOf(name)
  const attacked = await fuzzer.start()
  const first = Math.floor(Math.random() * 2 ** 31)
  const endsAt = Date.now() + BRIEFLY_MS
  for (let seed = first; Date.now() < endsAt; seed += 1) {
    const { tried, finding } = await run(fuzzer, attacked, { seed })
    expect(finding, `pnpm fuzz --only ${name} --seed ${finding?.seed} --path ${finding?.path}`).toBeUndefined()
    expect(tried).toBeGreaterThan(0)
  }
})
