-- enqueue_once: add a message unless its key was used within the time to live.
-- uses clock, order
-- KEYS  1-4 order   5 once (zset key -> end of its time)
-- ARGV  1 key   2 time to live (seconds)   3 score   4 body
-- RETURNS  1 when it was added
local now = present('')
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
if redis.call('ZSCORE', KEYS[5], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[5], now + tonumber(ARGV[2]), ARGV[1])
push(ARGV[4], ARGV[3])
return 1
