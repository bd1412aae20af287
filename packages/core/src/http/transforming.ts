import { Duplex, pipeline, Readable, type Transform } from 'node:stream'
import { describe, GatewayError, type GatewayErrorCode, isGatewayError } from '../errors.ts'
import { ByteStream } from './byte-stream.ts'

/** What a WHATWG `TransformStream` is, and a pair of streams as well: those of Node's types and those of a browser's. */
export interface TransformPair {
  /** A `ReadableStream` of bytes. */
  readonly readable: object
  /** A `WritableStream` of bytes. */
  readonly writable: object
}

/** An edit has failed, perhaps when the head was on its way already. */
export class BrokenTransform extends GatewayError {
  /** Whose it was. */
  readonly plugin: unknown

  constructor(code: GatewayErrorCode, message: string, cause: unknown, plugin: unknown) {
    super(code, message, { cause })
    this.plugin = plugin
  }
}

const used = new WeakSet()

/** What a plugin edits with as a Node stream. Throws what is none, and what has been given before. */
export function asStage(edit: Transform | TransformPair): Duplex {
  if (!isPair(edit) && !(edit instanceof Duplex))
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      `transform() takes a Node Transform or a TransformStream, not ${describe(edit)}.`,
    )
  if (used.has(edit) || isBusy(edit))
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      'transform() takes a new stream for every response; this one has been used.',
    )
  used.add(edit)
  return edit instanceof Duplex ? edit : Duplex.fromWeb(edit as Parameters<typeof Duplex.fromWeb>[0])
}

/** Lets a body flow through the decoder, where there is one, and through a plugin's own stream. */
export function pipeThrough(
  content: Buffer | ByteStream | undefined | Promise<Buffer>,
  decoder: Transform | undefined,
  stage: Duplex,
  plugin: unknown,
): ByteStream {
  const source = content instanceof ByteStream ? content.toReadable() : Readable.from(chunksOf(content))
  const stages = decoder === undefined ? [source, stage] : [source, decoder, stage]
  let ofSource: Error | undefined
  let ofDecoder: Error | undefined
  source.once('error', (error) => (ofSource = error))
  decoder?.once('error', (error) => (ofDecoder = error))
  // A stage that fails destroys the last one, and that is where the error is read.
  pipeline(stages as [Readable, Duplex], () => undefined)
  const ofPlugin = brokenStream('transform()', plugin)
  return ByteStream.from(stage, {
    broken: (cause) => {
      if (isGatewayError(cause) && cause === ofSource) return cause
      if (isGatewayError(cause) && cause === ofDecoder)
        return new BrokenTransform(cause.code, cause.message, cause.cause, plugin)
      return ofPlugin(cause)
    },
  })
}

/** What a stream that a plugin has handed over fails with; `plugin` is undefined where nobody knows whose it was. */
export function brokenStream(where: string, plugin: unknown): (cause: Error | undefined) => BrokenTransform {
  return (cause) =>
    new BrokenTransform('PSTN_PLUGIN_THREW', `The stream given to ${where} ${whyOf(cause)}`, cause, plugin)
}

function whyOf(cause: Error | undefined): string {
  if (cause === undefined) return 'was destroyed before its end.'
  return isGatewayError(cause) ? `failed: ${cause.message}` : `failed: ${describe(cause)}.`
}

async function* chunksOf(content: Buffer | undefined | Promise<Buffer>): AsyncGenerator<Buffer> {
  const bytes = await content
  if (bytes !== undefined && bytes.length > 0) yield bytes
}

function isPair(edit: unknown): edit is TransformPair {
  return (
    typeof edit === 'object' &&
    edit !== null &&
    !(edit instanceof Duplex) &&
    'readable' in edit &&
    'writable' in edit &&
    typeof edit.readable === 'object' &&
    typeof edit.writable === 'object'
  )
}

function isBusy(edit: Duplex | TransformPair): boolean {
  return edit instanceof Duplex
    ? edit.destroyed || edit.writableEnded || edit.readableEnded
    : isLocked(edit.readable) || isLocked(edit.writable)
}

function isLocked(stream: object): boolean {
  return 'locked' in stream && stream.locked === true
}
