import type { Store } from './session/store.ts'

/** How many gateways of this process use a store: the last one that closes ends it. */
const uses = new WeakMap<Store, number>()

/** One gateway's use of a store. */
export class StoreUse {
  readonly #store: Store
  #ended = false

  constructor(store: Store) {
    this.#store = store
    uses.set(store, (uses.get(store) ?? 0) + 1)
  }

  async end(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    const left = (uses.get(this.#store) ?? 1) - 1
    uses.set(this.#store, left)
    if (left === 0) await this.#store.close()
  }
}
