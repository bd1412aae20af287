import type { CounterKind } from './layout.ts'
import { type Script, script } from './script.ts'

/** `take` counts in all counters or, if one refuses, in none; `peek` only looks; `refund` gives back what a `take` counted. */
export type Mode = 'take' | 'peek' | 'refund'

/**
 * The script for counters of these kinds, in this order, all of one slot; 20 at most, for Lua has room for 200 variables.
 * A server executes a script from its first line at every call: what a call does not need is not in its text, and there
 * is neither a function nor a table to be made.
 *
 * Names: one for each counter, then the session's where a revision is given. Arguments: microseconds or '' for the server's
 * own clock, milliseconds to keep names beyond their use, revision or ''; then for each counter its max, its period in
 * microseconds (-1: endless), and for a refund the mark of what was counted.
 *
 * Answers { -2 } when the session is another one; else the first counter that refused (from 0; -1: none), and for each what
 * remains, the microseconds until there is more (-1: never), and the mark of what was counted.
 */
export function takeScript(mode: Mode, kinds: readonly CounterKind[]): Script {
  const name = `${mode} ${kinds.join('')}`
  let found = scripts.get(name)
  if (found === undefined) {
    found = script(compose(mode, kinds))
    scripts.set(name, found)
  }
  return found
}

const scripts = new Map<string, Script>()

/** A `$` in these lines of Lua stands for the number of the counter. */
interface Kind {
  /** Names of variables its parts share. */
  readonly locals: string
  /** Sets what is `left$`, never below 0, and when there is more: `reset$`. */
  readonly look: string
  /** Counts a request for which something is left, and sets `mark$` where it can be given back. */
  readonly count: string
  readonly refund: string
}

function compose(mode: Mode, kinds: readonly CounterKind[]): string {
  const each = (part: (kind: Kind, i: number) => string): string[] =>
    kinds.map((kind, i) => part(KINDS[kind], i).replaceAll('$', String(i + 1)))
  const lines = [START, ...each((kind, i) => declare(mode, kind, i))]
  if (mode === 'refund') lines.push(...each(({ refund }) => `do ${refund} end`))
  lines.push(...each(({ look }) => `if max$ < 1 then left$, reset$ = 0, -1 else${look}end`))
  // The first that refuses is the one to tell: it is looked at last.
  lines.push('local refusedBy = -1', ...each((_, i) => `if left$ == 0 then refusedBy = ${i} end`).toReversed())
  if (mode === 'take') lines.push('if refusedBy < 0 then', ...each(({ count }) => `do${count}end`), 'end')
  lines.push(`return { ${['refusedBy', ...each(() => 'left$, reset$, mark$')].join(', ')} }`)
  return lines.join('\n')
}

function declare(mode: Mode, { locals }: Kind, i: number): string {
  const argument = 4 + i * (mode === 'refund' ? 3 : 2)
  const mark = mode === 'refund' ? `ARGV[${argument + 2}]` : '0'
  return `
local key$, max$, period$ = KEYS[${i + 1}], tonumber(ARGV[${argument}]), tonumber(ARGV[${argument + 1}])
local left$, reset$, mark$, ${locals} = 0, 0, ${mark}`
}

const START = `
local call = redis.call
local now, slack, revision = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
if revision ~= '' then
  local text = redis.pcall('GET', KEYS[#KEYS])
  if type(text) ~= 'string' or redis.sha1hex(text) ~= revision then return { -2 } end
end
if not now then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
`

function keep(microseconds: string): string {
  return `call('PEXPIRE', key$, ${lifetime(microseconds)})`
}

function lifetime(microseconds: string): string {
  return `math.ceil((${microseconds}) / 1000) + slack`
}

/** A list of times. */
const SLIDING: Kind = {
  locals: 'at$, newest$, gone$',
  look: `
  local length = call('LLEN', key$)
  at$, newest$, gone$, left$, reset$ = now, -1, 0, max$, period$
  if length > 0 then
    newest$ = tonumber(call('LINDEX', key$, '-1'))
    -- Never before the newest entry: a clock that was set back frees nothing.
    if newest$ > now then at$ = newest$ end
    local edge = at$ - period$
    local leaves = tonumber(call('LINDEX', key$, '0'))
    if leaves <= edge then
      -- Mostly few have left the window: long steps only after short ones.
      local low, step = 1, 2
      while low + step <= length and tonumber(call('LINDEX', key$, low + step - 1)) <= edge do
        low = low + step
        step = step * 2
      end
      local high = math.min(low + step - 1, length)
      while low < high do
        local middle = math.ceil((low + high) / 2)
        if tonumber(call('LINDEX', key$, middle - 1)) <= edge then low = middle else high = middle - 1 end
      end
      gone$ = low
    end
    local used = length - gone$
    if used > 0 then
      -- With more in the window than may be (the limit was lowered), several have to leave before one may pass.
      if gone$ > 0 or used > max$ then leaves = tonumber(call('LINDEX', key$, -math.min(used, max$))) end
      reset$ = leaves - edge
    end
    left$ = math.max(0, max$ - used)
  end
`,
  count: `
  call('RPUSH', key$, at$)
  if gone$ > 0 then call('LTRIM', key$, gone$, -1) end
  -- Kept for two periods from the first time of each, it outlives all times of that period.
  if newest$ < at$ - at$ % period$ then ${keep('at$ - now + 2 * period$')} end
  left$, mark$ = left$ - 1, at$
`,
  refund: `
  call('LREM', key$, -1, mark$)
`,
}

/** A hash of a count and when it ends. */
function period(end: string): Kind {
  return {
    locals: 'fresh$, ends$',
    look: `
  local stored = call('HMGET', key$, 'n', 'ends')
  local used = tonumber(stored[1]) or 0
  ends$ = tonumber(stored[2]) or -1
  fresh$ = used < 1 or (period$ >= 0 and now >= ends$)
  if fresh$ then used, ends$ = 0, period$ < 0 and -1 or ${end} end
  left$ = math.max(0, max$ - used)
  reset$ = period$ < 0 and -1 or ends$ - now
`,
    count: `
  if not fresh$ then
    call('HINCRBY', key$, 'n', '1')
  elseif period$ < 0 then
    call('HSET', key$, 'n', '1')
  else
    call('HSET', key$, 'n', '1', 'ends', ends$)
    ${keep('ends$ - now')}
  end
  left$, mark$ = left$ - 1, ends$
`,
    refund: `
  if period$ < 0 or call('HGET', key$, 'ends') == mark$ then
    if call('HINCRBY', key$, 'n', -1) < 1 then call('DEL', key$) end
  end
`,
  }
}

/** Sets what is owed by now. */
const OWED = `
  local stored = call('GET', key$)
  owed$, at$ = 0, now
  if stored then
    local owed, since = struct.unpack('<dd', stored)
    at$ = math.max(now, since)
    owed$ = math.max(0, owed - (at$ - since))
  end
`

/** Everything else follows from what is owed. A millionth is forgiven: a sum of fractions may come out above what it stands for. */
const STANDING = `
  left$ = math.max(0, math.floor((1 - owed$ / period$) * max$ + 0.000001))
  reset$ = period$
  if owed$ > 0 then reset$ = math.ceil(math.max(0, owed$ - period$ + (left$ + 1) * period$ / max$)) end
`

const SET_OWED = `call('SET', key$, struct.pack('<dd', owed$, at$), 'PX', ${lifetime('at$ - now + owed$')})`

/** What is owed and since when: two doubles, which text would take longer to write and read exactly. */
const GCRA: Kind = {
  locals: 'owed$, at$',
  look: OWED + STANDING,
  count: `
  owed$ = owed$ + period$ / max$
  mark$ = at$
  ${SET_OWED}
  ${STANDING}`,
  // What has drained since it was counted is gone: more would be given back at the cost of others.
  refund: `${OWED}
  owed$ = owed$ - math.max(0, period$ / max$ - (at$ - mark$))
  if owed$ > 0 then ${SET_OWED} else call('DEL', key$) end
`,
}

/**
 * A sorted set of nanoseconds, as a real gateway has. These are more than a number holds exactly: text, three digits behind
 * the microseconds.
 */
const SET: Kind = {
  locals: 'edge$',
  look: `
  edge$ = string.format('%.0f000', now - period$)
  local used = call('ZCOUNT', key$, '(' .. edge$, '+inf')
  left$, reset$ = math.max(0, max$ - used), period$
  if used > 0 then
    local index = -math.min(used, max$)
    local member = call('ZRANGE', key$, index, index)[1]
    reset$ = math.max(0, tonumber(string.sub(member, 1, -4)) + period$ - now)
  end
`,
  count: `
  call('ZREMRANGEBYSCORE', key$, '-inf', edge$)
  local at, nanos, member = now, 0, ''
  -- Two requests of one nanosecond would count once.
  repeat
    member = string.format('%.0f%03d', at, nanos)
    nanos = nanos + 1
    if nanos == 1000 then at, nanos = at + 1, 0 end
  until call('ZADD', key$, 'NX', member, member) == 1
  ${keep('period$')}
  left$ = left$ - 1
`,
  // Names of a real gateway are not for a Cluster, where alone something is given back.
  refund: '',
}

/** An integer that expires, as a real gateway has. */
const INTEGER: Kind = {
  locals: 'fresh$',
  look: `
  local used = tonumber(call('GET', key$)) or 0
  local ttl = call('PTTL', key$)
  reset$ = ttl < 0 and -1 or ttl * 1000
  -- A real gateway starts a period over that has no end but should have one.
  fresh$ = used < 1 or (ttl < 0 and period$ >= 0)
  if fresh$ then used, reset$ = 0, period$ end
  left$ = math.max(0, max$ - used)
`,
  count: `
  if not fresh$ then
    call('INCR', key$)
  else
    call('SET', key$, '1')
    if period$ >= 0 then ${keep('period$')} end
  end
  left$ = left$ - 1
`,
  refund: '',
}

const KINDS: { readonly [K in CounterKind]: Kind } = {
  s: SLIDING,
  p: period('now + period$'),
  w: period('now - now % period$ + period$'),
  g: GCRA,
  z: SET,
  i: INTEGER,
}
