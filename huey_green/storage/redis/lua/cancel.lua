-- cancel: note that a task is to be stopped, and forget notes that are old.
-- uses clock, trim
-- KEYS  1 cancels (zset id -> moment)
-- ARGV  1 id   2 how long notes are kept (seconds)
local now = present('')
trim(KEYS[1], now - tonumber(ARGV[2]))
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] * 1000))
