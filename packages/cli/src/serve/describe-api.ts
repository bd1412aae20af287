import type { ApiInfo } from '@postern/core'

/** What people want to see of an API that is served. */
export interface DescribedApi {
  readonly name: string
  readonly listenPath: string
  /** URLs; empty for an API that has no upstream. */
  readonly upstream: readonly string[]
  /** Names of plugins by hook, in the order they run; hooks without one are left out. */
  readonly hooks: Readonly<Record<string, readonly string[]>>
  readonly endpoints: Readonly<Record<string, readonly string[]>>
}

interface Named {
  readonly plugin: { readonly name: string }
  readonly name?: string | undefined
}

export function describeApi({ name, definition }: ApiInfo): DescribedApi {
  const { pre, auth, postAuth, post, response, analytics } = definition.hooks
  const hooks = { pre, auth: auth === undefined ? [] : [auth], postAuth, post, response, analytics }
  return {
    name,
    listenPath: definition.listenPath,
    upstream: (definition.upstream?.targets ?? []).map(({ url }) => url),
    hooks: names(hooks),
    endpoints: names(definition.endpoints),
  }
}

function names(lists: Readonly<Record<string, readonly Named[]>>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(lists)
      .filter(([, list]) => list.length > 0)
      .map(([key, list]) => [key, list.map(nameOf)]),
  )
}

function nameOf({ plugin, name }: Named): string {
  return name ?? (plugin.name === '' ? 'anonymous' : plugin.name)
}
