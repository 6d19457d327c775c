-- count_expiring: add to a counter that is forgotten when nobody counted for a while.
-- uses clock, trim
-- KEYS  1 counter (string)   2 index of counters (zset key -> end)
-- ARGV  1 key   2 amount   3 time to live (milliseconds)
-- RETURNS  what it is then
local now = present('')
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
trim(KEYS[2], now)
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]) / 1000, ARGV[1])
return count
