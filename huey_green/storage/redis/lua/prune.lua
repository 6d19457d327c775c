-- prune: forget what has ended and nobody came for, and name what the caller is to delete.
-- uses clock, trim, claims
-- KEYS  1 dead index (zset id -> time)   2 once   3 windows   4 index of values with a time to live   5 counter ends
--       6 revocations (2-6: zset key -> end)   7 claims (hash)   8 claim ends (zset)   9 progress (hash id -> how far)
--       10 progress news (zset id -> moment)   11 chords (zset id -> moment of the last news)
--       12 attempts (hash sha1 of body -> lines "time consumer")
-- ARGV  1 now ('': this server's)   2 limit   3 most dead letters ('' for any number)   4 their longest age
--       ('' for any)   5-7 how long progress, chords and histories are kept (4-7 in seconds)
--       8 where to go on among the histories
-- RETURNS  dead letters to delete, chords to forget, where to go on, whether there is more (0|1)
local now, limit = present(ARGV[1]), tonumber(ARGV[2])
local more = 0
for i = 2, 6 do
  if #trim(KEYS[i], now, limit) == limit then more = 1 end
end

local ended = trim(KEYS[8], now, limit)
if #ended > 0 then redis.call('HDEL', KEYS[7], unpack(ended)) end
local silent = trim(KEYS[10], now - tonumber(ARGV[5]), limit)
if #silent > 0 then redis.call('HDEL', KEYS[9], unpack(silent)) end
if #ended == limit or #silent == limit then more = 1 end

-- Of a chord with the moment 0 nobody noted it: it counts as news of now.
for _, chord in ipairs(redis.call('ZRANGEBYSCORE', KEYS[11], 0, 0, 'LIMIT', 0, limit)) do
  redis.call('ZADD', KEYS[11], now, chord)
end
local chords = redis.call('ZRANGEBYSCORE', KEYS[11], '(0', now - tonumber(ARGV[6]), 'LIMIT', 0, limit)

local page = redis.call('HSCAN', KEYS[12], ARGV[8], 'COUNT', 100)
for i = 1, #page[2], 2 do
  local last = page[2][i + 1]:match('([%d.]+) [^\n]*$')
  if last and tonumber(last) <= now - tonumber(ARGV[7]) then redis.call('HDEL', KEYS[12], page[2][i]) end
end

local beyond = ARGV[3] == '' and 0 or redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
if ARGV[4] ~= '' then
  beyond = math.max(beyond, redis.call('ZCOUNT', KEYS[1], '-inf', now - tonumber(ARGV[4])))
end
local letters = {}
if beyond > 0 then letters = redis.call('ZRANGE', KEYS[1], 0, math.min(beyond, limit) - 1) end
return {letters, chords, page[1], more}
