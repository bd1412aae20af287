import type { ReloadReport } from '../chain/reload-report.ts'
import type { LoadedApi } from './loaded-api.ts'
import { isSame } from './same.ts'

/** Compares by id. An API that never served is new. */
export function reportOf(before: readonly LoadedApi[], after: readonly LoadedApi[]): ReloadReport {
  const known = new Map(before.filter(({ available }) => available).map((api) => [api.id, api]))
  const ids = new Set(after.map(({ id }) => id))
  const changed = after.flatMap((api) => {
    const old = known.get(api.id)
    return old === undefined || old === api ? [] : [{ api: api.api.info, keys: changedKeys(old, api) }]
  })
  const added = after.filter(({ id }) => !known.has(id)).map(({ api }) => api.info)
  return {
    added,
    removed: [...known.values()].filter(({ id }) => !ids.has(id)).map(({ api }) => api.info),
    changed,
    unchanged: after.length - added.length - changed.length,
  }
}

function changedKeys(old: LoadedApi, api: LoadedApi): string[] {
  const [before, after] = [old.parsed.draft, api.parsed.draft]
  const keys = (Object.keys(after) as (keyof typeof after)[]).filter((key) => !isSame(before[key], after[key]))
  return old.sources === api.sources ? keys : [...keys, 'plugins']
}
