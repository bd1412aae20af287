import { setTimeout as sleep } from 'node:timers/promises'
import { redisStore } from '@postern/redis'
import type { HooksInput, PluginContext } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { hosts, type Mount } from '../support/hosts.ts'
import { EVERYTHING, type Failing, fragile, NOTHING } from '../support/stores.ts'
import { cleanUpAfterAttacks } from './attack.ts'
import { FAULTS } from './faulty-upstream.ts'
import { CONNECTIONS, type Load, PATIENCE_MS, type Sent } from './load.ts'
import { isOverQuota, loadedFront, type LoadedFront, QUOTA } from './loaded-front.ts'
import { noRedis, redisOfTest } from './with-redis.ts'

cleanUpAfterAttacks()

const UNDER_LOAD: readonly (readonly [string, Mount])[] = hosts.filter(([name]) =>
  ['node:http', 'Express 5', 'Koa 3'].includes(name),
)
const LONG = { timeout: 60_000 }
const FLICKER_MS = 70
const PATIENT = { timeout: PATIENCE_MS, interval: 10 }

describe.each(UNDER_LOAD)(`while ${CONNECTIONS} connections send on %s`, (_, mount) => {
  it('an upstream may fail in every way there is', LONG, async () => {
    const front = await loadedFront(mount, { upstreamMs: 200 })
    const { load } = front
    await front.makeKeys()
    await load.during(() => everyFault(front))
    await load.during(front.usedUp)
    await front.recovers()
    expect(await front.reckon()).toEqual([])
    expect(outcomes(load)).toEqual(['answered 200', 'answered 403', 'answered 502', 'answered 504', 'cut 200'])
    expect(await used(front)).toEqual(letThrough(load))
    expect(letThrough(load).metered).toBe(QUOTA)
    await front.closes()
  })

  it('plugins may throw, hang, be late and loop', LONG, async () => {
    const front = await loadedFront(mount, { hooks: PLUGINS, faultOf })
    const { load } = front
    await front.makeKeys()
    const faultsMet = (): number => new Set(load.sent.map(({ fault }) => fault)).size
    await load.during(async () => {
      await sleep(1_000)
      await expect.poll(faultsMet, PATIENT).toBe(1 + PLUGIN_FAULTS.length)
    })
    await load.during(front.usedUp)
    await front.recovers()
    expect(await front.reckon()).toEqual([])
    expect(outcomes(load)).toEqual(['answered 200', 'answered 403', 'answered 500'])
    const wrong = load.sent.filter((one) => !isOverQuota(one) && one.status !== (isBreaking(one.fault) ? 500 : 200))
    expect(wrong).toEqual([])
    const unrecorded = load.sent.filter(({ fault }) => fault.startsWith('analytics') && !fault.endsWith('loops'))
    expect(front.gateway.records.dropped).toBe(unrecorded.length)
    expect(await used(front)).toEqual(letThrough(load))
    expect(letThrough(load).metered).toBe(QUOTA)
    await front.closes()
  })

  it('the store may fail in every way there is', LONG, async () => {
    const store = fragile()
    const front = await loadedFront(mount, { store })
    const { load } = front
    await front.makeKeys()
    await load.during(async () => {
      for (const failing of ['at once', 'later', 'after hanging', 'by throwing'] satisfies Failing[]) {
        await sleep(100)
        store.failing = failing
        store.down = EVERYTHING
        await sleep(250)
        store.down = NOTHING
      }
      await front.usedUp()
    })
    await front.recovers()
    expect(await front.reckon()).toEqual([])
    expect(outcomes(load)).toEqual(['answered 200', 'answered 403', 'answered 503'])
    expect(load.sent.filter(({ kind, status }) => kind.api === 'open' && status !== 200)).toEqual([])
    expect(await used(front)).toEqual(letThrough(load))
    expect(letThrough(load).metered).toBe(QUOTA)
    await front.closes()
  })

  it('definitions may be reloaded all the time, broken ones among them', LONG, async () => {
    const front = await loadedFront(mount, {})
    const { load } = front
    await front.makeKeys()
    const { taken, refused } = await front.reloadingWhile(() =>
      load.during(async () => {
        await sleep(500)
        await front.usedUp()
      }),
    )
    expect(await front.reckon()).toEqual([])
    expect(outcomes(load)).toEqual(['answered 200', 'answered 403'])
    expect(load.sent.filter((one) => one.status !== 200 && !isOverQuota(one))).toEqual([])
    expect([taken > 5, refused > 2]).toEqual([true, true])
    expect(await used(front)).toEqual(letThrough(load))
    expect(letThrough(load).metered).toBe(QUOTA)
    await front.closes()
  })

  it('all of it may happen at once', LONG, async () => {
    const store = fragile()
    const front = await loadedFront(mount, { hooks: PLUGINS, faultOf, store, upstreamMs: 200 })
    const { load } = front
    await front.makeKeys()
    const flickering = setInterval(() => (store.down = store.down === NOTHING ? EVERYTHING : NOTHING), FLICKER_MS)
    try {
      const { taken, refused } = await front.reloadingWhile(() => load.during(() => everyFault(front)))
      expect([taken > 20, refused > 10]).toEqual([true, true])
    } finally {
      clearInterval(flickering)
      store.down = NOTHING
    }
    await load.during(front.usedUp)
    await front.recovers()
    expect(await front.reckon()).toEqual([])
    const statuses = [200, 403, 500, 502, 503, 504].map((status) => `answered ${status}`)
    expect(outcomes(load)).toEqual([...statuses, 'cut 200'])
    expect(await used(front)).toEqual(letThrough(load))
    expect(letThrough(load).metered).toBe(QUOTA)
    await front.closes()
  })

  it.skipIf(noRedis)('Redis may be killed and come back empty', LONG, async () => {
    const redis = await redisOfTest()
    const options = { host: '127.0.0.1', port: redis.port }
    const store = redisStore({ options, commandTimeoutMs: 1_000, onError: () => undefined })
    const front = await loadedFront(mount, { store })
    const { load } = front
    await front.makeKeys()
    let killedAt = 0
    let remadeAt = 0
    await load.during(async () => {
      await sleep(600)
      killedAt = performance.now()
      await redis.kill()
      await sleep(500)
      await redis.restart()
      await expect.poll(() => front.makeKeys().then(() => 'made', String), PATIENT).toBe('made')
      remadeAt = performance.now()
      await sleep(300)
    })
    await front.recovers()
    await load.during(() => untilRefused(front, remadeAt))
    expect(await front.reckon()).toEqual([])
    expect(outcomes(load)).toEqual(['answered 200', 'answered 403', 'answered 503'])
    expect(load.sent.filter(({ kind, status }) => kind.api === 'open' && status !== 200)).toEqual([])
    const before = letThrough(load, ({ at }) => at < killedAt)
    const after = letThrough(load, ({ at }) => at >= killedAt)
    expect(before.metered).toBeLessThanOrEqual(QUOTA)
    // What was counted and not told in time was refused, and stays counted.
    const untold = load.sent.filter(({ at, status }) => at >= remadeAt && status === 503).length
    expect(after.metered).toBeLessThanOrEqual(QUOTA)
    expect(after.metered).toBeGreaterThanOrEqual(QUOTA - untold)
    expect(await front.used('metered')).toBe(QUOTA)
    await front.closes()
  })
})

/** Each fault meets half of the connections, behind answers as they should be. */
async function everyFault({ upstream, load }: LoadedFront): Promise<void> {
  const since = (at: number, status: number): number =>
    load.sent.filter((one) => one.at >= at && one.status === status).length
  for (const fault of FAULTS) {
    await upstream.become('answers')
    const well = performance.now()
    await expect.poll(() => since(well, 200), PATIENT).toBeGreaterThan(0)
    await sleep(50)
    await upstream.become(fault)
    const ill = performance.now()
    const met = (): number => (fault === 'refuses' ? since(ill, 502) : (upstream.met.get(fault) ?? 0))
    await expect.poll(met, PATIENT).toBeGreaterThanOrEqual(CONNECTIONS / 2)
    await sleep(100)
  }
  await upstream.become('answers')
}

async function untilRefused({ load, usedUp }: LoadedFront, since: number): Promise<void> {
  await usedUp()
  const refused = (): boolean =>
    load.sent.some(({ at, kind, status }) => at > since && kind.key === 'metered' && status === 403)
  await expect.poll(refused, PATIENT).toBe(true)
}

/** What became of requests, each way once. Whether the head of a cut answer still gets out is a matter of chance. */
function outcomes({ sent }: Load): string[] {
  const all = new Set(sent.map(({ outcome, status }) => `${outcome} ${status}`))
  if (all.has('cut 200')) all.delete('cut 0')
  return [...all].toSorted()
}

/** How many requests of each key were counted: those nobody refused before. */
function letThrough({ sent }: Load, of: (one: Sent) => boolean = () => true): Record<'metered' | 'roomy', number> {
  const counted = sent.filter(
    (one) =>
      of(one) && one.status !== 403 && one.status !== 503 && !(one.status === 500 && one.fault.startsWith('pre')),
  )
  const by = (key: string): number => counted.filter(({ kind }) => kind.key === key).length
  return { metered: by('metered'), roomy: by('roomy') }
}

async function used({ used: of }: LoadedFront): Promise<Record<'metered' | 'roomy', number>> {
  return { metered: await of('metered'), roomy: await of('roomy') }
}

const PLUGIN_FAULTS = ['pre', 'post', 'response', 'analytics'].flatMap((hook) =>
  ['throws', 'rejects', 'hangs', 'is late', 'loops'].map((what) => `${hook} ${what}`),
)
const LOOP_MS = 50
const LATE_MS = 150

/** One request of nine; the odd period lets every fault meet every kind of request. */
function faultOf(id: number): string {
  return (id % 9 === 0 && PLUGIN_FAULTS[(id / 9) % (PLUGIN_FAULTS.length + 1)]) || ''
}

const isBreaking = (fault: string): boolean =>
  fault !== '' && !fault.endsWith('loops') && !fault.startsWith('analytics')

const PLUGINS: HooksInput = {
  pre: [
    ({ headers }, { state }) => {
      state['fault'] = headers.get('x-fault')
    },
    (_request, context) => breakAs('pre', context),
  ],
  post: [(_request, context) => breakAs('post', context)],
  response: [(_response, context) => breakAs('response', context)],
  analytics: [(_record, context) => breakAs('analytics', context)],
}

function breakAs(hook: string, { state }: PluginContext): Promise<void> | undefined {
  switch (state['fault']) {
    case `${hook} throws`:
      throw new Error('this plugin throws')
    case `${hook} rejects`:
      return Promise.reject(new Error('this plugin rejects'))
    case `${hook} hangs`:
      return new Promise(() => undefined)
    case `${hook} is late`:
      return sleep(LATE_MS).then(() => Promise.reject(new Error('this plugin is late')))
    case `${hook} loops`: {
      const end = performance.now() + LOOP_MS
      while (performance.now() < end);
      return undefined
    }
    default:
      return undefined
  }
}
