import type { ServerResponse } from 'node:http'
import type { DefinitionInput, Gateway, GatewayOptions } from '@postern/core'
import type { GatewayResponse } from '@postern/core/host'
import {
  type Acceptance,
  ByteStream,
  createCore,
  type ExchangeAnswer,
  HANDED_OVER,
  type HeaderLine,
  type OutgoingMessage,
  takeOutgoing,
  withBasePath,
  withoutAuthority,
} from '@postern/core/host'
import {
  accept,
  announceToClient,
  applyToHost,
  besideHost,
  type CapturedResponse,
  captureResponse,
  DROPPED,
  endConnectionWith,
  hostCall,
  resetFields,
  setParsedRequest,
  upgradeListener,
  writeInPlace,
  writeResponse,
  writeWaiting,
  type Targets,
} from '@postern/http/bridge'
import type { Context, Next } from 'koa'
import { answerOfHost, applyHead, type HostAnswer, isAsLeft, showBody } from './host-answer.ts'
import { bodyStream } from './body-stream.ts'
import { keepingMovedPath } from './moved-path.ts'

/** Middleware for `app.use`, of Koa 2 and of Koa 3. */
export interface KoaGateway extends Gateway {
  (ctx: Context, next: Next): Promise<void>
}

/**
 * A gateway as Koa middleware, for Koa 2 and 3. It answers through `ctx`, so middleware above still sees status, headers
 * and body. Requests no API accepts go on to `next`, and so do those of an API without an upstream.
 *
 * @example
 * const gateway = createGateway({ name: 'orders', listenPath: '/orders/', upstream: 'http://127.0.0.1:9000' })
 * app.use(gateway)
 */
export function createGateway(
  definition: DefinitionInput | readonly DefinitionInput[],
  options?: GatewayOptions,
): KoaGateway {
  const core = createCore(definition, options)
  const middleware = async (ctx: Context, next: Next): Promise<void> => {
    setParsedRequest(ctx.req, ctx.request as object)
    const accepted = accept(core, hostCall(ctx.req, targetsOf(ctx)), ctx.req, ctx.res)
    if (accepted === DROPPED) {
      ctx.respond = false
      return
    }
    if (accepted === undefined) {
      writeWaiting()
      await next()
      return
    }
    accepted.attach(ctx)
    let ofHost: HostAnswer | undefined
    let awaited: CapturedResponse | undefined
    let isLate = false
    const applicationAnswers = async (): Promise<void> => {
      try {
        await letHostAnswer(ctx, accepted, next)
      } catch (error) {
        // As Koa does where something fails behind an answer.
        if (isLate) ctx.app.emit('error', error, ctx)
        throw error
      }
    }
    const askHost = async (): Promise<GatewayResponse> => {
      const capture = captureResponse(ctx.res, accepted.maxBufferedBytes)
      awaited = capture
      try {
        ofHost = await answerOfHost(ctx, capture, applicationAnswers, accepted.maxBufferedBytes)
      } finally {
        awaited = undefined
      }
      // Koa frames what it sends by this method, and it is the client who has to understand it.
      ctx.req.method = accepted.method
      return ofHost.response
    }
    let answer: ExchangeAnswer
    try {
      answer = await accepted.answer(askHost)
    } catch (error) {
      announceToClient(accepted, ctx.res)
      // Koa takes nothing for no error, and never answers.
      if (error === undefined || error === null) throw new Error('Rejected without an error.', { cause: error })
      throw error
    }
    if (accepted.closes) endConnectionWith(ctx.req, ctx.res)
    if (answer === HANDED_OVER) {
      announceToClient(accepted, ctx.res)
      return handOver(ctx, accepted, next)
    }
    if (awaited !== undefined) {
      isLate = true
      ctx.respond = false
      return writeInPlace(ctx.req, ctx.res, answer, accepted.method, awaited)
    }
    if (ofHost?.written === true)
      return writeResponse(ctx.res, answer, accepted.method, ofHost.capture.writerFor(answer))
    // A stream can be read once only: where it is recorded, what passes here has to be what is sent.
    const asLeft = ofHost !== undefined && isAsLeft(ctx, ofHost, answer)
    if (asLeft && (accepted.watchBody === undefined || showBody(ctx, answer))) return applyHead(ctx, answer)
    if (ofHost !== undefined && !ctx.headerSent)
      resetFields(ctx.res, answer === ofHost.response ? [] : ofHost.capture.above)
    const delivered = deliver(ctx, answer, accepted.method)
    if (delivered !== undefined) await delivered
  }
  return Object.assign(middleware, core.facade, { upgrade: upgradeListener(core) })
}

/** What a mount above has taken off the path, for as long as this middleware runs. */
function basePathOf(ctx: Context): string {
  // An absolute-form target names a host before its path; it has nothing to do with a mount.
  const [original = ''] = withoutAuthority(ctx.originalUrl).split('?', 1)
  if (original.endsWith(ctx.path)) return original.slice(0, original.length - ctx.path.length)
  return ctx.path === '/' ? original : ''
}

/** Not the original target: a middleware above may have sent the request elsewhere, and routers go by `ctx.url`. */
function targetsOf(ctx: Context): Targets {
  const basePath = basePathOf(ctx)
  return { originalUrl: ctx.originalUrl, target: withBasePath(basePath, ctx.url), basePath }
}

/** The host application answers by itself; what keeps the request from it is the gateway's to answer. */
async function handOver(ctx: Context, accepted: Acceptance, next: Next): Promise<void> {
  try {
    await accepted.within(() => letHostAnswer(ctx, accepted, next))
  } catch (error) {
    const answer = accepted.failure(error)
    if (answer === undefined) throw error
    await deliver(ctx, answer, accepted.method)
  }
}

async function letHostAnswer(ctx: Context, accepted: Acceptance, next: Next): Promise<void> {
  const mounted = basePathOf(ctx) !== ''
  const before = ctx.path
  await applyToHost(accepted, ctx.req)
  accepted.stopIfCancelled()
  writeWaiting()
  // Only a mount above ever puts a path back.
  if (mounted) await keepingMovedPath(ctx, before, next)
  else await next()
}

/** A promise only while a plugin is still reading the body. */
function deliver(ctx: Context, response: GatewayResponse, method: string): Promise<void> | undefined {
  const message = takeOutgoing(response, method)
  if (message instanceof Promise) return message.then((later) => put(ctx, later))
  put(ctx, message)
  return undefined
}

function put(ctx: Context, message: OutgoingMessage): void {
  const { status, lines } = message
  // Streams are dear here.
  const body = message.body instanceof ByteStream ? (message.body.takeComplete() ?? message.body) : message.body
  if (Buffer.isBuffer(body)) return putBytes(ctx, status, lines, body)
  const fields = besideHost(ctx.res, lines)
  // Beside a type of the host's, that of JSON, Koa 3 makes a text of no body.
  ctx.remove('content-type')
  // Koa guesses type and length from the body, so it comes first and the real headers have the last word.
  ctx.body = body === undefined ? null : bodyStream(ctx, body)
  ctx.status = status
  ctx.remove('content-type')
  ctx.remove('content-length')
  setFields(ctx, fields)
  if (status === 205 && ctx.res.hasHeader('content-length')) keepEnd(ctx.res)
}

/** Bytes tell Koa their length, and beside a type it guesses none: there is nothing to take back. */
function putBytes(ctx: Context, status: number, lines: HeaderLine[], body: Buffer): void {
  ctx.status = status
  ctx.remove('content-type')
  // Its length is known. Taken off without being there, Node would frame by the end of the connection.
  if (ctx.res.hasHeader('transfer-encoding')) ctx.remove('transfer-encoding')
  setFields(ctx, besideHost(ctx.res, lines))
  const isTyped = ctx.res.hasHeader('content-type')
  ctx.body = body
  if (!isTyped) ctx.remove('content-type')
  // Of the host's: what follows a body needs chunks.
  if (ctx.res.hasHeader('trailer')) ctx.remove('content-length')
}

/** Past `ctx.set`: Koa 3 throws at a second Content-Type, which other hosts pass on. */
function setFields(ctx: Context, fields: HeaderLine[]): void {
  if (ctx.headerSent) return
  for (let i = 0; i < fields.length; i += 2) ctx.res.setHeader(String(fields[i]), fields[i + 1]!)
}

/** Koa takes the length off a 205 as off a 204, and then it has no end (RFC 9110 15.3.6). */
function keepEnd(res: ServerResponse): void {
  const remove = res.removeHeader.bind(res)
  res.removeHeader = (name) => {
    const isEnd = res.statusCode === 205 && !res.headersSent && name.toLowerCase() === 'content-length'
    if (isEnd) res.setHeader(name, '0')
    else remove(name)
  }
}
