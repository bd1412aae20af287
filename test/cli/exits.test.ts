import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { postern, project } from './postern.ts'

const ORDERS = {
  name: 'orders',
  listenPath: '/orders/',
  upstream: 'http://127.0.0.1:9000',
  hooks: { pre: [{ path: 'stamp.mjs', functionName: 'stamp' }] },
}
const STAMP = 'export const stamp = () => undefined\n'

const COMMANDS = [
  ['check', 'orders.json'],
  ['explain', 'orders.json', 'GET', '/orders/7'],
  ['serve', 'orders.json', '--port', '0'],
]

describe('a plugin file that ends the process', () => {
  afterEach(closeAll)

  it.each(COMMANDS)('is told by %s, which ends with 1', async (...args) => {
    const folder = await project({ 'orders.json': ORDERS, 'plugins/stamp.mjs': `${STAMP}process.exit(0)\n` })
    expect(await postern(folder, args)).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error plugins/stamp.mjs:2 called process.exit while it was loaded; a plugin throws instead\n',
    })
  })

  it('is told as well where the options do it', async () => {
    const folder = await project({ 'orders.json': ORDERS, 'options.cjs': 'process.exit()\n' })
    const { code, stderr } = await postern(folder, ['check', 'orders.json', '--options', 'options.cjs'])
    expect([code, stderr]).toEqual([
      1,
      'error options.cjs:1 called process.exit while it was loaded; a plugin throws instead\n',
    ])
  })
})

describe('stdout with --json', () => {
  afterEach(closeAll)

  it.each(COMMANDS)('is nothing but JSON, whatever plugins print in %s', async (...args) => {
    const folder = await project({
      // Does not start: it would serve on.
      'orders.json': args[0] === 'serve' ? { ...ORDERS, listenPath: 'orders' } : ORDERS,
      'options.mjs': 'console.log("from the options")\nprocess.stdout.write("and more\\n")\nexport default {}\n',
      'plugins/stamp.mjs': STAMP,
    })
    const { stdout, stderr } = await postern(folder, [...args, '--json', '--options', 'options.mjs'])
    expect(JSON.parse(stdout)).toBeTypeOf('object')
    expect(stderr).toBe('from the options\nand more\n')
  })
})
