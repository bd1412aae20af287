/** It was asked for what there is not. */
export class UsageError extends Error {}
