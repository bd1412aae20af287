import { script } from './script.ts'

/**
 * Stores a session if what is stored is what was expected, and tells everybody. What is stored already only lives longer:
 * sessions that plugins make are saved again with every request. Arguments: text, milliseconds or '' to keep it, `absent`,
 * `present`, `anything` or a revision, channel, message. Answers 1 or 0.
 */
export const SAVE = script(`
local text, lifetime, expected = ARGV[1], ARGV[2], ARGV[3]
local stored = redis.call('GET', KEYS[1])
if expected ~= 'anything' then
  local found = 'absent'
  if stored then found = expected == 'present' and 'present' or redis.sha1hex(stored) end
  if found ~= expected then return 0 end
end
if stored == text then
  if lifetime == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], lifetime) end
  return 1
end
if lifetime == '' then redis.call('SET', KEYS[1], text) else redis.call('SET', KEYS[1], text, 'PX', lifetime) end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
`)

/** Removes a session and tells everybody. Arguments: channel, message. Answers 1, or 0 when there was none. */
export const REMOVE = script(`
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1
`)
