import type { AnalyticsRecord } from '@postern/core/store'
import { MsgpackWriter } from './msgpack.ts'

/** A record as a real gateway's tools know it, by the names they have for its fields; those that are always empty are left out. */
export interface TykRecord {
  readonly Method: string
  readonly Host: string
  readonly Path: string
  readonly RawPath: string
  readonly ContentLength: number
  readonly UserAgent: string
  readonly Day: number
  readonly Month: number
  readonly Year: number
  readonly Hour: number
  readonly ResponseCode: number
  readonly APIKey: string
  readonly TimeStamp: GoTime
  readonly APIVersion: string
  readonly APIName: string
  readonly APIID: string
  readonly OrgID: string
  readonly OauthID: string
  readonly RequestTime: number
  readonly RawRequest: string
  readonly RawResponse: string
  readonly IPAddress: string
  readonly Network: { readonly BytesIn: number; readonly BytesOut: number }
  readonly Latency: { readonly Total: number; readonly Upstream: number; readonly Gateway: number }
  readonly Tags: readonly string[]
  readonly Alias: string
  readonly TrackPath: boolean
  readonly ExpireAt: GoTime
  readonly OriginalPath: string
  readonly ListenPath: string
}

interface GoTime {
  /** Since 1970. */
  readonly seconds: number
  readonly nanoseconds: number
}

/** What a real gateway would have made of the same request. */
export function tykRecord(record: AnalyticsRecord): TykRecord {
  const { timestamp, apiId, apiKey, orgId, latency, network, tags } = record
  const totalMs = Math.round(latency.totalMs)
  return {
    Method: record.method,
    Host: record.host,
    Path: rooted(record.path),
    RawPath: rooted(record.rawPath),
    ContentLength: record.contentLength,
    UserAgent: record.userAgent,
    // Of the place where the gateway runs, as there.
    Day: timestamp.getDate(),
    Month: timestamp.getMonth() + 1,
    Year: timestamp.getFullYear(),
    Hour: timestamp.getHours(),
    ResponseCode: record.responseCode,
    APIKey: apiKey,
    TimeStamp: goTime(timestamp),
    APIVersion: record.apiVersion,
    APIName: record.apiName,
    APIID: apiId,
    OrgID: orgId,
    OauthID: record.oauthId,
    RequestTime: totalMs,
    RawRequest: record.rawRequest,
    RawResponse: record.rawResponse,
    IPAddress: record.clientAddress,
    Network: { BytesIn: network.bytesIn, BytesOut: network.bytesOut },
    Latency: {
      Total: totalMs,
      Upstream: Math.round(latency.upstreamMs),
      Gateway: Math.round(latency.gatewayMs),
    },
    Tags: [
      ...tags,
      ...(apiKey === '' ? [] : [`key-${apiKey}`]),
      ...(orgId === '' ? [] : [`org-${orgId}`]),
      `api-${apiId}`,
    ],
    Alias: record.alias,
    TrackPath: record.trackPath,
    ExpireAt: goTime(record.expireAt),
    OriginalPath: rooted(record.originalPath),
    ListenPath: record.listenPath,
  }
}

function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

function goTime(date: Date): GoTime {
  const ms = date.getTime()
  const seconds = Math.floor(ms / 1000)
  return { seconds, nanoseconds: (ms - seconds * 1000) * 1e6 }
}

type Write<T> = (value: T, to: MsgpackWriter) => void

const text: Write<string> = (value, to) => to.text(value)
const integer: Write<number> = (value, to) => to.integer(value)
const flag: Write<boolean> = (value, to) => to.flag(value)

/** A time has no type of its own in that format: it is told by being an array of two. */
const time: Write<GoTime> = ({ seconds, nanoseconds }, to) => to.array(2).integer(seconds).integer(nanoseconds)

/** A list without elements is `nil` in Go. */
const texts: Write<readonly string[]> = (list, to) => {
  if (list.length === 0) to.nil()
  else {
    to.array(list.length)
    for (const one of list) to.text(one)
  }
}

const FIELDS: { readonly [F in keyof TykRecord]: Write<TykRecord[F]> } = {
  Method: text,
  Host: text,
  Path: text,
  RawPath: text,
  ContentLength: integer,
  UserAgent: text,
  Day: integer,
  Month: integer,
  Year: integer,
  Hour: integer,
  ResponseCode: integer,
  APIKey: text,
  TimeStamp: time,
  APIVersion: text,
  APIName: text,
  APIID: text,
  OrgID: text,
  OauthID: text,
  RequestTime: integer,
  RawRequest: text,
  RawResponse: text,
  IPAddress: text,
  Network: ({ BytesIn, BytesOut }, to) => {
    to.map(4).text('OpenConnections').integer(0).text('ClosedConnection').integer(0)
    to.text('BytesIn').integer(BytesIn).text('BytesOut').integer(BytesOut)
  },
  Latency: ({ Total, Upstream, Gateway }, to) => {
    to.map(3).text('Total').integer(Total).text('Upstream').integer(Upstream).text('Gateway').integer(Gateway)
  },
  Tags: texts,
  Alias: text,
  TrackPath: flag,
  ExpireAt: time,
  OriginalPath: text,
  ListenPath: text,
}

/** What is known of no request here. */
const EMPTY: Readonly<Record<string, (to: MsgpackWriter) => void>> = {
  Geo(to) {
    to.map(3).text('Country').map(1).text('ISOCode').text('')
    to.text('City').map(2).text('GeoNameID').integer(0).text('Names').nil()
    to.text('Location').map(3).text('Latitude').float(0).text('Longitude').float(0).text('TimeZone').text('')
  },
  ApiSchema: (to) => to.text(''),
  GraphQLStats(to) {
    to.map(7).text('Variables').text('').text('RootFields').nil().text('Types').nil().text('Errors').nil()
    to.text('OperationType').integer(0).text('HasErrors').flag(false).text('IsGraphQL').flag(false)
  },
  MCPStats(to) {
    to.map(4).text('IsMCP').flag(false).text('JSONRPCMethod').text('')
    to.text('PrimitiveType').text('').text('PrimitiveName').text('')
  },
  CollectionName: (to) => to.text(''),
}

/** Names in the order of a real gateway: whoever compares bytes finds the same. */
const ORDER = `
  Method Host Path RawPath ContentLength UserAgent Day Month Year Hour ResponseCode APIKey TimeStamp
  APIVersion APIName APIID OrgID OauthID RequestTime RawRequest RawResponse IPAddress Geo Network
  Latency Tags Alias TrackPath ExpireAt ApiSchema OriginalPath ListenPath GraphQLStats MCPStats
  CollectionName
`
  .trim()
  .split(/\s+/)

/** Names, and values that are always the same, are written once. */
const STEPS = ORDER.map((name) => {
  const head = new MsgpackWriter().text(name)
  EMPTY[name]?.(head)
  const write = (FIELDS as Readonly<Record<string, Write<never> | undefined>>)[name]
  return { name: name as keyof TykRecord, head: head.take(), write: write as Write<unknown> | undefined }
})

const writer = new MsgpackWriter()

/** A record as tyk-pump reads it: MessagePack, a map with all 35 fields. */
export function encodeTykRecord(record: TykRecord): Buffer {
  writer.map(STEPS.length)
  for (const { name, head, write } of STEPS) {
    writer.written(head)
    write?.(record[name], writer)
  }
  return writer.take()
}
