import { script } from './script.ts'

/**
 * Appends a batch to a list, once: a batch that is sent again because its answer was lost is not appended again. KEYS: the
 * list, and what this writer has appended last; ARGV: the batch's number, seconds the list lives, records it may hold,
 * seconds the mark lives, then the records. Returns how many of the oldest records had to go.
 */
export const APPEND = script(`
local known = redis.call('GET', KEYS[2])
if known then
  local number, removed = string.match(known, '^(%d+) (%d+)$')
  if number == ARGV[1] then return tonumber(removed) end
end
local length = 0
for i = 5, #ARGV, 1000 do
  length = redis.call('RPUSH', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
local most = tonumber(ARGV[3])
local removed = 0
if length > most then
  removed = length - most
  redis.call('LTRIM', KEYS[1], -most, -1)
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. removed, 'EX', ARGV[4])
return removed
`)
