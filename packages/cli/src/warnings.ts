/**
 * What Node and the packages warn of, in the way of the command that runs. Until there is one, warnings wait. That this
 * release of Node calls its own stripping of types an experiment is left out: the user has nothing to do about it.
 */
export class Warnings {
  readonly #waiting: string[] = []
  #say: ((message: string) => void) | undefined

  constructor() {
    // Takes Node's own listener off, which prints them.
    process.removeAllListeners('warning')
    process.on('warning', ({ name, message }) => {
      if (name === 'ExperimentalWarning' && message.includes('Type Stripping')) return
      if (this.#say === undefined) this.#waiting.push(message)
      else this.#say(message)
    })
  }

  /** From now on, those that wait first. */
  sayTo(say: (message: string) => void): void {
    this.#say = say
    for (const message of this.#waiting.splice(0)) say(message)
  }

  /** What waits is told in another way. */
  forget(): void {
    this.#waiting.length = 0
  }
}
