-- put_revocation: store a mark as a value, and its key among those that fetch looks at.
-- uses clock, trim, values
-- KEYS  1-3 values   4 revocations (zset key -> end, +inf without a time to live)
-- ARGV  1 key   2 value   3 time to live (milliseconds, '' for none)
local now = present('')
put_value(ARGV[1], ARGV[2], ARGV[3])
trim(KEYS[4], now)
redis.call('ZADD', KEYS[4], ARGV[3] == '' and '+inf' or now + tonumber(ARGV[3]) / 1000, ARGV[1])
