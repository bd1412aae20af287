import { type AnalyticsRecord, type ApiDefinitionInput, respond } from '@postern/core'
import { createCore, type HostCall } from '@postern/core/host'
import { expect, it } from 'vitest'
import { hostCall } from '../../support/host-call.ts'

const DEFINITIONS: ApiDefinitionInput[] = [
  {
    name: 'plain',
    listenPath: '/plain/',
    hooks: { pre: [(request) => respond(request.path === '/odd' ? 404 : 200, 'x')] },
  },
  {
    name: 'guarded',
    listenPath: '/guarded/',
    version: 'v2',
    authentication: { token: true },
    records: { tags: ['of-the-api'], tagHeaders: ['x-team'], retention: 60 },
    hooks: { pre: [() => undefined], postAuth: [() => undefined], post: [() => respond(201, 'longer')] },
  },
]

/** Requests that differ in all a record tells. */
function calls(key: string): HostCall[] {
  return [
    hostCall('/plain/', 'User-Agent', 'one'),
    hostCall('/guarded/x?y=1', 'Authorization', key, 'X-Team', 'red', 'User-Agent', 'two'),
    hostCall('/plain/odd'),
    hostCall('/guarded/x?y=1'),
    { ...hostCall('/plain/post', 'Content-Length', '3'), method: 'POST', body: () => Buffer.from('abc') },
    hostCall('/guarded/', 'Authorization', key, 'User-Agent', 'one'),
    { ...hostCall('/plain/'), peer: { address: '10.0.0.9', encrypted: true } },
  ]
}

/** The records of those requests, in turn, of a gateway that remembers `recordCapacity`. */
async function recordsOf(recordCapacity: number): Promise<readonly AnalyticsRecord[]> {
  const core = createCore(DEFINITIONS, { recordCapacity })
  await core.facade.ready()
  const { key } = await core.facade.sessions.create({
    alias: 'somebody',
    tags: ['of-the-key'],
    rate: 100,
    per: 1,
    accessRights: { guarded: {} },
  })
  for (const call of calls(key)) {
    const accepted = core.accept(call)!
    const answer = await accepted.answer()
    accepted.conclude(typeof answer === 'string' ? 200 : answer.status)
  }
  const records = core.facade.records.list()
  await core.facade.close()
  return records
}

/** What is the same each time, with the names of the hooks that were reached. */
function comparable({ timestamp, expireAt, apiKey, latency, ...rest }: AnalyticsRecord): unknown {
  return {
    ...rest,
    keyed: apiKey !== '',
    keptMs: Number(expireAt) - Number(timestamp),
    hooks: Object.keys(latency.hooks).toSorted(),
  }
}

it.each([1, 2, 3])('the last %i say nothing of the requests they were written over', async (capacity) => {
  const all = (await recordsOf(100)).map(comparable)
  expect(all).toHaveLength(7)
  expect((await recordsOf(capacity)).map(comparable)).toEqual(all.slice(-capacity))
})

it('a list that was asked for stays as it was', async () => {
  const core = createCore(DEFINITIONS, { recordCapacity: 1 })
  await core.facade.ready()
  const ask = async (call: HostCall): Promise<void> => {
    const accepted = core.accept(call)!
    await accepted.answer()
    accepted.conclude(200)
  }
  const [first, , odd] = calls('')
  await ask(first!)
  const before = core.facade.records.list()
  const copy = structuredClone(before)
  await ask(odd!)
  expect([before, core.facade.records.list()[0]?.path]).toEqual([copy, '/odd'])
})

it('fields have one order, whoever has looked at a record', async () => {
  const plain: ApiDefinitionInput = { name: 'plain', listenPath: '/plain/', hooks: { pre: [() => respond(200, 'x')] } }
  const seen = { ...plain, name: 'seen', listenPath: '/seen/', hooks: { ...plain.hooks, analytics: [() => undefined] } }
  const core = createCore([plain, seen])
  await core.facade.ready()
  for (const path of ['/plain/', '/seen/']) {
    const accepted = core.accept(hostCall(path))!
    await accepted.answer()
    accepted.conclude(200)
  }
  const [unseen, analysed] = core.facade.records.list()
  expect(Object.keys(analysed!)).toEqual(Object.keys(unseen!))
})
