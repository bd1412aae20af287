import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiDefinitionInput, GatewayOptions, PrePlugin } from '@postern/core'

/** What a gateway process runs: plugins do not cross a process boundary, names do. */
export interface Scenario {
  readonly definitions: (upstream: string) => readonly ApiDefinitionInput[]
  readonly options?: () => GatewayOptions
}

/** Every way in which a plugin can break. */
const WAYS: Readonly<Record<string, PrePlugin>> = {
  throws: () => {
    throw new Error('as asked')
  },
  'rejects later': async () => {
    await sleep(2)
    throw new Error('as asked, later')
  },
  'returns nonsense': () => 17 as never,
  hangs: () => new Promise(() => undefined),
  loops: () => {
    const until = performance.now() + 15
    while (performance.now() < until);
  },
}

/** Breaks as the client asks. */
const breakAsAsked: PrePlugin = (request, context) => WAYS[request.headers.get('x-plugin') ?? '']?.(request, context)

const breaking: Partial<ApiDefinitionInput> = {
  hooks: { pre: [{ plugin: breakAsAsked, name: 'break-as-asked', timeoutMs: 100 }] },
}

const impatient = { bodyTimeoutMs: 400, requestTimeoutMs: 2000, sendTimeoutMs: 1000 }

export const scenarios = {
  plain: { definitions: (upstream) => [{ name: 'a', upstream }] },
  /** Deadlines of a few hundred milliseconds. */
  impatient: {
    definitions: (url) => [
      {
        name: 'a',
        upstream: { url, connectTimeoutMs: 500, headersTimeoutMs: 500, bodyTimeoutMs: 500 },
        ...breaking,
        ...impatient,
      },
    ],
  },
  /** Every body is read as JSON, up to 1 MiB of it. */
  reading: {
    definitions: (upstream) => [
      {
        name: 'a',
        upstream,
        maxBufferedBytes: 1024 * 1024,
        hooks: { pre: [async (request) => void (request.method === 'POST' && (await request.json()))] },
      },
    ],
  },
  /** Two APIs: one for everybody, one with keys. */
  soak: {
    definitions: (upstream) => [
      { name: 'open', listenPath: '/open/', upstream, ...breaking },
      { name: 'keys', listenPath: '/keys/', upstream, ...breaking, authentication: { token: true } },
    ],
  },
} satisfies Readonly<Record<string, Scenario>>

export type ScenarioName = keyof typeof scenarios
