import type { Group } from './entry.ts'

/** Every group there is, by its letter. */
export const catalogue: Readonly<Record<string, Group>> = {}
