/** However often a target fails, it is asked again after this many times `ejectMs`. */
const LONGEST = 10

/** Leaves a target out for a while after failures in a row, for longer each time. Times are of one steady clock. */
export class Ejection {
  readonly #ejectAfter: number
  readonly #ejectMs: number
  #failures = 0
  #times = 0
  #until = 0

  constructor(ejectAfter: number, ejectMs: number) {
    this.#ejectAfter = ejectAfter
    this.#ejectMs = ejectMs
  }

  ejected(now: number): boolean {
    return now < this.#until
  }

  /** It is left out, or was, and has not answered since. */
  get doubted(): boolean {
    return this.#times > 0
  }

  succeeded(): void {
    this.#failures = 0
    this.#times = 0
    this.#until = 0
  }

  /** True: from now on it is left out. `spare` says whether somebody else would be there. */
  failed(now: number, spare: () => boolean): boolean {
    this.#failures += 1
    if (this.#failures < this.#ejectAfter || this.ejected(now) || !spare()) return false
    this.#until = now + this.#ejectMs * Math.min(2 ** this.#times, LONGEST)
    this.#times += 1
    return true
  }
}
