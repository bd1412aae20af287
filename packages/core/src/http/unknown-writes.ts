import { GatewayError } from '../errors.ts'

/**
 * Makes writing a property an object does not have an error that names the right one: `request.url = '/x'` would be lost
 * without a word otherwise, in sloppy code too. It sits at the end of the prototype chain, where only such writes get, so
 * it costs an ordinary access nothing.
 */
export function refuseUnknownWrites(
  prototype: object,
  what: string,
  instead: Readonly<Record<string, string>>,
  otherwise: string,
): void {
  const hints = new Map(Object.entries(instead))
  const guard = new Proxy(Object.create(null) as object, {
    set(_, property) {
      const name = String(property)
      throw new GatewayError(
        'PSTN_VALUE_INVALID',
        `${what} has no property "${name}" to set; use ${hints.get(name) ?? otherwise}.`,
      )
    },
  })
  // A promise asks for it of all it is resolved with, and would ask the guard, which answers slowly.
  // oxlint-disable-next-line unicorn/no-thenable -- so that it is none
  Object.defineProperty(prototype, 'then', { value: undefined })
  Object.setPrototypeOf(prototype, Object.setPrototypeOf(guard, Object.prototype) as object)
}
