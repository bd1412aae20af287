/** "Stop, nobody waits any more": an `AbortSignal` that costs nothing until somebody asks for it. */
export class Cancellation {
  #controller: AbortController | undefined
  /** Most have one, or none. */
  #listener: ((reason: Error) => void) | undefined
  #others: ((reason: Error) => void)[] | undefined
  #reason: Error | undefined

  get cancelled(): boolean {
    return this.#reason !== undefined
  }

  /** Why; undefined while it has not happened. */
  get reason(): Error | undefined {
    return this.#reason
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** For our own use: cheaper than a listener on the signal. Runs at once when it is already too late. */
  onCancel(listener: (reason: Error) => void): void {
    if (this.#reason !== undefined) listener(this.#reason)
    else if (this.#listener === undefined) this.#listener = listener
    else (this.#others ??= []).push(listener)
  }

  cancel(reason: Error): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#controller?.abort(reason)
    this.#listener?.(reason)
    for (const listener of this.#others ?? []) listener(reason)
    this.#listener = undefined
    this.#others = undefined
  }
}
