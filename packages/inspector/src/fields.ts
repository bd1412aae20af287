import type { GatewayRequest, GatewayResponse, Hook, ReadonlyHeaders } from '@postern/core'
import { masked, type Masking, type SecretTexts, withoutUser } from './masking.ts'
import type { ShownChange } from './shown.ts'

const MOST_CHANGES = 40
const MOST_FIELDS = 300

/** What a plugin could change, by name. Bodies are never looked at. */
export type Fields = ReadonlyMap<string, string>

export function fieldsOf(hook: Hook, subject: object): Fields {
  const fields = new Map<string, string>()
  if (hook === 'analytics') {
    for (const [name, value] of Object.entries(subject).slice(0, MOST_FIELDS))
      if (name !== 'rawRequest' && name !== 'rawResponse') fields.set(name, JSON.stringify(value) ?? '')
    return fields
  }
  if (hook === 'response') {
    const { status, headers } = subject as GatewayResponse
    fields.set('status', String(status))
    addHeaders(fields, headers)
    return fields
  }
  const { method, path, query, upstream, headers } = subject as GatewayRequest
  fields.set('method', method)
  fields.set('path', path)
  fields.set('upstream', upstream ?? '')
  for (const [name, value] of query) fields.set(`?${name}`, value)
  addHeaders(fields, headers)
  return fields
}

function addHeaders(fields: Map<string, string>, headers: ReadonlyHeaders): void {
  for (const [name, value] of headers) {
    if (fields.size >= MOST_FIELDS) return
    const header = `${name}:`
    const before = fields.get(header)
    fields.set(header, before === undefined ? value : `${before}, ${value}`)
  }
}

/** Notes the values of secret fields, so that they are found wherever else they turn up. */
export function collectSecrets(fields: Fields, masking: Masking, secrets: SecretTexts): void {
  for (const [name, value] of fields) if (isSecret(name, masking)) secrets.add(value)
}

export function changesOf(before: Fields, after: Fields, masking: Masking, secrets: SecretTexts): ShownChange[] {
  const changes: ShownChange[] = []
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const was = before.get(name) ?? null
    const is = after.get(name) ?? null
    if (was === is || changes.length >= MOST_CHANGES) continue
    const show = (value: string | null): string | null => {
      if (value === null) return null
      if (isSecret(name, masking) || name.startsWith('?')) return masked(value)
      return secrets.show(name === 'upstream' ? withoutUser(value) : value)
    }
    changes.push({ name: secrets.show(name.replace(/:$/, '')), before: show(was), after: show(is) })
  }
  return changes
}

function isSecret(name: string, masking: Masking): boolean {
  return name === 'apiKey' || masking.isSecret(name.replace(/^\?|:$/g, ''))
}
