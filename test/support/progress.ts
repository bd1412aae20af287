/** How far a long run is: on a terminal one line that is written anew, elsewhere a line every tenth. */
export class Progress {
  readonly #terminal = process.stdout.isTTY
  #tenths = 0

  /** `part` of 1 is done. */
  at(part: number, what: string): void {
    const percent = Math.min(100, Math.floor(part * 100))
    if (this.#terminal) process.stdout.write(`\r\u001B[K${percent} % ${what}`)
    else if (Math.floor(percent / 10) > this.#tenths) {
      this.#tenths = Math.floor(percent / 10)
      process.stdout.write(`${percent} % ${what}\n`)
    }
  }

  /** Something that stays. */
  say(what: string): void {
    process.stdout.write(`${this.#terminal ? '\r\u001B[K' : ''}${what}\n`)
  }
}
