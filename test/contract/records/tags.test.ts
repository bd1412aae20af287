import { type AnalyticsRecord, type ApiDefinitionInput, respond } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { connect, run, settled } from '../harness.ts'

async function recorded(
  definition: ApiDefinitionInput,
  headers: readonly string[] = [],
): Promise<readonly AnalyticsRecord[]> {
  const { port, gateway } = await run({ hooks: { post: [() => respond(200, 'in')] }, ...definition })
  if (definition.authentication !== undefined) await gateway.sessions.create({ tags: ['of-key'] }, { key: 'the-key' })
  await (await connect(port)).request('GET', '/', headers)
  await settled()
  return gateway.records.list()
}

const tagsOf = (records: readonly AnalyticsRecord[]): unknown => records.map(({ tags }) => tags)

describe('a record', () => {
  it('has no tags unless somebody gives it some', async () => {
    for (const records of [undefined, true, {}, { tags: [], tagHeaders: [] }])
      expect(tagsOf(await recorded({ name: 'a', records }))).toEqual([[]])
  })

  it('has those of the session, of the headers and of the API', async () => {
    const records = { tags: ['north', 'eu'], tagHeaders: ['X-Team', 'x-none', 'x-empty'] }
    const api: ApiDefinitionInput = { name: 'a', authentication: { token: true }, records }
    const headers = ['Authorization: the-key', 'x-TEAM: blue', 'X-Team: Red', 'X-Empty:', 'X-Other: y']
    expect(tagsOf(await recorded(api, headers))).toEqual([['of-key', 'x-team-blue', 'x-team-Red', 'north', 'eu']])
  })

  it('has them for requests that were refused as well', async () => {
    const api: ApiDefinitionInput = { name: 'a', authentication: { token: true }, records: { tags: ['north'] } }
    const [record] = await recorded(api)
    expect([record!.responseCode, record!.tags]).toEqual([401, ['north']])
  })

  it('shows them to analytics plugins, which may change them', async () => {
    const seen: unknown[] = []
    const [record] = await recorded({
      name: 'a',
      records: { tags: ['north'] },
      hooks: {
        post: [() => respond(200, 'in')],
        analytics: [
          (found) => {
            seen.push([...found.tags])
            found.tags = [...found.tags, 'more']
          },
        ],
      },
    })
    expect([seen, record!.tags]).toEqual([[['north']], ['north', 'more']])
  })

  it('is not kept where records are off', async () => {
    expect(await recorded({ name: 'a', records: false })).toEqual([])
  })

  it('of a definition keeps what else it says of records', async () => {
    const records = { detailed: true, retention: 60 }
    const { gateway } = await run({ name: 'a', records })
    expect(gateway.apis()[0]!.definition.records).toMatchObject({ tags: [], tagHeaders: [], ...records })
  })
})
