import { setTimeout as sleep } from 'node:timers/promises'
import { respond } from '@postern/core'
import { expect, it } from 'vitest'
import { drive } from '../redis/drive.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { storeFaults } from './catalogue/g.ts'

cleanUpAfterAttacks()

attack(storeFaults, 'G13', (mount) => {
  const REQUESTS = 300

  it.each<[string, () => unknown, kept: number, dropped: number]>([
    ['never ends', () => new Promise(() => undefined), 0, REQUESTS],
    ['takes its time', () => sleep(50), 10, 0],
    [
      'throws',
      () => {
        throw new Error('the sink is down')
      },
      0,
      REQUESTS,
    ],
  ])('a plugin that %s', async (_, analytics, kept, dropped) => {
    const siege = await besiege(
      mount,
      {
        pluginTimeoutMs: 100,
        hooks: { pre: [() => respond(200, 'ok')], analytics: [analytics as () => undefined] },
      },
      { options: { recordCapacity: 10 } },
    )
    let lost = 0
    siege.gateway.on('recordDropped', () => void (lost += 1))
    const answers = await drive(siege.port, { path: '/', requests: REQUESTS, connections: 10 })
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    const { records } = siege.gateway
    await expect.poll(() => [records.list().length, records.dropped, lost]).toEqual([kept, dropped, dropped])
  })
})
