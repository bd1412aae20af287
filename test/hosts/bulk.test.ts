import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { memoryGrowth, startBulk } from '../support/bulk.ts'
import { closeAll } from '../support/cleanup.ts'
import { applications, hosts } from '../support/hosts.ts'

afterEach(closeAll)

const MIB = 1024 * 1024
const SIZE = 200 * MIB
const FLAT = 100 * MIB

describe.each(hosts)('%s', (_, mount) => {
  it.each(['down', 'up'] as const)(
    'moves 200 MB %s in flat memory, byte for byte, past plugins that look at heads',
    { timeout: 60_000 },
    async (way) => {
      const bulk = await startBulk()
      const { url } = await mount({
        name: 'a',
        upstream: bulk.url,
        hooks: {
          pre: [(request) => request.headers.set('x-pre', '1')],
          response: [(response) => response.headers.set('x-response', '1')],
        },
      })
      // Code and pools first: what they take is not the transfer's.
      await bulk.transfer(way, url, 8 * MIB)
      const growth = await memoryGrowth(async () => {
        const { result, expected } = await bulk.transfer(way, url, SIZE)
        expect(result).toEqual(expected)
      })
      expect(growth).toBeLessThan(FLAT)
    },
  )
})

describe.each(applications)('%s as the upstream', (_, mount) => {
  it('moves 200 MB from a host route in flat memory past a response plugin', { timeout: 60_000 }, async () => {
    const bulk = await startBulk()
    const piece = Buffer.alloc(64 * 1024, 'postern ')
    const { url } = await mount(
      { name: 'a', hooks: { response: [(response) => response.headers.set('x-response', '1')] } },
      {
        route: (req) => ({
          body: Readable.from(
            (function* pieces() {
              for (let left = Number(req.headers['x-bytes']); left > 0; left -= piece.length) yield piece
            })(),
            { objectMode: false, highWaterMark: 64 * 1024 },
          ),
        }),
      },
    )
    await bulk.transfer('down', url, 8 * MIB)
    const growth = await memoryGrowth(async () => {
      const { result, expected } = await bulk.transfer('down', url, SIZE)
      expect(result).toEqual(expected)
    })
    expect(growth).toBeLessThan(FLAT)
  })
})
