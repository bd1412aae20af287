import { nearest } from '@postern/core/store'

/** Says of a name nobody knows which one may have been meant. */
export function unknownOption(name: string, known: readonly string[]): string {
  const meant = meantBy(name, known)
  return `unknown option "${name}"; ${meant === undefined ? `known: ${known.join(', ')}` : `did you mean "${meant}"?`}`
}

/** `uri` means `url`, and `timeout` means `commandTimeoutMs`. */
export function meantBy(name: string, known: readonly string[]): string | undefined {
  const part = name.toLowerCase()
  return nearest(name, known) ?? known.find((one) => part.length > 2 && one.toLowerCase().includes(part))
}
