import { type ApiDefinitionInput, memoryStore, respond, type SessionInput } from '@postern/core'
import type { Store } from '@postern/core/store'
import { describe, expect, it } from 'vitest'
import { connect, run, settled } from './harness.ts'

/** Seconds a session that the `auth` plugin returns is kept, as the store is told. */
async function kept(session: SessionInput, fields: Partial<ApiDefinitionInput>): Promise<number[]> {
  const memory = memoryStore()
  const seconds: number[] = []
  const store: Store = Object.assign(Object.create(memory) as Store, {
    save: (...[id, saved, lifetimeMs, ...others]: Parameters<Store['save']>) => {
      seconds.push(Math.round(lifetimeMs / 1000))
      return memory.save(id, saved, lifetimeMs, ...others)
    },
    load: memory.load.bind(memory),
    take: memory.take.bind(memory),
  })
  const auth = (): SessionInput => session
  const { port } = await run({ name: 'a', hooks: { auth, post: [() => respond(200, 'in')] }, ...fields }, { store })
  const connection = await connect(port)
  expect((await connection.request('GET', '/')).status).toBe(200)
  await settled()
  return seconds
}

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds
const near = (seconds: number): unknown => expect.closeTo(seconds, -1)

describe('a session an auth plugin returns is kept', () => {
  const token = { metadata: { token: 'ann' } }
  it.each<[string, Partial<SessionInput>, Partial<ApiDefinitionInput>, seconds: unknown]>([
    ['for 30 days', {}, {}, 2_592_000],
    ['as long as the API says', {}, { sessionLifetime: 60 }, 60],
    ['no longer, however late it expires', { expires: inSeconds(600) }, { sessionLifetime: 60 }, 60],
    ['until it expires', { expires: inSeconds(600) }, { sessionLifetime: 60, keepUntilExpiry: true }, near(600)],
    [
      'at least as long as the API says',
      { expires: inSeconds(10) },
      { sessionLifetime: 60, keepUntilExpiry: true },
      60,
    ],
    ['for ever when it never expires', { expires: 0 }, { sessionLifetime: 60, keepUntilExpiry: true }, Infinity],
    [
      'by its own lifetime before that of the API',
      { expires: inSeconds(600), sessionLifetime: 900 },
      { sessionLifetime: 60, keepUntilExpiry: true },
      900,
    ],
  ])('%s', async (_, session, fields, seconds) => {
    expect(await kept({ ...token, ...session }, fields)).toEqual([seconds])
  })
})
