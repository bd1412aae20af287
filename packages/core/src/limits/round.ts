/** Goes round a map, one entry a call, for ever: what is added meanwhile gets its turn. Undefined when the map is empty. */
export function roundOf<K, V>(map: ReadonlyMap<K, V>): () => readonly [K, V] | undefined {
  let entries = map.entries()
  return () => {
    const next = entries.next()
    if (next.done !== true) return next.value
    entries = map.entries()
    const first = entries.next()
    return first.done === true ? undefined : first.value
  }
}
