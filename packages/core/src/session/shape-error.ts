/** What is wrong with a value, and where. Callers turn it into a `GatewayError` with the code of their door. */
export class ShapeError extends Error {
  /** `accessRights.orders.limit.rate`; empty for the value itself. */
  readonly path: string

  constructor(path: string, message: string) {
    super(message)
    this.path = path
  }

  /** As a sentence about `what`: "The session", say. */
  of(what: string): string {
    const where = this.path === '' ? what : `${what}'s ${this.path}`
    return `${where} ${this.message}${this.message.endsWith('?') ? '' : '.'}`
  }
}
