import { hosts } from '../support/hosts.ts'
import { canary } from './connection.ts'
import { allOf, type Attacked, type Fuzzer, found } from './fuzzer.ts'
import { type Played, several } from './make-responses.ts'
import type { ReadAnswer } from './read-answers.ts'
import { answerTo, isOwn, playingUpstream, UPSTREAM } from './responses.ts'

const ENGINES = ['http1', 'undici'] as const

/** The same bytes of an upstream through both engines: postern's own takes nothing that undici does not take. */
export const engines: Fuzzer<readonly Played[]> = {
  input: several,
  count: (all) => all.length,
  show: (all) => JSON.stringify(all, null, 2),
  async start(): Promise<Attacked<readonly Played[]>> {
    const [, mount] = hosts[0]!
    const sides = await Promise.all(
      ENGINES.map(async (engine) => {
        const upstream = await playingUpstream()
        const definition = { name: 'a', upstream: { url: upstream.url, ...UPSTREAM } }
        const { port, gateway } = await mount(definition, { safe: true, options: { engine } })
        gateway.on('upstreamError', () => undefined)
        return { engine, upstream, port }
      }),
    )
    return {
      async check(all) {
        for (const { upstream } of sides) upstream.plays = all
        await allOf(
          all.map(async (played, i) => {
            const [own, theirs] = await Promise.all(
              sides.map(async ({ engine, port }) => passedOn(await answerTo(engine, port, played, i), played)),
            )
            compare(own, theirs, played)
          }),
        )
        for (const { engine, port } of sides) await canary(engine, port, '/canary-1')
      },
    }
  },
}

/** Undefined: refused, or cut. */
function passedOn(answer: ReadAnswer | undefined, { method }: Played): ReadAnswer | undefined {
  return answer === undefined || isOwn(answer, method) ? undefined : answer
}

function compare(own: ReadAnswer | undefined, theirs: ReadAnswer | undefined, { ending }: Played): void {
  // What undici refuses and we take must be what it should have taken; a reset may overtake an answer on one side only.
  if (own === undefined || ending === 'resets') return
  const got = { status: own.status, body: own.body.slice(0, 200) }
  if (theirs === undefined) found('an answer that undici does not take', { got })
  if (own.status !== theirs.status || own.body !== theirs.body)
    found('another answer than that of undici', { got, theirs: { status: theirs.status, body: theirs.body.slice(0, 200) } })
}
