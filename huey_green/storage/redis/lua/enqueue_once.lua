-- enqueue_once: add a message unless its key was used within the time to live.
-- uses clock, order, trim
-- KEYS  1-4 order   5 once (zset key -> end of its time)
-- ARGV  1 key   2 time to live (seconds)   3 score   4 body
-- RETURNS  1 when it was added
local now = present('')
local ends_at = redis.call('ZSCORE', KEYS[5], ARGV[1])
if ends_at and tonumber(ends_at) > now then return 0 end
trim(KEYS[5], now)
redis.call('ZADD', KEYS[5], now + tonumber(ARGV[2]), ARGV[1])
push(ARGV[4], ARGV[3])
return 1
