import type { ApiDefinitionInput } from '@postern/core'
import { afterEach, describe, expect } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { hosts, type Mount, type Mounted, type Setup } from '../support/hosts.ts'
import { rawExchange } from '../support/raw-client.ts'
import { type StrictUpstream, strictUpstream } from '../support/strict-upstream.ts'
import type { Group } from './catalogue/entry.ts'

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))
process.on('uncaughtExceptionMonitor', (error) => unhandled.push(error))

/** For every file of attacks: closes what was opened, and no attack may leave a rejection behind that nobody hears. */
export function cleanUpAfterAttacks(): void {
  afterEach(async () => {
    await closeAll()
    expect(unhandled.splice(0), 'rejections and exceptions nobody has heard').toEqual([])
  })
}

/**
 * The tests of one id: on every host, each behind `createServer` of `@postern/http`, or once where no host is involved.
 * `scripts/ci-summary.mjs` counts ids by these names.
 */
export function attack(group: Group, id: string, tests: (mount: Mount, host: string) => void): void {
  const entry = group.entries[id]
  if (entry === undefined) throw new Error(`${id} is not in the catalogue.`)
  const places = entry.on === 'hosts' ? hosts : ([[entry.on, hosts[0]![1]]] as const)
  describe.each(places)(`${id} on %s`, (name, mount) => {
    tests(behindSafeServer(mount), name)
  })
  if (group.facesUpstreams !== true || entry.on !== 'hosts') return
  // What is between the gateway and its upstream is the same on all hosts; one of them shows the other engine.
  const [name, mount] = hosts[0]!
  describe(`${id} with undici on ${name}`, () => {
    tests(behindSafeServer(overUndici(mount)), name)
  })
}

const overUndici =
  (mount: Mount): Mount =>
  (definition, { options, ...setup } = {}) =>
    mount(definition, { ...setup, options: { ...options, engine: 'undici' } })

const behindSafeServer =
  (mount: Mount): Mount =>
  (definition, setup = {}) =>
    mount(definition, { safe: true, ...setup })

/** A gateway in front of a strict upstream. */
export interface Siege extends Mounted {
  readonly upstream: StrictUpstream
  /** Two requests on new connections get their own answers, and the upstream has seen nothing it may not see. */
  readonly unharmed: () => Promise<void>
}

/** Mounts `definition`, with an upstream of its own unless it has one. */
export async function besiege(
  mount: Mount,
  definition: Partial<ApiDefinitionInput> = {},
  { upstream: given, ...setup }: Setup & { readonly upstream?: StrictUpstream } = {},
): Promise<Siege> {
  const upstream = given ?? (await strictUpstream())
  const mounted = await mount({ name: 'a', upstream: upstream.url, ...definition }, setup)
  const unharmed = async (): Promise<void> => {
    for (const canary of ['/canary-1', '/canary-2']) {
      const { status, body } = await rawExchange(mounted.port, `GET ${canary} HTTP/1.1\r\nHost: canary\r\n\r\n`)
      expect([status, body]).toEqual([200, `GET ${canary}`])
    }
    expect(upstream.violations).toEqual([])
  }
  return { ...mounted, upstream, unharmed }
}

/** The envelope of a refusal: a sentence and nothing of the inside. */
export function envelope(message: string): string {
  return `{\n    "error": "${message}"\n}`
}
