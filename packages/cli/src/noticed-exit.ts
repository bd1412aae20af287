import { writeSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** Of whoever loads something now. */
let loading = 0

/** Does the work; a process that ends meanwhile, such as by a plugin that calls `process.exit`, ends with 1 and says who did it. */
export async function noticingExit<T>(work: () => Promise<T>): Promise<T> {
  if (loading === 0) process.on('exit', notice)
  loading += 1
  try {
    return await work()
  } finally {
    loading -= 1
    if (loading === 0) process.off('exit', notice)
  }
}

const UNSETTLED = 13
const MOST_FRAMES = 100

function notice(code: number): void {
  const place = caller()
  // What nobody caught has been printed, and has its own code.
  if (place === undefined && code !== 0 && code !== UNSETTLED) return
  if (place !== undefined && place.file.startsWith(import.meta.dirname + path.sep)) return
  process.exitCode = 1
  const text =
    place === undefined
      ? 'the process ended while files were loaded: one of them waits for what never comes'
      : `${path.relative('', place.file)}:${place.line} called process.exit while it was loaded; a plugin throws instead`
  try {
    writeSync(2, `error ${text}\n`)
  } catch {
    // Nobody reads it: the code has to do.
  }
}

/** Who called `process.exit`: its listeners are called within. */
function caller(): { readonly file: string; readonly line: string } | undefined {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = MOST_FRAMES
  const frames = (new Error('exit').stack ?? '').split('\n')
  Error.stackTraceLimit = stackTraceLimit
  const exit = frames.findIndex((frame) => /\bprocess\.(?:exit|reallyExit)\b/.test(frame))
  if (exit === -1) return undefined
  const [, file, line] =
    frames
      .slice(exit + 1)
      .map((frame) => /\(?((?:file:\/\/)?\/[^()]*?|[A-Za-z]:\\[^()]*?):(\d+):\d+\)?$/.exec(frame))
      .find((match) => match !== null) ?? []
  if (file === undefined || line === undefined) return undefined
  return { file: file.startsWith('file:') ? fileURLToPath(file.replace(/\?.*$/, '')) : file, line }
}
