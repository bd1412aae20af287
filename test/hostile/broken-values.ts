type Break = () => never

export const boom: Break = () => {
  throw new Error('boom')
}

/** Throws whatever is done with it. */
export const refusing: object = new Proxy(
  {},
  { get: boom, has: boom, ownKeys: boom, getPrototypeOf: boom, getOwnPropertyDescriptor: boom, set: boom },
)

/** Also with what is no error. */
export function rejecting(reason: unknown = new Error('boom')): Promise<never> {
  return new Promise((_, reject) => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- what is no error is what it is for
    reject(reason)
  })
}

function errorWith(name: string, more: object = {}): Error {
  return Object.defineProperty(Object.assign(new Error('x'), more), name, { get: boom })
}

function itsOwnCause(): Error {
  const error = new Error('x')
  error.cause = error
  return error
}

type Settle = (value?: unknown) => void

/** What passes for a promise. */
class Thenable {
  readonly #settle: (good: Settle, bad: Settle) => void

  constructor(settle: (good: Settle, bad: Settle) => void) {
    this.#settle = settle
  }

  // oxlint-disable-next-line unicorn/no-thenable -- that is what it is for
  then(good: Settle, bad: Settle): void {
    this.#settle(good, bad)
  }
}

/** What cannot even be asked whether it is a promise. */
class Unaskable {
  // oxlint-disable-next-line unicorn/no-thenable -- that is what it is for
  get then(): never {
    return boom()
  }
}

/** An answer whose body breaks off before its first byte. */
export function brokenResponse(): Response {
  return new Response(new ReadableStream({ start: (controller) => controller.error(new Error('boom')) }))
}

/** What a hook may throw or hand back that no code expects. */
export const BROKEN: readonly (readonly [title: string, plugin: () => unknown])[] = [
  ['throws an error', boom],
  ['rejects', () => rejecting()],
  ['throws undefined', () => rejecting(null)],
  ['throws an object that refuses to be looked at', () => rejecting(refusing)],
  ['throws an error whose message throws', () => rejecting(errorWith('message'))],
  ['throws an error whose stack throws', () => rejecting(errorWith('stack'))],
  ['throws an error whose cause is itself', () => rejecting(itsOwnCause())],
  ['throws an exposed error whose status throws', () => rejecting(errorWith('status', { expose: true }))],
  ['returns an object that refuses to be looked at', () => refusing],
  [
    'returns a decision whose code throws',
    () => Object.defineProperty({}, 'responseCode', { get: boom, enumerable: true }),
  ],
  [
    'returns a decision whose body throws',
    () => Object.defineProperty({ responseCode: 200 }, 'responseBody', { get: boom, enumerable: true }),
  ],
  [
    'returns a decision whose headers throw',
    () => ({ responseCode: 200, responseBody: '', responseHeaders: refusing }),
  ],
  ['returns a decision with a code that is no status', () => ({ responseCode: Number.NaN })],
  ['returns a thenable whose `then` throws', () => new Thenable(boom)],
  ['returns what cannot be asked for `then`', () => new Unaskable()],
  [
    'returns a thenable that settles twice',
    () => new Thenable((good, bad) => [good(17), bad(new Error('late')), good(18)]),
  ],
  ['returns a response whose body breaks off', brokenResponse],
  ['returns a symbol', () => Symbol('boom')],
]
