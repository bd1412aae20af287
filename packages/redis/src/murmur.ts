const U32 = 0xffff_ffff
const U64 = 0xffff_ffff_ffff_ffffn

/**
 * MurmurHash3 (32 bits) as the real gateway computes it for keys that name no algorithm: the body only. The last
 * `length % 4` bytes do not count, and everything shorter than 4 bytes hashes to 0.
 */
export function murmur32WithoutTail(text: string): string {
  const bytes = Buffer.from(text)
  let hash = 0
  for (let i = 0; i + 4 <= bytes.length; i += 4) {
    const block = Math.imul(rotate32(Math.imul(bytes.readUInt32LE(i), 0xcc9e_2d51), 15), 0x1b87_3593)
    hash = (Math.imul(rotate32(hash ^ block, 13), 5) + 0xe654_6b64) | 0
  }
  return ((hash & U32) >>> 0).toString(16).padStart(8, '0')
}

/** MurmurHash3 x64, 128 bits, seed 0: 32 hex digits, of which the first 16 are what is called murmur64. */
export function murmur128(text: string): string {
  const bytes = Buffer.from(text)
  let first = 0n
  let second = 0n
  const mixFirst = (block: bigint): bigint =>
    times(rotate64(times(block, 0x87c3_7b91_1142_53d5n), 31n), 0x4cf5_ad43_2745_937fn)
  const mixSecond = (block: bigint): bigint =>
    times(rotate64(times(block, 0x4cf5_ad43_2745_937fn), 33n), 0x87c3_7b91_1142_53d5n)
  const whole = bytes.length - (bytes.length % 16)
  for (let i = 0; i < whole; i += 16) {
    first = plus(times(plus(rotate64(first ^ mixFirst(bytes.readBigUInt64LE(i)), 27n), second), 5n), 0x52dc_e729n)
    second = plus(times(plus(rotate64(second ^ mixSecond(bytes.readBigUInt64LE(i + 8)), 31n), first), 5n), 0x3849_5ab5n)
  }
  // Blocks of nothing mix to 0, so the tail needs no cases.
  const tail = Buffer.alloc(16)
  bytes.copy(tail, 0, whole)
  const length = BigInt(bytes.length)
  first ^= mixFirst(tail.readBigUInt64LE(0)) ^ length
  second ^= mixSecond(tail.readBigUInt64LE(8)) ^ length
  first = plus(first, second)
  second = plus(second, first)
  first = finish(first)
  second = finish(second)
  first = plus(first, second)
  second = plus(second, first)
  return hex64(first) + hex64(second)
}

function finish(hash: bigint): bigint {
  const once = times(hash ^ (hash >> 33n), 0xff51_afd7_ed55_8ccdn)
  const twice = times(once ^ (once >> 33n), 0xc4ce_b9fe_1a85_ec53n)
  return twice ^ (twice >> 33n)
}

function rotate32(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by))
}

function rotate64(value: bigint, by: bigint): bigint {
  return ((value << by) | (value >> (64n - by))) & U64
}

function times(a: bigint, b: bigint): bigint {
  return (a * b) & U64
}

function plus(a: bigint, b: bigint): bigint {
  return (a + b) & U64
}

function hex64(value: bigint): string {
  return value.toString(16).padStart(16, '0')
}
