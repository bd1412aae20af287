import { GatewayError } from '../errors.ts'

/** No target may be asked just now; the client is told when to come again. */
export class Unavailable extends GatewayError {
  readonly retryAfterSeconds: number

  constructor(code: 'PSTN_UPSTREAM_BUSY' | 'PSTN_UPSTREAM_OPEN', message: string, retryAfterSeconds: number) {
    super(code, message)
    this.retryAfterSeconds = retryAfterSeconds
  }
}
