import type { Found, Place } from './document.ts'

export const isEnabled = (entry: Place): boolean => entry.at('enabled').flag().value

/** What stands beside `enabled`; absent where that is false. */
export function whereEnabled<T>(block: Place, key: string, read: (place: Place) => Found<T>): Found<T | undefined> {
  const place = block.at(key)
  return isEnabled(block) ? read(place) : { value: undefined, path: place.path }
}

export const wholeSeconds = ({ value, path }: Found<number | undefined>): Found<number | undefined> => ({
  value: value === undefined ? undefined : Math.floor(value),
  path,
})
