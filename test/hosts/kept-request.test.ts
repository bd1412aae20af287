import type { ApiDefinitionInput, GatewayRequest } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { remaining } from '../support/collect.ts'
import { hosts } from '../support/hosts.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

/* With one request kept, what V8 has compiled for requests stays where it is while there are none; no more than one is. */

const LARGE = 'x'.repeat(100_000)

describe.each(hosts)('%s', (_, mount) => {
  async function start(): Promise<{
    ask: (body: string) => Promise<number>
    seen: WeakRef<GatewayRequest>[]
    lettingGo: { reload: () => Promise<unknown>; close: () => Promise<void> }
  }> {
    const upstream = await startUpstream((res) => res.end('answer'))
    const seen: WeakRef<GatewayRequest>[] = []
    const look = async (request: GatewayRequest): Promise<void> => {
      seen.push(new WeakRef(request))
      await request.text()
    }
    const definition: ApiDefinitionInput = { name: 'a', upstream: upstream.url, hooks: { pre: [look] } }
    const { url, gateway } = await mount(definition)
    return {
      ask: async (body) => (await send(url, '/', { method: 'POST', body })).status,
      seen,
      lettingGo: { reload: () => gateway.reload(definition), close: () => gateway.close() },
    }
  }

  it('keeps the request that was over last, and none before it', async () => {
    const { ask, seen } = await start()
    for (let i = 0; i < 5; i++) expect(await ask('small')).toBe(200)
    expect(await remaining(seen)).toEqual([false, false, false, false, true])
  })

  it('does not keep one with a large body', async () => {
    const { ask, seen } = await start()
    expect(await ask('small')).toBe(200)
    expect(await ask(LARGE)).toBe(200)
    expect(await remaining(seen)).toEqual([true, false])
  })

  it.each(['reload', 'close'] as const)('lets go of it: %s', async (way) => {
    const { ask, seen, lettingGo } = await start()
    expect(await ask('small')).toBe(200)
    expect(await remaining(seen)).toEqual([true])
    await lettingGo[way]()
    expect(await remaining(seen)).toEqual([false])
  })
})
