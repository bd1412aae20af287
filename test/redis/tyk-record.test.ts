import type { AnalyticsRecord } from '@postern/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeTykRecord, type TykRecord, tykRecord } from '../../packages/redis/src/tyk-record.ts'
import { record } from './a-record.ts'
import { readTykRecord } from './pump-decoder.ts'

/** Written by a real gateway. */
const GOLDEN = [
  'de0023a64d6574686f64a3474554a4486f7374a168a450617468a22f70a752617750617468a22f70ad436f6e74656e744c656e677468ffa955736572',
  '4167656e74a0a34461790ea54d6f6e74680ba459656172cd07e7a4486f757216ac526573706f6e7365436f6465ccc8a64150494b6579a16ba954696d',
  '655374616d7092ce6553f100ce075bcd15aa41504956657273696f6ead4e6f6e2056657273696f6e6564a74150494e616d65a0a54150494944a161a5',
  '4f72674944a16fa74f617574684944a0ab5265717565737454696d6505aa52617752657175657374a0ab526177526573706f6e7365a0a94950416464',
  '72657373a93132372e302e302e31a347656f83a7436f756e74727981a749534f436f6465a0a44369747982a947656f4e616d65494400a54e616d6573',
  'c0a84c6f636174696f6e83a84c61746974756465cb0000000000000000a94c6f6e676974756465cb0000000000000000a854696d655a6f6e65a0a74e',
  '6574776f726b84af4f70656e436f6e6e656374696f6e7300b0436c6f736564436f6e6e656374696f6e00a74279746573496e00a842797465734f7574',
  '00a74c6174656e637983a5546f74616c05a8557073747265616d03a74761746577617902a45461677393a56b65792d6ba56f72672d6fa56170692d61',
  'a5416c696173a0a9547261636b50617468c2a8457870697265417492ce6553f13cce075bcd15a9417069536368656d61a0ac4f726967696e616c5061',
  '7468a0aa4c697374656e50617468a0ac4772617068514c537461747387a95661726961626c6573a0aa526f6f744669656c6473c0a55479706573c0a6',
  '4572726f7273c0ad4f7065726174696f6e5479706500a94861734572726f7273c2a949734772617068514cc2a84d4350537461747384a549734d4350',
  'c2ad4a534f4e5250434d6574686f64a0ad5072696d697469766554797065a0ad5072696d69746976654e616d65a0ae436f6c6c656374696f6e4e616d',
  '65a0',
].join('')

const GOLDEN_RECORD: TykRecord = {
  Method: 'GET',
  Host: 'h',
  Path: '/p',
  RawPath: '/p',
  ContentLength: -1,
  UserAgent: '',
  Day: 14,
  Month: 11,
  Year: 2023,
  Hour: 22,
  ResponseCode: 200,
  APIKey: 'k',
  TimeStamp: { seconds: 1_700_000_000, nanoseconds: 123_456_789 },
  APIVersion: 'Non Versioned',
  APIName: '',
  APIID: 'a',
  OrgID: 'o',
  OauthID: '',
  RequestTime: 5,
  RawRequest: '',
  RawResponse: '',
  IPAddress: '127.0.0.1',
  Network: { BytesIn: 0, BytesOut: 0 },
  Latency: { Total: 5, Upstream: 3, Gateway: 2 },
  Tags: ['key-k', 'org-o', 'api-a'],
  Alias: '',
  TrackPath: false,
  ExpireAt: { seconds: 1_700_000_060, nanoseconds: 123_456_789 },
  OriginalPath: '',
  ListenPath: '',
}

describe('a record for tyk-pump', () => {
  it('is byte for byte what a real gateway writes', () => {
    const bytes = encodeTykRecord(GOLDEN_RECORD)
    expect([bytes.length, bytes.toString('hex')]).toEqual([722, GOLDEN])
  })

  it('has nil where Go has an empty list', () => {
    expect(readTykRecord(encodeTykRecord({ ...GOLDEN_RECORD, Tags: [] }))).toMatchObject({ Tags: null })
  })

  it('gets the tags of the worker, and paths that begin with a slash', () => {
    const full = tykRecord(record({ tags: ['x'], path: 'p', rawPath: '', originalPath: 'o/p' }))
    expect([full.Tags, full.Path, full.RawPath, full.OriginalPath]).toEqual([
      ['x', 'key-k', 'org-o', 'api-a'],
      '/p',
      '/',
      '/o/p',
    ])
    expect(tykRecord(record({ apiKey: '', orgId: '' })).Tags).toEqual(['api-a'])
  })

  it('is read by a decoder made from the documented fields, whatever is in it', () => {
    const text = fc.string({ unit: 'binary', maxLength: 300 })
    const time = fc.date({ noInvalidDate: true })
    const size = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })
    const ms = fc.double({ min: 0, max: 1e12, noNaN: true })
    const records = fc.record({
      timestamp: time,
      expireAt: time,
      apiId: text,
      apiName: text,
      apiVersion: text,
      orgId: text,
      apiKey: text,
      alias: text,
      oauthId: text,
      tags: fc.array(text, { maxLength: 20 }),
      method: text,
      host: text,
      path: text,
      rawPath: text,
      originalPath: text,
      originalUrl: text,
      listenPath: text,
      trackPath: fc.boolean(),
      contentLength: size,
      userAgent: text,
      clientAddress: text,
      responseCode: fc.integer(),
      upgraded: fc.boolean(),
      code: fc.constant('' as const),
      latency: fc.record({ totalMs: ms, upstreamMs: ms, gatewayMs: ms, hooks: fc.constant({}) }),
      network: fc.record({ bytesIn: size, bytesOut: size }),
      rawRequest: fc.base64String({ maxLength: 70_000, size: 'max' }),
      rawResponse: fc.base64String(),
    })
    fc.assert(
      fc.property(records, (given) => {
        const read = readTykRecord(encodeTykRecord(tykRecord(given)))
        expect(read).toEqual(expected(given as AnalyticsRecord))
      }),
      { numRuns: 200 },
    )
  })
})

const text = (value: string): string => Buffer.from(value).toString()
const rooted = (path: string): string => (path.startsWith('/') ? text(path) : `/${text(path)}`)

/** Every field of the documented list. */
function expected(given: AnalyticsRecord): unknown {
  const { timestamp, latency, network, apiKey, orgId, apiId } = given
  const worker = [
    ...(apiKey === '' ? [] : [`key-${apiKey}`]),
    ...(orgId === '' ? [] : [`org-${orgId}`]),
    `api-${apiId}`,
  ]
  return {
    Method: text(given.method),
    Host: text(given.host),
    Path: rooted(given.path),
    RawPath: rooted(given.rawPath),
    ContentLength: BigInt(given.contentLength),
    UserAgent: text(given.userAgent),
    Day: BigInt(timestamp.getDate()),
    Month: BigInt(timestamp.getMonth() + 1),
    Year: BigInt(timestamp.getFullYear()),
    Hour: BigInt(timestamp.getHours()),
    ResponseCode: BigInt(given.responseCode),
    APIKey: text(apiKey),
    TimeStamp: timestamp,
    APIVersion: text(given.apiVersion),
    APIName: text(given.apiName),
    APIID: text(apiId),
    OrgID: text(orgId),
    OauthID: text(given.oauthId),
    RequestTime: BigInt(Math.round(latency.totalMs)),
    RawRequest: given.rawRequest,
    RawResponse: given.rawResponse,
    IPAddress: text(given.clientAddress),
    Geo: {
      Country: { ISOCode: '' },
      City: { GeoNameID: 0n, Names: null },
      Location: { Latitude: 0, Longitude: 0, TimeZone: '' },
    },
    Network: {
      OpenConnections: 0n,
      ClosedConnection: 0n,
      BytesIn: BigInt(network.bytesIn),
      BytesOut: BigInt(network.bytesOut),
    },
    Latency: {
      Total: BigInt(Math.round(latency.totalMs)),
      Upstream: BigInt(Math.round(latency.upstreamMs)),
      Gateway: BigInt(Math.round(latency.gatewayMs)),
    },
    Tags: [...given.tags, ...worker].map(text),
    Alias: text(given.alias),
    TrackPath: given.trackPath,
    ExpireAt: given.expireAt,
    ApiSchema: '',
    OriginalPath: rooted(given.originalPath),
    ListenPath: text(given.listenPath),
    GraphQLStats: {
      Variables: '',
      RootFields: null,
      Types: null,
      Errors: null,
      OperationType: 0n,
      HasErrors: false,
      IsGraphQL: false,
    },
    MCPStats: { IsMCP: false, JSONRPCMethod: '', PrimitiveType: '', PrimitiveName: '' },
    CollectionName: '',
  }
}
