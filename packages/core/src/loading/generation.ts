import { ApiIndex } from '../chain/api-index.ts'
import { callApi } from '../chain/call.ts'
import { heard } from '../http/body.ts'
import type { Services } from '../chain/compiled-api.ts'
import { GatewayError } from '../errors.ts'
import type { LoadedApi } from './loaded-api.ts'

/** What all generations of a gateway share. */
export type SharedServices = Omit<Services, 'call' | 'generation'>

/**
 * The APIs of a gateway from one load to the next. A request belongs to the one it began in, whatever is loaded meanwhile,
 * and so do the calls its plugins make.
 */
export class Generation {
  readonly apis: readonly LoadedApi[]
  readonly index: ApiIndex
  #running = 0
  #retired = false
  #over = false

  constructor(apis: readonly LoadedApi[], shared: SharedServices) {
    const services: Services = {
      ...shared,
      generation: this,
      call: (...call) => heard(this.#call(...call)),
    }
    this.apis = apis
    this.index = new ApiIndex(apis.map((api) => api.among(services)))
    for (const api of apis) api.hold()
  }

  async #call(...call: Parameters<Services['call']>): ReturnType<Services['call']> {
    if (this.#over)
      throw new GatewayError('PSTN_CALL_INVALID', 'The request is over, and so are the APIs it could call.')
    return callApi(this.index, ...call)
  }

  find(id: string): LoadedApi | undefined {
    return this.apis.find((api) => api.id === id)
  }

  /** A request begins. */
  enter(): void {
    this.#running += 1
  }

  /** It is over: answered, recorded, its session saved. */
  leave(): void {
    this.#running -= 1
    this.#endIfDone()
  }

  /** A tunnel is open: days later it may still be, and what other APIs use need not wait for that. */
  keepOnly(apiId: string): () => void {
    const api = this.find(apiId)
    api?.hold()
    this.leave()
    return () => api?.letGo()
  }

  /** Another generation has taken over. */
  get retired(): boolean {
    return this.#retired
  }

  /** Another generation has taken over; this one ends with its last request. */
  retire(): void {
    this.#retired = true
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (!this.#retired || this.#running > 0 || this.#over) return
    this.#over = true
    for (const api of this.apis) api.letGo()
  }
}
