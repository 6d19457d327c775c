-- put_if_empty: store a value unless there is one, with a time to live or without.
-- uses clock
-- KEYS  1 results (hash)   2 value with a time to live (string)   3 index of those (zset key -> end)
-- ARGV  1 key   2 value   3 time to live (milliseconds, '' for none)
-- RETURNS  1 when it was stored
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if ARGV[3] == '' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  return 1
end
local now = present('')
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
redis.call('ZADD', KEYS[3], now + tonumber(ARGV[3]) / 1000, ARGV[1])
return 1
