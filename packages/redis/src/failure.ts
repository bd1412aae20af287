import { GatewayError } from '@postern/core/store'

/** Whether the server answered: it is alive then, whatever it thinks of the command. */
export function isAnswer(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}

export function isNoScript(error: unknown): boolean {
  return isAnswer(error) && reasonOf(error).startsWith('NOSCRIPT')
}

/** One line without secrets. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, code } = error as Error & { readonly code?: string }
  // Several addresses that all refused come as an AggregateError without a message.
  const text = message === '' ? (code ?? error.name) : message
  // Servers repeat the arguments of commands they do not know, and the password of AUTH is one.
  const [reason = ''] = text.split(/\n|,? ?with args beginning with/i)
  return reason.slice(0, 200)
}

/** No `cause`: an ioredis error carries the command's arguments, which may be a session or a password. */
export function unavailable(where: string, what: string, reason: string): GatewayError {
  return new GatewayError('PSTN_STORE_UNAVAILABLE', `Redis at ${where} could not ${what}: ${reason}.`)
}

/** Whether somebody keeps something else under that name. */
export function isWrongType(error: unknown): boolean {
  return error instanceof GatewayError && error.message.includes(' WRONGTYPE ')
}
