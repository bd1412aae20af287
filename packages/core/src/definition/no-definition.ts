import { nearest } from '../nearest.ts'
import { definitionSchema } from './schema.ts'
import { isFields } from '../fields.ts'

const KNOWN = Object.keys(definitionSchema.shape)
/** Many a document that has nothing to do with a gateway has these. */
const COMMON = new Set(['name', 'id', '$schema'])

/** What something is that is no definition at all: one sentence instead of one for each of its keys. */
export function otherThing(document: unknown): string | undefined {
  if (isThenable(document)) return 'found a Promise; await it'
  if (!isFields(document)) return undefined
  if (isFields(document['api_definition']))
    return 'found an export of the Tyk Dashboard; take out what is in "api_definition", which is the definition'
  const keys = Object.keys(document)
  const unknown = keys.filter((key) => !KNOWN.includes(key))
  const isOther =
    unknown.length >= (unknown.length === keys.length ? 1 : 2) &&
    keys.every((key) => COMMON.has(key) || (!KNOWN.includes(key) && nearest(key, KNOWN) === undefined))
  return isOther
    ? `this is no definition: it has ${unknown.slice(0, 3).join(', ')}, and nothing that a definition has`
    : undefined
}

function isThenable(value: unknown): boolean {
  return value instanceof Promise || (isFields(value) && typeof value['then'] === 'function')
}
