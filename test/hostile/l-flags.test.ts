import { beforeAll, expect, it } from 'vitest'
import { send } from '../support/client.ts'
import { hosts } from '../support/hosts.ts'
import { listen } from '../support/server.ts'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { process as group } from './catalogue/l.ts'
import { type GatewayProcesses, gatewayProcesses } from './process/start.ts'

cleanUpAfterAttacks()

const FORMATS = ['esm', 'cjs'] as const

let bundles: Readonly<Record<(typeof FORMATS)[number], GatewayProcesses>>
beforeAll(async () => {
  bundles = { esm: await gatewayProcesses('esm'), cjs: await gatewayProcesses('cjs') }
}, 60_000)

// Node 20 has the permission model under its first name.
const permission = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

const everyHost = hosts.map(([name]) => name)
// `depd`, which Express and Koa load, makes functions out of text and sets `Error.prepareStackTrace`.
const barely = ['node:http']

const FLAGS: readonly (readonly [flags: readonly string[], on: readonly string[]])[] = [
  [[], everyHost],
  [['--disable-proto=throw'], everyHost],
  [['--disable-proto=delete'], everyHost],
  [['--frozen-intrinsics'], barely],
  [['--disallow-code-generation-from-strings'], barely],
  [['--throw-deprecation'], everyHost],
  [['--unhandled-rejections=strict'], everyHost],
  [[permission, '--allow-fs-read=*'], everyHost],
]

attack(group, 'L10', () => {
  it.each(FORMATS.flatMap((format) => FLAGS.map(([flags, on]) => [format, flags.join(' '), flags, on] as const)))(
    'works as %s with "%s"',
    { timeout: 30_000 },
    async (format, _, flags, on) => {
      const upstream = await listen((req, res) => res.end(`${req.method} ${req.url}`))
      const gateway = bundles[format].start(flags)
      for (const host of on) {
        const { port } = await gateway.do('begin', { host, scenario: 'soak', upstream: upstream.url })
        const url = `http://127.0.0.1:${port}`
        const key = await gateway.do('key', { rate: 5, per: 1 })
        const replies = [
          await send(url, '/keys/a', { headers: { authorization: key } }),
          await send(url, '/open/b', { method: 'POST', body: '{"__proto__":1}' }),
          await send(url, '/open/c', { headers: { 'x-plugin': 'throws' } }),
          // Bundled as well: a bundler had dropped the call that finds this is no UTF-8.
          await send(url, '/open/%c0%ae'),
          await send(url, '/keys/d', { headers: { authorization: 'nobody' } }),
        ]
        expect([host, ...replies.map(({ status }) => status)]).toEqual([host, 200, 200, 500, 400, 403])
        expect(replies.slice(0, 2).map(({ text }) => text)).toEqual(['GET /a', 'POST /b'])
      }
      expect(await gateway.do('stumbles', undefined)).toEqual([])
    },
  )
})
