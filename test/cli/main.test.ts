import { afterEach, describe, expect, it } from 'vitest'
import manifest from '../../packages/cli/package.json' with { type: 'json' }
import { closeAll } from '../support/cleanup.ts'
import { postern, project, shell } from './postern.ts'

const COMMANDS = ['check', 'explain', 'serve', 'init']

describe('postern', () => {
  afterEach(closeAll)

  it('says what it can do, on stdout when asked, else on stderr with exit code 2', async () => {
    const folder = await project()
    const asked = await postern(folder, ['--help'])
    expect(asked).toMatchObject({ code: 0, stderr: '' })
    for (const command of COMMANDS) expect(asked.stdout).toContain(`postern ${command}`)
    expect(await postern(folder, [])).toEqual({ code: 2, stdout: '', stderr: asked.stdout })
    expect(await postern(folder, ['help'])).toEqual(asked)
  })

  it('says its version', async () => {
    expect(await postern(await project(), ['--version'])).toEqual({
      code: 0,
      stdout: `${manifest.version}\n`,
      stderr: '',
    })
  })

  it('ends with a line and exit code 2 where stdout is full', async () => {
    const folder = await project({ 'a.json': { name: 'a', upstream: 'http://127.0.0.1:1' } })
    for (const command of ['--help', 'check a.json', 'check --json a.json']) {
      const { code, stderr } = await shell(folder, `${command} > /dev/full`)
      expect([code, stderr]).toEqual([2, expect.stringMatching(/^error: cannot write to stdout: ENOSPC.*\n$/)])
    }
  })

  it.each(COMMANDS)('says what %s takes', async (command) => {
    const folder = await project()
    const asked = await postern(folder, [command, '--help'])
    expect(asked).toMatchObject({ code: 0, stderr: '' })
    expect(asked.stdout).toMatch(new RegExp(`^postern ${command} .*--`))
    expect(asked.stdout).toMatch(/^ {2}--json +.*\n {2}-h, --help +this text$/m)
    expect(await postern(folder, ['help', command])).toEqual(asked)
  })

  it.each([
    [['chek'], 'There is no command "chek"; did you mean check?'],
    [['help', 'serv'], 'There is no command "serv"; did you mean serve?'],
    [['check'], 'Name the definitions to check: postern check FILE...'],
    [['check', '--plugin', 'x', 'a.yaml'], 'Unknown option --plugin; did you mean --plugins? known: --plugins, '],
    [['check', '--__proto__', 'a.yaml'], 'Unknown option --__proto__; known: '],
    [['check', '--plugins', '--json', 'a.yaml'], '--plugins needs a value: --plugins DIR.'],
    [['check', 'a.yaml', '--options'], '--options needs a value: --options FILE.'],
    [['check', '--json=yes', 'a.yaml'], '--json takes no value, found "yes".'],
    [['explain', 'a.yaml', 'GET'], 'Name definitions and a request: postern explain FILE... METHOD URL'],
    [['explain', 'a.yaml', 'GTE', '/x'], 'Found "GTE" for the method; did you mean GET?'],
    [['explain', 'a.yaml', 'GET', 'orders'], 'Found "orders" for the URL; expected a path such as /orders/7'],
    [['explain', 'a.yaml', 'GET', '/', '--header', 'x'], `Found --header "x"; expected 'NAME: VALUE'.`],
    [['check', '--a\nerror b\u001b[2J'], 'Unknown option --a\\nerror b\\u001b[2J; known: '],
    [['serve'], 'Name the definitions to serve: postern serve FILE...'],
    [['serve', 'a.yaml', '--port', '80a'], 'Found --port "80a"; expected a number from 0 to 65535.'],
    [['serve', 'a.yaml', '-p', '65536'], 'Found --port "65536"; expected a number from 0 to 65535.'],
    [['serve', 'a.yaml', '--grace', 'soon'], 'Found --grace "soon"; expected a time such as 10s, 500ms or 2m.'],
    [['serve', 'a.yaml', '--grace', '9999999m'], 'Found --grace "9999999m"; expected a time'],
    [['serve', 'a.yaml', '--log', 'jsn'], 'Found --log "jsn"; did you mean json? expected text, json or none.'],
    [['serve', 'a.yaml', '--log', 'none', '--json'], '--json and --log none exclude each other.'],
    [['serve', 'a.yaml', '--watch', '--no-watch'], '--watch and --no-watch exclude each other.'],
    [['init', 'a', 'b'], 'Found 2 directories, expected one: postern init [DIR]'],
    [['init', '--tyk-oas', '--tyk-classic'], '--tyk-oas and --tyk-classic exclude each other.'],
  ])('refuses %j with exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await postern(await project(), args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(`error ${message}`)
  })
})
