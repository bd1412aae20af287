let startedAt: number | undefined

/** One line that changes, in a terminal; in a pipe nothing. Empty: the line goes. */
export function progress(line: string): void {
  if (!process.stderr.isTTY) return
  startedAt ??= performance.now()
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  const width = process.stderr.columns - 1
  process.stderr.write(`\r\u001B[2K${line === '' ? '' : `${clock}  ${line}`.slice(0, width)}`)
}
