import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { postern, project, start, write } from './postern.ts'

const typescript = Boolean((process.features as { readonly typescript?: unknown }).typescript)
const ending = typescript ? 'ts' : 'js'
const FILES = [
  'orders.json',
  `plugins/orders.${ending}`,
  `test/orders.test.${ending}`,
  'package.json',
  ...(typescript ? ['tsconfig.json'] : []),
  'README.md',
]

describe('postern init', () => {
  afterEach(closeAll)

  describe.each([[[]], [['--tyk-oas']], [['--tyk-classic']]])('%j', (flags) => {
    it('writes what passes check, passes its own test, and can be served', async () => {
      const folder = await project()
      const { code, stdout, stderr } = await postern(folder, ['init', 'shop', ...flags])
      expect([code, stderr]).toEqual([0, ''])
      for (const file of FILES) expect(stdout).toContain(`wrote ${path.join('shop', file)}\n`)
      expect(stdout).toContain('\nNext: cd shop && npm install && npm test && npm start\n')

      const shop = path.join(folder, 'shop')
      expect(await postern(shop, ['check', 'orders.json', '--strict'])).toEqual({
        code: 0,
        stdout: '1 API, no problems\n',
        stderr: '',
      })
      const tested = await promisify(execFile)(process.execPath, ['--test', `test/orders.test.${ending}`], {
        cwd: shop,
      })
      expect(tested.stdout).toMatch(/^. pass 3$/m)

      const { untilSaid } = start(shop, ['serve', 'orders.json', '--port', '0'])
      const [, url = ''] = await untilSaid(/listens on (\S+)\n/)
      const headers = { authorization: 'secret' }
      expect(await send(url, '/orders/stock/apple', { headers })).toMatchObject({
        status: 200,
        text: '{"sku":"apple","left":3,"tier":"gold"}',
      })
      expect(await send(url, '/orders/stock/apple')).toMatchObject({ status: 401 })
    })
  })

  it.runIf(process.platform === 'linux').each(['/proc/x', '/proc/x/y', '/dev/null/x'])(
    'says that it cannot make %s',
    async (directory) => {
      const { code, stdout, stderr } = await postern(await project(), ['init', directory])
      expect([code, stdout]).toEqual([1, ''])
      expect(stderr).toMatch(/^error/)
      expect(stderr).toContain(directory)
    },
  )

  it('names the package after the folder, and depends on packages of its own version', async () => {
    const folder = await project()
    expect(await postern(folder, ['init', 'My Shop!'])).toMatchObject({ code: 0 })
    const manifest = JSON.parse(await readFile(path.join(folder, 'My Shop!/package.json'), 'utf8')) as {
      name: string
      dependencies: Record<string, string>
    }
    const { version } = JSON.parse(
      await readFile(path.join(import.meta.dirname, '../../packages/cli/package.json'), 'utf8'),
    ) as { version: string }
    expect(manifest.name).toBe('my-shop-')
    for (const name of ['cli', 'core', 'files', 'http'])
      expect(manifest.dependencies[`@postern/${name}`]).toBe(`^${version}`)
  })

  it('writes into the folder it is called in', async () => {
    const folder = await project()
    const { code, stdout } = await postern(folder, ['init', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ ok: true, directory: folder, files: FILES })
    for (const file of FILES) expect(existsSync(path.join(folder, file))).toBe(true)
  })

  it('overwrites nothing, and lists what is in the way', async () => {
    const folder = await project()
    await write(folder, { 'package.json': '{}', 'README.md': 'mine' })
    const { code, stdout, stderr } = await postern(folder, ['init'])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toBe('error Nothing was written: these are there already.\n  package.json\n  README.md\n')
    expect(await readFile(path.join(folder, 'README.md'), 'utf8')).toBe('mine')
    expect((await readdir(folder)).toSorted()).toEqual(['README.md', 'package.json'])
    expect(JSON.parse((await postern(folder, ['init', '--json'])).stdout)).toEqual({
      ok: false,
      inTheWay: ['package.json', 'README.md'],
    })
  })

  it('says in one line what the system refuses', async () => {
    const folder = await project({ file: 'x' })
    const name = 'a'.repeat(300)
    const { code, stdout, stderr } = await postern(folder, ['init', name])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^error .*: the name is too long \(ENAMETOOLONG, \w+\)\n$/)
    expect(await postern(folder, ['init', 'file'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error file is a file; expected a directory, or a name for one\n',
    })
  })

  it('takes a file where a folder has to be for something in the way', async () => {
    const folder = await project({ plugins: 'a file' })
    const { code, stderr } = await postern(folder, ['init'])
    expect(code).toBe(1)
    expect(stderr).toContain(`  ${path.join('plugins', `orders.${ending}`)}\n`)
    expect(await readdir(folder)).toEqual(['plugins'])
  })
})
