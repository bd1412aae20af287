import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiDefinitionInput, GatewayOptions, PrePlugin } from '@postern/core'

/** What a gateway process runs: plugins do not cross a process boundary, names do. */
export interface Scenario {
  readonly definition: Omit<ApiDefinitionInput, 'name'>
  readonly options?: GatewayOptions
}

/** Breaks as the client asks, in every way a plugin can. */
const breakAsAsked: PrePlugin = async (request) => {
  switch (request.headers.get('x-plugin')) {
    case 'throws':
      throw new Error('as asked')
    case 'rejects later':
      await sleep(2)
      throw new Error('as asked, later')
    case 'returns nonsense':
      return 17 as never
    case 'hangs':
      await new Promise(() => undefined)
      return undefined
    case 'loops': {
      const until = performance.now() + 15
      while (performance.now() < until);
      return undefined
    }
    default:
      return undefined
  }
}

const breaking: Scenario['definition'] = {
  hooks: { pre: [{ plugin: breakAsAsked, name: 'break-as-asked', timeoutMs: 100 }] },
}

export const scenarios = {
  plain: { definition: {} },
  /** Deadlines of a few hundred milliseconds. */
  impatient: {
    definition: { ...breaking, bodyTimeoutMs: 400, requestTimeoutMs: 2000, sendTimeoutMs: 1000 },
  },
  /** The same behind keys. */
  keys: {
    definition: {
      ...breaking,
      authentication: { token: true },
      bodyTimeoutMs: 400,
      requestTimeoutMs: 2000,
      sendTimeoutMs: 1000,
    },
  },
} satisfies Readonly<Record<string, Scenario>>

export type ScenarioName = keyof typeof scenarios
