import { createApp } from '@postern-example/plugins-in-typescript'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { listen } from '../support/server.ts'

describe('plugins-in-typescript', () => {
  afterEach(closeAll)

  it('counts the hits of each endpoint', async () => {
    const { url } = await listen(createApp())
    const hitsOf = async (path: string): Promise<unknown> => JSON.parse((await send(url, path)).text)
    expect(await hitsOf('/a')).toEqual({ endpoint: 'GET /a', role: 'reader', hit_counter: 1 })
    expect(await hitsOf('/a')).toMatchObject({ hit_counter: 2 })
    expect(await hitsOf('/b')).toMatchObject({ endpoint: 'GET /b', hit_counter: 1 })
  })

  it('blocks the agents its setting names', async () => {
    const { url } = await listen(createApp())
    expect(await send(url, '/a', { headers: { 'user-agent': 'BadBot/1' } })).toMatchObject({ status: 403 })
  })
})
