const MOST_LISTED = 10

/** Of a list as much as somebody reads: a report of many problems with a long list in each would be endless. */
export function listing(names: readonly string[], write: (name: string) => string = (name) => name): string {
  const listed = names.slice(0, MOST_LISTED).map(write).join(', ')
  const rest = names.length - MOST_LISTED
  return rest > 0 ? `${listed} and ${rest} more` : listed
}
