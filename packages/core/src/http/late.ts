/**
 * Told when somebody changes a message that has already left. The change has no effect and must not throw: it comes
 * from a timer or a forgotten promise, where an exception would end the host's process.
 */
export interface LateWitness {
  lateChange(): void
}
