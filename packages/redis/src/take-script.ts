import { script } from './script.ts'

/**
 * Counters of one slot. `take` counts in all of them or, if one refuses, in none; `peek` only looks; `refund` gives back
 * what an earlier `take` counted. Names: the session's first where a revision is given, then one for each charge.
 * Arguments: mode, microseconds or '' for the server's own clock, milliseconds to keep names beyond their use, revision
 * or ''; then for each charge its kind, max, period in microseconds (-1: endless) and the mark to refund.
 *
 * Answers { -2 } when the session is another one; else the first charge that refused (from 0; -1: none), and for each
 * charge what remains, the microseconds until there is more (-1: never), and the mark of what was counted.
 *
 * Kinds: s sliding window (list of times), p period and w window (hash of count and end), g gcra (hash of what is owed and
 * since when), z sliding window of a real gateway (sorted set of nanoseconds), i quota of a real gateway (integer).
 */
export const TAKE = script(`
local mode, now, slack, revision = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local first = 1
if revision ~= '' then
  local text = redis.pcall('GET', KEYS[1])
  if type(text) ~= 'string' or redis.sha1hex(text) ~= revision then return { -2 } end
  first = 2
end
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function integer(number) return string.format('%.0f', number) end

local function keep(key, microseconds)
  redis.call('PEXPIRE', key, integer(math.ceil(microseconds / 1000) + slack))
end

local function entry(key, index) return tonumber(redis.call('LINDEX', key, index)) end

-- How many entries of a list, oldest first, are not after the edge. Mostly few: long steps only after short ones.
local function expired(key, length, edge)
  local low, step = 0, 1
  while low + step <= length and entry(key, low + step - 1) <= edge do
    low = low + step
    step = step * 2
  end
  local high = math.min(low + step - 1, length)
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if entry(key, middle - 1) <= edge then low = middle else high = middle - 1 end
  end
  return low
end

local function lookSliding(c)
  local length = redis.call('LLEN', c.key)
  c.at, c.gone, c.used = now, 0, 0
  if length > 0 then
    -- Never before the newest entry: a clock that was set back frees nothing.
    c.at = math.max(now, entry(c.key, -1))
    c.gone = expired(c.key, length, c.at - c.period)
    c.used = length - c.gone
  end
  c.remaining = math.max(0, c.max - c.used)
  c.reset = c.period
  -- With more in the window than may be (the limit was lowered), several have to leave before one may pass.
  if c.used > 0 then c.reset = entry(c.key, -math.min(c.used, c.max)) + c.period - c.at end
end

local function countSliding(c)
  redis.call('RPUSH', c.key, integer(c.at))
  if c.gone > 0 then redis.call('LTRIM', c.key, c.gone, -1) end
  keep(c.key, c.at - now + c.period)
  c.remaining = c.remaining - 1
  c.mark = integer(c.at)
end

local function lookPeriod(c)
  local stored = redis.call('HMGET', c.key, 'n', 'ends')
  c.used, c.ends = tonumber(stored[1]) or 0, tonumber(stored[2])
  local running = c.used > 0 and (c.period < 0 or (c.ends and now < c.ends))
  if not running then
    c.fresh, c.used = true, 0
    if c.kind == 'w' then c.ends = now - now % c.period + c.period else c.ends = now + c.period end
  end
  c.remaining = math.max(0, c.max - c.used)
  c.reset = c.period < 0 and -1 or c.ends - now
end

local function countPeriod(c)
  if not c.fresh then
    redis.call('HINCRBY', c.key, 'n', 1)
  elseif c.period < 0 then
    redis.call('HSET', c.key, 'n', 1)
  else
    redis.call('HSET', c.key, 'n', 1, 'ends', integer(c.ends))
    keep(c.key, c.ends - now)
  end
  c.remaining = c.remaining - 1
  c.mark = c.period < 0 and '-' or integer(c.ends)
end

local function refundPeriod(c, mark)
  if mark ~= '-' and redis.call('HGET', c.key, 'ends') ~= mark then return end
  if redis.call('HINCRBY', c.key, 'n', -1) < 1 then redis.call('DEL', c.key) end
end

local function owed(c)
  local stored = redis.call('HMGET', c.key, 'owed', 'at')
  c.at = math.max(now, tonumber(stored[2]) or now)
  c.owed = math.max(0, (tonumber(stored[1]) or 0) - (c.at - (tonumber(stored[2]) or c.at)))
end

-- Everything else follows from what is owed. A millionth is forgiven: a sum of fractions may come out above what it stands for.
local function standGcra(c)
  c.remaining = math.max(0, math.floor((1 - c.owed / c.period) * c.max + 0.000001))
  c.reset = c.period
  if c.owed > 0 then c.reset = math.max(0, c.owed - c.period + (c.remaining + 1) * c.period / c.max) end
end

local function setOwed(c)
  redis.call('HSET', c.key, 'owed', string.format('%.17g', c.owed), 'at', integer(c.at))
  keep(c.key, c.at - now + c.owed)
end

local function lookGcra(c)
  owed(c)
  standGcra(c)
end

local function countGcra(c)
  c.owed = c.owed + c.period / c.max
  setOwed(c)
  standGcra(c)
  c.mark = '-'
end

local function refundGcra(c)
  owed(c)
  c.owed = c.owed - c.period / c.max
  if c.owed > 0 then setOwed(c) else redis.call('DEL', c.key) end
end

-- Nanoseconds are more than a number holds exactly: they are text, three digits behind the microseconds.
local function lookSet(c)
  c.edge = integer(now - c.period) .. '000'
  c.used = redis.call('ZCOUNT', c.key, '(' .. c.edge, '+inf')
  c.remaining = math.max(0, c.max - c.used)
  c.reset = c.period
  if c.used > 0 then
    local index = -math.min(c.used, c.max)
    local member = redis.call('ZRANGE', c.key, index, index)[1]
    c.reset = math.max(0, tonumber(string.sub(member, 1, -4)) + c.period - now)
  end
end

local function countSet(c)
  redis.call('ZREMRANGEBYSCORE', c.key, '-inf', c.edge)
  local at, nanos, member = now, 0, ''
  -- Two requests of one nanosecond would count once.
  repeat
    member = integer(at) .. string.format('%03d', nanos)
    nanos = nanos + 1
    if nanos == 1000 then at, nanos = at + 1, 0 end
  until redis.call('ZADD', c.key, 'NX', member, member) == 1
  keep(c.key, c.period)
  c.remaining = c.remaining - 1
end

local function lookInteger(c)
  c.used = tonumber(redis.call('GET', c.key)) or 0
  local ttl = redis.call('PTTL', c.key)
  -- A real gateway starts a period over that has no end but should have one.
  if c.used < 1 or (ttl < 0 and c.period >= 0) then
    c.fresh, c.used = true, 0
    ttl = c.period < 0 and -1 or c.period / 1000
  end
  c.remaining = math.max(0, c.max - c.used)
  c.reset = ttl < 0 and -1 or ttl * 1000
end

local function countInteger(c)
  if not c.fresh then
    redis.call('INCR', c.key)
  else
    redis.call('SET', c.key, 1)
    if c.period >= 0 then keep(c.key, c.period) end
  end
  c.remaining = c.remaining - 1
end

local look = { s = lookSliding, p = lookPeriod, w = lookPeriod, g = lookGcra, z = lookSet, i = lookInteger }
local count = { s = countSliding, p = countPeriod, w = countPeriod, g = countGcra, z = countSet, i = countInteger }
local refund = { p = refundPeriod, w = refundPeriod, g = refundGcra }
function refund.s(c, mark) redis.call('LREM', c.key, -1, mark) end

local charges, refusedBy = {}, -1
for i = first, #KEYS do
  local a = 5 + (i - first) * 4
  local c = { key = KEYS[i], kind = ARGV[a], max = tonumber(ARGV[a + 1]), period = tonumber(ARGV[a + 2]), mark = '' }
  if mode == 'refund' then refund[c.kind](c, ARGV[a + 3]) end
  if c.max < 1 then c.remaining, c.reset = 0, -1 else look[c.kind](c) end
  if c.remaining == 0 and refusedBy < 0 then refusedBy = i - first end
  charges[#charges + 1] = c
end
if mode == 'take' and refusedBy < 0 then
  for _, c in ipairs(charges) do count[c.kind](c) end
end
local answer = { refusedBy }
for _, c in ipairs(charges) do
  answer[#answer + 1] = c.remaining
  answer[#answer + 1] = math.ceil(c.reset)
  answer[#answer + 1] = c.mark
end
return answer
`)
