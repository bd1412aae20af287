/**
 * Whether an API is met without regard to case: where it is asked for, and where the host application stands behind. Its
 * router most likely ignores case, and a stricter gate would be walked around.
 */
export function ignoresCase({
  ignoreCase,
  upstream,
}: {
  readonly ignoreCase: boolean
  readonly upstream?: unknown
}): boolean {
  return ignoreCase || upstream === undefined
}
