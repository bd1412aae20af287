/** An object of a document nobody has checked yet. */
export type Fields = Readonly<Record<string, unknown>>

/** Whether a value is an object with fields, of whatever class. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether it is data: an object of no class, which may be copied. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
