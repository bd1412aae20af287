type Close = () => unknown

const open: Close[] = []

/** Registers what a test has opened. */
export function closeLater(close: Close): void {
  open.push(close)
}

/** For `afterEach`: closes everything that was opened since, the last first. */
export async function closeAll(): Promise<void> {
  for (const close of open.splice(0).toReversed()) await close()
}
