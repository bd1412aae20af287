import { pathText } from '../problems.ts'
import type { Found, Report } from './document.ts'
import type { TranslationContext } from '../translation.ts'

export interface Settings {
  readonly report: Report
  readonly context: TranslationContext
  /** Whether paths are regular expressions where they look like one. */
  readonly expressions: boolean
}

/** The native form, written part by part, with where each part comes from. */
export class NativeForm {
  readonly input: Record<string, unknown> = {}
  readonly origins = new Map<string, string>()
  readonly elsewhere = new Map<string, string>()

  /** What is undefined is not written, but its origin is known: that is where it is missing. */
  put(keys: readonly (string | number)[], found: Found<unknown>): void {
    this.note(keys, found)
    const { value } = found
    if (value === undefined) return
    let part = this.input as Record<string | number, unknown>
    for (const [i, key] of keys.slice(0, -1).entries())
      part = (part[key] ??= typeof keys[i + 1] === 'number' ? [] : {}) as Record<string | number, unknown>
    part[keys.at(-1)!] = value
  }

  /** Where a part comes from. */
  note(keys: readonly (string | number)[], { path, elsewhere }: Omit<Found<unknown>, 'value'>): void {
    this.origins.set(pathText(keys), path)
    if (elsewhere !== undefined) this.elsewhere.set(pathText(keys), elsewhere)
  }
}

/** Zero values of Tyk say nothing. */
export function putIfSet(form: NativeForm, keys: readonly (string | number)[], found: Found<unknown>): void {
  const { value } = found
  const says = value !== false && value !== 0 && value !== undefined && !(Array.isArray(value) && value.length === 0)
  if (says) form.put(keys, found)
}
