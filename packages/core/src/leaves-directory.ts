/** Whether a path climbs: it may lead out of the directory it is meant to be below. */
export function leavesDirectory(path: string): boolean {
  return path.split(/[\\/]/).includes('..')
}
