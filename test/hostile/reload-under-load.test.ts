import { rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiDefinitionInput } from '@postern/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { pluginFolder, writeFiles } from '../support/plugin-folder.ts'
import { type RawAnswer, RawClient } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { cleanUpAfterAttacks } from './attack.ts'
import { field } from './in-flight.ts'
import { type GatewayProcesses, gatewayProcesses } from './process/start.ts'
import { versionedDefinitions, versionedFiles } from './versioned.ts'

cleanUpAfterAttacks()

const RELOADS = 200
const CONNECTIONS = 64
/** So many reloads of definitions are behind one of plugin files. */
const FILES_EVERY = 5
/** Bytes Node keeps of every version of a module, as docs/plugin-files.md says. */
const KEPT_OF_A_MODULE = 10_000

let processes: GatewayProcesses
beforeAll(async () => {
  processes = await gatewayProcesses()
}, 30_000)

describe(`${RELOADS} reloads while ${CONNECTIONS} connections send`, () => {
  it('fail no request, mix no versions and hold nothing of what is over', { timeout: 90_000 }, async () => {
    const checks: string[] = []
    const { url: upstream } = await listen((req, res) => {
      if (req.url!.endsWith('/health')) checks.push(req.url!)
      const { 'x-pre': pre, 'x-post': post } = req.headers
      res.end(`${req.url} ${String(pre)} ${String(post)}`)
    })
    const pluginsDirectory = pluginFolder(versionedFiles(0))
    const gateway = processes.start(['--expose-gc'])
    const { port } = await gateway.do('begin', {
      host: 'node:http',
      scenario: 'plain',
      upstream,
      definitions: versionedDefinitions(0, upstream),
      pluginsDirectory,
    })
    const progress = { loaded: 0, asked: 0 }
    const traffic = new Traffic(port, progress)
    const broken: string[] = []
    let early = 0
    let modules = 0
    const write = (files: Readonly<Record<string, string>>): void => {
      modules += Object.keys(versionedFiles(0)).length
      writeFiles(pluginsDirectory, files)
    }
    for (let version = 1; version <= RELOADS; version += 1) {
      progress.asked = version
      if (version % 4 === 1) broken.push(await breakIn(BREAKS[(version >> 2) % BREAKS.length]!, version))
      if (version % FILES_EVERY === 0) write(versionedFiles(version))
      expect([version, await gateway.do('reload', versionedDefinitions(version, upstream))]).toEqual([
        version,
        'reloaded',
      ])
      progress.loaded = version
      if (version === 50) {
        early = (await gateway.do('holdings', undefined)).heapBytes
        modules = 0
      }
      await sleep(5)
    }
    await traffic.stop()
    const { heapBytes } = await gateway.do('holdings', undefined)

    expect(traffic.problems.slice(0, 10)).toEqual([])
    expect(traffic.answered).toBeGreaterThan(RELOADS * 10)
    expect(traffic.versions.size).toBeGreaterThan(RELOADS / 4)
    expect(new Set(broken)).toEqual(
      new Set(['PSTN_DEFINITION_INVALID', 'PSTN_PLUGIN_NOT_FOUND', 'PSTN_PLUGIN_UNLOADABLE']),
    )
    expect(early).toBeGreaterThan(0)
    expect(heapBytes).toBeLessThan(early * 1.05 + modules * KEPT_OF_A_MODULE)
    // Those that serve.
    expect(await gateway.do('versions', undefined)).toBe(3)
    checks.length = 0
    await sleep(500)
    expect(new Set(checks)).toEqual(new Set([`/${RELOADS}/health`]))
    expect(await gateway.do('stumbles', undefined)).toEqual([])

    /** Asks for what cannot be loaded, and leaves the files as they were. */
    async function breakIn(how: Break, version: number): Promise<string> {
      const files = versionedFiles(version - (version % FILES_EVERY))
      const definitions = how(pluginsDirectory, version, versionedDefinitions(version, upstream))
      const answer = await gateway.do('reload', definitions)
      // The broken ones count as well.
      modules += Object.keys(files).length
      write(files)
      rmSync(path.join(pluginsDirectory, 'broken.mjs'), { force: true })
      return answer
    }
  })
})

type Break = (
  folder: string,
  version: number,
  definitions: readonly ApiDefinitionInput[],
) => readonly ApiDefinitionInput[]

const BREAKS: readonly Break[] = [
  (_folder, _version, [first, ...others]) => [{ ...first!, listenPath: 'nowhere' }, ...others],
  (folder, version, definitions) => {
    // Half written.
    writeFiles(folder, { 'post.mjs': versionedFiles(version)['post.mjs']!.slice(0, 120) })
    return definitions
  },
  (folder, _version, definitions) => {
    rmSync(path.join(folder, 'pre.mjs'))
    return definitions
  },
  (folder, version, definitions) => {
    writeFiles(folder, { 'stamp.mjs': `${versionedFiles(version)['stamp.mjs']!}\nthrow new Error('as asked')` })
    return definitions
  },
  (folder, _version, definitions) => {
    writeFiles(folder, {
      'broken.mjs': 'export const init = async () => { throw new Error("no") }\nexport const f = () => undefined',
    })
    return [
      ...definitions,
      { name: 'broken', listenPath: '/broken', hooks: { pre: [{ path: 'broken.mjs', functionName: 'f' }] } },
    ]
  },
]

/** Connections that send one request after another and look at every answer. */
class Traffic {
  readonly problems: string[] = []
  readonly versions = new Set<number>()
  answered = 0
  readonly #progress: { readonly loaded: number; readonly asked: number }
  readonly #lanes: Promise<void>
  #over = false

  constructor(port: number, progress: { readonly loaded: number; readonly asked: number }) {
    this.#progress = progress
    this.#lanes = Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => this.#lane(new RawClient(port), i))).then(
      () => undefined,
    )
  }

  async stop(): Promise<void> {
    this.#over = true
    await this.#lanes
  }

  async #lane(client: RawClient, number: number): Promise<void> {
    for (let i = 0; !this.#over; i += 1) {
      const api = (i + number) % 3 === 0 ? 'still' : 'changing'
      const body = i % 2 === 0 ? '' : 'x'.repeat(300)
      const since = this.#progress.loaded
      client.write(
        `${body === '' ? 'GET' : 'POST'} /${api}/x HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
      const answer = await client.answer().catch(String)
      if (typeof answer === 'string') {
        this.problems.push(answer)
        return
      }
      this.answered += 1
      const problem = api === 'still' ? stillProblem(answer) : this.#mixIn(answer, since)
      if (problem !== undefined) this.problems.push(problem)
      // Everything shares the cores: whoever loads needs some of them.
      await sleep(20)
      if (client.received !== '') this.problems.push(`behind an answer: ${client.received}`)
    }
  }

  /** All who had a part in it are of one version: no older than what served when it was sent, no newer than what was asked for. */
  #mixIn(answer: RawAnswer, since: number): string | undefined {
    const [target, pre, post] = answer.body.split(' ')
    const stamps = [pre, post, field(answer, 'x-called'), field(answer, 'x-response')]
    const version = Number(/^\/(\d+)\/x$/.exec(target ?? '')?.[1])
    const files = version - (version % FILES_EVERY)
    const told = `${answer.status} ${answer.body} ${stamps.join(' ')}`
    if (answer.status !== 200 || stamps.some((stamp) => stamp !== `${version}-${files}-${files}`)) return told
    if (version < since || version > this.#progress.asked) return `${told} when ${since} served`
    this.versions.add(version)
    return undefined
  }
}

function stillProblem({ status, body }: RawAnswer): string | undefined {
  return status === 200 && body === '/x undefined undefined' ? undefined : `${status} ${body}`
}
