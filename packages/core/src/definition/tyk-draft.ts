import { pathText } from './problems.ts'
import type { TykPlugin } from './tyk-api.ts'
import type { Reference } from './tyk-plugins.ts'
import type { Found, Report } from './tyk-document.ts'
import type { TranslationContext } from './translation.ts'

export interface Settings {
  readonly report: Report
  readonly context: TranslationContext
  /** Whether paths are regular expressions where they look like one. */
  readonly expressions: boolean
}

/** The native form, written part by part, with where each part comes from. */
export class Draft {
  readonly input: Record<string, unknown> = {}
  readonly origins = new Map<string, string>()

  /** What is undefined is not written, but its origin is known: that is where it is missing. */
  put(keys: readonly (string | number)[], { value, path }: Found<unknown>): void {
    this.origins.set(pathText(keys), path)
    if (value === undefined) return
    let part = this.input as Record<string | number, unknown>
    for (const [i, key] of keys.slice(0, -1).entries())
      part = (part[key] ??= typeof keys[i + 1] === 'number' ? [] : {}) as Record<string | number, unknown>
    part[keys.at(-1)!] = value
  }
}

/** Zero values of Tyk say nothing. */
export function putIfSet(draft: Draft, keys: readonly (string | number)[], { value, path }: Found<unknown>): void {
  const says = value !== false && value !== 0 && value !== undefined && !(Array.isArray(value) && value.length === 0)
  if (says) draft.put(keys, { value, path })
}

export function putReference(
  draft: Draft,
  keys: readonly (string | number)[],
  { place, name, file }: TykPlugin,
  reference: Reference,
): void {
  draft.put(keys, { value: reference, path: place.path })
  draft.origins.set(pathText([...keys, 'functionName']), name.path)
  draft.origins.set(pathText([...keys, 'path']), file.path)
}
