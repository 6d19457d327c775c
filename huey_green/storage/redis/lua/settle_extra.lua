-- settle_extra: settle, where one of the settlements has effects that few tasks have.
-- uses clock, order, results, named, ending, permits, claims, settling
-- KEYS  1-13 settling   14 parked (zset)   15 claims (hash)   16 claim ends (zset)   17 chords (zset id -> last news)
--       18 progress (hash id -> how far)   19 progress news (zset id -> moment)
--       20 index of values with a time to live (zset key -> end)   then the named ones
-- ARGV  as settle's, with these effects besides:
--       m named id index size value score body (note a member of a chord; the last enqueues the body)
--       j named id (forget a chord)   c key owner (drop a claim)   l key (let a parked message in)
--       p id (forget progress)   R key value milliseconds named (a result that ends)
-- RETURNS  the positions, from 0, of the settlements that were refused
widths.m, widths.j, widths.c, widths.l, widths.p, widths.R = 7, 2, 2, 1, 1, 4
effects.R = put_ending
local now = present('')

function effects.m(i)
  local chord = named(i)
  if redis.call('HSETNX', chord, ARGV[i + 2], ARGV[i + 4]) == 0 then return end
  local noted = redis.call('HLEN', chord)
  redis.call('ZADD', KEYS[17], now, ARGV[i + 1])
  if noted == tonumber(ARGV[i + 3]) then push(ARGV[i + 6], ARGV[i + 5]) end
end

function effects.j(i)
  redis.call('UNLINK', named(i))
  redis.call('ZREM', KEYS[17], ARGV[i + 1])
end

function effects.c(i) drop_claim(KEYS[15], KEYS[16], ARGV[i], ARGV[i + 1]) end

function effects.l(i)
  local kept = take_parked(KEYS[14], ARGV[i])
  if kept then restore(kept) end
end

function effects.p(i)
  redis.call('HDEL', KEYS[18], ARGV[i])
  redis.call('ZREM', KEYS[19], ARGV[i])
end

return settle_all()
