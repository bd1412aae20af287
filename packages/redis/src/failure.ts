import { GatewayError } from '@postern/core/store'

/** Whether the server answered: it is alive then, whatever it thinks of the command. */
export function isAnswer(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}

export function isNoScript(error: unknown): boolean {
  return isAnswer(error) && reasonOf(error).startsWith('NOSCRIPT')
}

/** One line without secrets and without a full stop; where somebody's settings are the reason, what to change. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, code, lastNodeError } = error as Error & { readonly code?: string; readonly lastNodeError?: unknown }
  // A Cluster tells only beside its message what its nodes said.
  if (lastNodeError instanceof Error) return reasonOf(lastNodeError)
  // Several addresses that all refused come as an AggregateError without a message.
  const text = message === '' ? (code ?? error.name) : message
  // Servers repeat the arguments of commands they do not know, and the password of AUTH is one.
  const [reason = ''] = text.split(/\n|,? ?with args beginning with/i)
  const advice = ADVICE.find(([pattern]) => pattern.test(reason))?.[1]
  return advice ?? reason.slice(0, 200).replace(/[.\s]+$/, '')
}

const ADVICE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/^NOAUTH/, 'NOAUTH: the server wants a password; write redis://:password@host'],
  [/^MOVED/, 'MOVED: the server belongs to a Redis Cluster; write cluster: { nodes }'],
  [/cluster support disabled/, 'the server belongs to no Redis Cluster; write url instead of cluster'],
  [
    /^(self-signed certificate|unable to (verify|get))/,
    "self-signed certificate or unknown CA; write the CA's certificate in options: { tls: { ca } } (in redisOptions of a Cluster)",
  ],
  [/as reply type byte/, 'what answered is no Redis, or one that expects TLS; write rediss:// then'],
]

/** What is out of order for want of Redis. */
export type FailureCode = 'PSTN_STORE_UNAVAILABLE' | 'PSTN_SINK_FAILED'

/** No `cause`: an ioredis error carries the command's arguments, which may be a session or a password. */
export function unavailable(
  where: string,
  what: string,
  reason: string,
  code: FailureCode = 'PSTN_STORE_UNAVAILABLE',
): GatewayError {
  return new GatewayError(code, `Redis at ${where} could not ${what}: ${reason}.`)
}

/** Whether somebody keeps something else under that name. */
export function isWrongType(error: unknown): boolean {
  return error instanceof GatewayError && error.message.includes(' WRONGTYPE ')
}
