import { existsSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { postern, project, start, startOnTerminal } from './postern.ts'

// Of util-linux; where it is missing, FORCE_COLOR shows the same but for progress.
const hasScript = process.platform === 'linux' && existsSync('/usr/bin/script')

const BROKEN = 'name: orders\n\tlistenPath: x\n'
const WRONG = 'name: orders\nlistenPath: orders\n'
const EXCERPT = `orders.yaml:2:13 error listenPath: found "orders", expected a path that starts with "/", such as "/orders/"
  1 | name: orders
  2 | listenPath: orders
    |             ^
`
const plain = (text: string): string => stripVTControlCharacters(text).replaceAll('\r\n', '\n')
const COLOUR = '\u001b[31merror\u001b[39m'

describe('colour', () => {
  afterEach(closeAll)

  it('is for terminals: a pipe gets plain lines', async () => {
    const folder = await project({ 'orders.yaml': WRONG })
    const { stdout } = await postern(folder, ['check', 'orders.yaml'])
    expect(stdout).not.toContain('\u001b')
    expect(stdout).not.toContain('^')
    expect(stdout.split('\n')).toHaveLength(3)
  })

  it('and an excerpt with a caret come with FORCE_COLOR as well', async () => {
    const folder = await project({ 'orders.yaml': WRONG })
    const { code, stdout } = await postern(folder, ['check', 'orders.yaml'], { FORCE_COLOR: '1' })
    expect(code).toBe(1)
    expect(stdout).toContain(COLOUR)
    expect(plain(stdout)).toBe(`${EXCERPT}\n1 error\n`)
  })

  it('never comes with NO_COLOR', async () => {
    const folder = await project({ 'orders.yaml': WRONG })
    const { stdout } = await postern(folder, ['check', 'orders.yaml'], { FORCE_COLOR: '1', NO_COLOR: '1' })
    expect(stdout).toBe(`${EXCERPT}\n1 error\n`)
  })

  it('puts the caret below what is meant where tabs are before it', async () => {
    const folder = await project({ 'orders.yaml': BROKEN })
    const { stdout } = await postern(folder, ['check', 'orders.yaml'], { FORCE_COLOR: '1' })
    const [, line = '', caret = ''] = /^ {2}2 \| (.*)\n {4}\| (.*)$/m.exec(plain(stdout)) ?? []
    const at = caret.indexOf('^')
    expect(at).toBeGreaterThanOrEqual(0)
    expect(caret.slice(0, at)).toBe(line.slice(0, at).replaceAll(/[^\t]/g, ' '))
  })

  it('is in what serve says, too', async () => {
    const folder = await project({ 'a.json': { name: 'a\u001b[2J', upstream: 'http://127.0.0.1:9000' } })
    const { untilSaid, said } = start(folder, ['serve', 'a.json', '--port', '0'], { FORCE_COLOR: '1' })
    await untilSaid(/->.*\n/)
    expect(said().stdout).not.toContain('watches')
    expect(said().stdout).toContain(String.raw`  ${'\u001b'}[36ma\u001b[2J${'\u001b'}[39m  / -> http://127.0.0.1:9000`)
  })

  it('marks in an explanation what does not happen', async () => {
    const folder = await project({ 'a.json': { name: 'a', upstream: 'http://127.0.0.1:9000' } })
    const { stdout } = await postern(folder, ['explain', 'a.json', 'GET', '/x'], { FORCE_COLOR: '1' })
    expect(stdout).toContain('\u001b[1mGET /x\u001b[22m')
    expect(stdout).toContain('\u001b[2m-\u001b[22m')
    const { stdout: inPipe } = await postern(folder, ['explain', 'a.json', 'GET', '/x'])
    expect(plain(stdout)).toBe(inPipe)
  })
})

describe.runIf(hasScript)('on a terminal', () => {
  afterEach(closeAll)

  it('check colours and shows excerpts, unless the terminal is dumb', async () => {
    const folder = await project({ 'orders.yaml': WRONG })
    const { code, stdout } = await startOnTerminal(folder, ['check', 'orders.yaml']).ended
    expect(code).toBe(1)
    expect(stdout).toContain(COLOUR)
    expect(plain(stdout)).toContain(EXCERPT)
    const dumb = await startOnTerminal(folder, ['check', 'orders.yaml'], { TERM: 'dumb' }).ended
    expect(dumb.stdout).not.toContain('\u001b')
  })

  it('check says that it works when that takes a while, and takes it away again', async () => {
    const slow = 'await new Promise((resolve) => setTimeout(resolve, 600))\nexport const pass = () => undefined\n'
    const hooks = { pre: [{ path: 'slow.mjs', functionName: 'pass' }] }
    const folder = await project({ 'a.json': { name: 'a', hooks }, 'plugins/slow.mjs': slow })
    const { code, stdout } = await startOnTerminal(folder, ['check', 'a.json']).ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/\r.*⠋.* checking /)
    expect(stdout).toContain('\r\u001b[K')
    expect(plain(stdout)).toMatch(/\r1 API, no problems\n$/)
    const { stdout: inPipe, stderr } = await postern(folder, ['check', 'a.json'])
    expect([inPipe, stderr]).toEqual(['1 API, no problems\n', ''])
  })

  it('serve watches without being asked', async () => {
    const folder = await project({ 'a.json': { name: 'a', upstream: 'http://127.0.0.1:9000' } })
    const { untilSaid } = startOnTerminal(folder, ['serve', 'a.json', '--port', '0'])
    const [line] = await untilSaid(/.*watches .*/)
    expect(plain(line)).toBe('watches a.json')
  })
})
