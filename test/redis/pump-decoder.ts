type Read = (bytes: Reader) => unknown

/** Reads MessagePack, and only what is there: a type that is not the field's is refused, as tyk-pump's decoder does. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  peek(): number {
    return this.#bytes[this.#at]!
  }

  #number(bytes: number, read: (buffer: Buffer, at: number) => number | bigint): number {
    const value = Number(read(this.#bytes, this.#at))
    this.#at += bytes
    return value
  }

  byte(): number {
    return this.#number(1, (bytes, at) => bytes.readUInt8(at))
  }

  uint(bytes: 1 | 2 | 4): number {
    return this.#number(bytes, (buffer, at) => buffer.readUIntBE(at, bytes))
  }

  double(): number {
    return this.#number(8, (bytes, at) => bytes.readDoubleBE(at))
  }

  bigint(bytes: 1 | 2 | 4 | 8, signed: boolean): bigint {
    const raw = BigInt(`0x${this.take(bytes).toString('hex')}`)
    return signed ? BigInt.asIntN(8 * bytes, raw) : raw
  }

  take(bytes: number): Buffer {
    const taken = this.#bytes.subarray(this.#at, this.#at + bytes)
    if (taken.length !== bytes) throw new Error('the record ends too early')
    this.#at += bytes
    return taken
  }
}

function refuse(what: string, byte: number): never {
  throw new Error(`found 0x${byte.toString(16)}; expected ${what}`)
}

const str: Read = (from) => {
  const head = from.byte()
  const length =
    head >= 0xa0 && head < 0xc0
      ? head - 0xa0
      : head === 0xd9
        ? from.uint(1)
        : head === 0xda
          ? from.uint(2)
          : head === 0xdb
            ? from.uint(4)
            : refuse('str', head)
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(from.take(length))
}

const INTEGERS: Readonly<Record<number, readonly [bytes: 1 | 2 | 4 | 8, signed: boolean]>> = {
  0xcc: [1, false],
  0xcd: [2, false],
  0xce: [4, false],
  0xcf: [8, false],
  0xd0: [1, true],
  0xd1: [2, true],
  0xd2: [4, true],
  0xd3: [8, true],
}

/** A bigint, so that what came as a float cannot be taken for one. */
const int = (from: Reader): bigint => {
  const head = from.byte()
  if (head < 0x80) return BigInt(head)
  if (head >= 0xe0) return BigInt(head - 0x100)
  return from.bigint(...(INTEGERS[head] ?? refuse('an integer', head)))
}

const float64: Read = (from) => {
  const head = from.byte()
  return head === 0xcb ? from.double() : refuse('float64', head)
}

const bool: Read = (from) => {
  const head = from.byte()
  return head === 0xc3 || head === 0xc2 ? head === 0xc3 : refuse('bool', head)
}

function sizeOf(from: Reader, short: number, in16: number, what: string): number {
  const head = from.byte()
  if (head >= short && head < short + 16) return head - short
  return head === in16 ? from.uint(2) : head === in16 + 1 ? from.uint(4) : refuse(what, head)
}

const time: Read = (from) => {
  if (from.byte() !== 0x92) throw new Error('expected a time as an array of two')
  const [seconds, nanoseconds] = [int(from), int(from)]
  return new Date(Number(seconds * 1000n + nanoseconds / 1_000_000n))
}

const orNil =
  (read: Read): Read =>
  (from) =>
    from.peek() === 0xc0 ? (from.byte(), null) : read(from)

const strings = orNil((from) => Array.from({ length: sizeOf(from, 0x90, 0xdc, 'an array') }, () => str(from)))

const struct =
  (fields: Readonly<Record<string, Read>>): Read =>
  (from) => {
    const read: Record<string, unknown> = {}
    const size = sizeOf(from, 0x80, 0xde, 'a map')
    for (let i = 0; i < size; i += 1) {
      const name = String(str(from))
      if (!Object.hasOwn(fields, name) || Object.hasOwn(read, name)) throw new Error(`unexpected field ${name}`)
      read[name] = fields[name]!(from)
    }
    for (const name of Object.keys(fields)) if (!Object.hasOwn(read, name)) throw new Error(`no field ${name}`)
    return read
  }

const record = struct({
  Method: str,
  Host: str,
  Path: str,
  RawPath: str,
  OriginalPath: str,
  ListenPath: str,
  ContentLength: int,
  UserAgent: str,
  Day: int,
  Month: int,
  Year: int,
  Hour: int,
  ResponseCode: int,
  APIKey: str,
  TimeStamp: time,
  ExpireAt: time,
  APIVersion: str,
  APIName: str,
  APIID: str,
  OrgID: str,
  OauthID: str,
  Alias: str,
  IPAddress: str,
  RequestTime: int,
  RawRequest: str,
  RawResponse: str,
  Geo: struct({
    Country: struct({ ISOCode: str }),
    City: struct({ GeoNameID: int, Names: orNil(struct({})) }),
    Location: struct({ Latitude: float64, Longitude: float64, TimeZone: str }),
  }),
  Network: struct({ OpenConnections: int, ClosedConnection: int, BytesIn: int, BytesOut: int }),
  Latency: struct({ Total: int, Upstream: int, Gateway: int }),
  Tags: strings,
  TrackPath: bool,
  ApiSchema: str,
  GraphQLStats: struct({
    Variables: str,
    RootFields: strings,
    Types: strings,
    Errors: strings,
    OperationType: int,
    HasErrors: bool,
    IsGraphQL: bool,
  }),
  MCPStats: struct({ IsMCP: bool, JSONRPCMethod: str, PrimitiveType: str, PrimitiveName: str }),
  CollectionName: str,
})

/** A record by tyk-pump's documented fields: all of them, nothing else, nothing behind. Throws where one is not as documented. */
export function readTykRecord(bytes: Buffer): Readonly<Record<string, unknown>> {
  const from = new Reader(bytes)
  const read = record(from) as Readonly<Record<string, unknown>>
  if (!from.isAtEnd) throw new Error('there is more behind the record')
  return read
}
