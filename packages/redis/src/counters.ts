import type { Charge, GatewayError, Standing, Taken } from '@postern/core/store'
import type { Connection } from './connection.ts'
import type { CounterKind, Layout } from './layout.ts'
import { isCluster } from './redis-client.ts'
import { type Mode, takeScript } from './take-script.ts'

/** A session a count depends on: its name, and the SHA-1 of its text. */
interface Condition {
  readonly id: string
  readonly revision: string
}

export interface Counters {
  take(charges: readonly Charge[], condition: Condition | undefined): Promise<Taken | 'changed'>
  peek(charges: readonly Charge[]): Promise<readonly Standing[]>
  reset(charges: readonly Charge[]): Promise<void>
}

/** One charge of a call, and where it stood among all of them. */
interface Item {
  readonly charge: Charge
  readonly position: number
  /** What was counted, for a refund. */
  readonly mark: string
}

/** The answer of the script for some of the charges. */
interface Answer {
  /** The first that refused; -1: none. */
  readonly refusedBy: number
  readonly standings: readonly Standing[]
  readonly marks: readonly string[]
}

interface Prepared {
  readonly name: string
  readonly kind: CounterKind
  readonly args: readonly [max: string, period: string]
}

/** 142 years: up to here microseconds added to the time of day are exact, and so many milliseconds can be an expiry. */
const LONGEST_PERIOD = 2 ** 52

/** `now` in milliseconds, where it is not the server's clock that counts. */
export function counters(
  connection: Connection,
  layout: Layout,
  now: (() => number) | undefined,
  onError: (error: GatewayError) => void,
): Counters {
  // Charges of stored sessions are the same objects at every request.
  const prepared = new WeakMap<Charge, Prepared>()
  const isSlotted = isCluster(connection.client)
  // A clock of its own runs slower than the one keys expire by.
  const slack = String(now === undefined ? layout.slackMs : 3_600_000)

  function prepare(charge: Charge): Prepared {
    let result = prepared.get(charge)
    if (result === undefined) {
      const { name, kind } = layout.counter(charge)
      const period = charge.periodMs === Infinity ? -1 : Math.min(Math.ceil(charge.periodMs * 1000), LONGEST_PERIOD)
      result = { name, kind, args: [String(charge.max), String(period)] }
      prepared.set(charge, result)
    }
    return result
  }

  async function run(
    mode: Mode,
    items: readonly Item[],
    condition: Condition | undefined,
  ): Promise<Answer | 'changed'> {
    const kinds: CounterKind[] = []
    const keys: string[] = []
    const args = [now === undefined ? '' : String(Math.round(now() * 1000)), slack, condition?.revision ?? '']
    for (const { charge, mark } of items) {
      const { name, kind, args: own } = prepare(charge)
      kinds.push(kind)
      keys.push(name)
      args.push(...own)
      if (mode === 'refund') args.push(mark)
    }
    if (condition !== undefined) keys.push(layout.session(condition.id))
    const script = takeScript(mode, kinds)
    // A client handed in may be set up to give numbers as text.
    const [first, ...fields] = (await connection.run(WHAT[mode], script, keys, args)) as readonly (number | string)[]
    const refusedBy = Number(first)
    if (refusedBy === -2) return 'changed'
    const field = (i: number, offset: number): string => String(fields[i * 3 + offset])
    return {
      refusedBy,
      standings: items.map((_, i) => ({ remaining: Number(field(i, 0)), resetMs: milliseconds(Number(field(i, 1))) })),
      marks: items.map((_, i) => field(i, 2)),
    }
  }

  /** Of several slots: one after the other, and back again where a later one refuses. */
  async function takeFromSlots(
    slots: readonly (readonly Item[])[],
    condition: Condition | undefined,
  ): Promise<Taken | 'changed'> {
    const standings: Standing[] = []
    const counted: (readonly Item[])[] = []
    let refused = false
    const put = (items: readonly Item[], found: readonly Standing[]): void =>
      items.forEach(({ position }, i) => (standings[position] = found[i]!))
    const giveBack = async (): Promise<void> => {
      const answers = await Promise.allSettled(counted.map((items) => run('refund', items, undefined)))
      answers.forEach((answer, i) => {
        // What cannot be given back stays counted, which lets nobody exceed a limit.
        if (answer.status === 'rejected') onError(answer.reason as GatewayError)
        else put(counted[i]!, (answer.value as Answer).standings)
      })
    }
    try {
      for (const [i, items] of slots.entries()) {
        const answer = await run(refused ? 'peek' : 'take', items, i === 0 ? condition : undefined)
        if (answer === 'changed') return answer
        put(items, answer.standings)
        if (refused) continue
        if (answer.refusedBy !== -1) refused = true
        else counted.push(items.map(({ charge, position }, at) => ({ charge, position, mark: answer.marks[at]! })))
      }
    } catch (error) {
      await giveBack()
      throw error
    }
    if (!refused) return { refusedBy: -1, standings }
    const takenBack = new Set(counted.flatMap((items) => items.map(({ position }) => position)))
    await giveBack()
    const refusedBy = standings.findIndex(({ remaining }, position) => remaining === 0 && !takenBack.has(position))
    return { refusedBy, standings }
  }

  function slotsOf(charges: readonly Charge[], first: string | undefined): readonly (readonly Item[])[] {
    const items = charges.map((charge, position) => ({ charge, position, mark: '' }))
    if (!isSlotted) return [items]
    const bySubject = new Map<string, Item[]>()
    // The session's own slot comes first: nothing has been counted yet when it turns out to be another one.
    if (first !== undefined) bySubject.set(first, [])
    for (const item of items) {
      const { subject } = item.charge
      const slot = bySubject.get(subject)
      if (slot === undefined) bySubject.set(subject, [item])
      else slot.push(item)
    }
    return [...bySubject.values()]
  }

  return {
    async take(charges, condition) {
      const slots = slotsOf(charges, condition?.id)
      if (slots.length !== 1) return takeFromSlots(slots, condition)
      const answer = await run('take', slots[0]!, condition)
      if (answer === 'changed') return answer
      return { refusedBy: answer.refusedBy, standings: answer.standings }
    },
    async peek(charges) {
      const standings: Standing[] = []
      await Promise.all(
        slotsOf(charges, undefined).map(async (items) => {
          const answer = (await run('peek', items, undefined)) as Answer
          items.forEach(({ position }, i) => (standings[position] = answer.standings[i]!))
        }),
      )
      return standings
    },
    async reset(charges) {
      const names = charges.map((charge) => prepare(charge).name)
      const calls = isSlotted ? names.map((name) => [name]) : names.length > 0 ? [names] : []
      await Promise.all(calls.map((call) => connection.command('reset counters', 'unlink', call)))
    },
  }
}

const WHAT: { readonly [M in Mode]: string } = {
  take: 'count a request',
  peek: 'read counters',
  refund: 'give a request back',
}

function milliseconds(microseconds: number): number {
  return microseconds === -1 ? Infinity : microseconds / 1000
}
