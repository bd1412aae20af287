import type { Exchange } from './exchange.ts'

/**
 * The exchanges that are under way. Not a `Set`: with its entries coming and going it makes a new table all the time, and
 * what the one before held, requests that are long over, is kept as long as the old generation was not collected.
 */
export class Running {
  readonly #exchanges: Exchange[] = []

  get size(): number {
    return this.#exchanges.length
  }

  add(exchange: Exchange): void {
    exchange.place = this.#exchanges.length
    this.#exchanges.push(exchange)
  }

  /** False where it is over already. The last one takes its place. */
  delete(exchange: Exchange): boolean {
    const { place } = exchange
    if (this.#exchanges[place] !== exchange) return false
    const last = this.#exchanges.pop()!
    if (last !== exchange) {
      this.#exchanges[place] = last
      last.place = place
    }
    exchange.place = NOWHERE
    return true
  }

  /** As they are now: what is done to one may end it. */
  list(): readonly Exchange[] {
    return [...this.#exchanges]
  }
}

const NOWHERE = -1
