import { beforeAll, expect, it } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import { faultyUpstream } from '../soak/upstream.ts'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { process as group } from './catalogue/l.ts'
import { type GatewayProcesses, gatewayProcesses } from './process/start.ts'

cleanUpAfterAttacks()

let processes: GatewayProcesses
beforeAll(async () => {
  processes = await gatewayProcesses()
}, 30_000)

const REQUESTS = [
  ['/x', 200, 'GET'],
  ['/fault/reset', 502, 'GET'],
  ['/fault/silent', 504, 'GET'],
  ['/y', 500, 'GET', 'X-Plugin: throws\r\n'],
  ['/y', 500, 'GET', 'X-Plugin: hangs\r\n'],
] as const

attack(group, 'L03', (_, host) => {
  it('holds nothing any more when it was closed during a reload', async () => {
    const gateway = processes.start()
    const before = await gateway.do('holdings', undefined)
    const upstream = await faultyUpstream()
    await gateway.do('begin', { host, scenario: 'plain', upstream })
    const health = { path: '/fault/silent', intervalMs: 10 }
    const versions = [1, 2, 3].map((version) =>
      gateway.do('reload', [{ name: 'b', upstream: { url: upstream, health }, config: { version } }]),
    )
    const after = await gateway.do('close', { times: 2 })
    const told = await Promise.all(versions)
    expect(told.filter((answer) => answer !== 'reloaded' && answer !== 'PSTN_CLOSED')).toEqual([])
    expect(after.resources).toEqual(before.resources)
    expect(await gateway.do('reload', [{ name: 'c' }])).toBe('PSTN_CLOSED')
    expect(await gateway.do('stumbles', undefined)).toEqual([])
    gateway.child.disconnect()
    expect(await gateway.ended).toEqual({ code: 3, signal: null })
  })

  it.each([1, 2, 5])('holds nothing any more when it was closed %i times at once', async (times) => {
    const gateway = processes.start()
    const before = await gateway.do('holdings', undefined)
    const { port } = await gateway.do('begin', { host, scenario: 'impatient', upstream: await faultyUpstream() })
    for (const [target, status, method, more = ''] of REQUESTS) {
      const client = new RawClient(port)
      client.write(`${method} ${target} HTTP/1.1\r\nHost: a\r\n${more}\r\n`)
      expect([target, (await client.answer()).status]).toEqual([target, status])
    }
    const running = new RawClient(port)
    running.write('GET /fault/silent HTTP/1.1\r\nHost: a\r\n\r\n')
    const after = await gateway.do('close', { times })
    await running.closed
    expect(after.resources).toEqual(before.resources)
    expect(await gateway.do('stumbles', undefined)).toEqual([])
    // Nothing keeps it alive but the channel to this test.
    gateway.child.disconnect()
    expect(await gateway.ended).toEqual({ code: 3, signal: null })
  })
})
