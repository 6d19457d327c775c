-- pop_revocation: remove a mark, with a time to live or without.
-- uses clock, trim, values
-- KEYS  1-3 values   4 revocations (zset key -> end)
-- ARGV  1 key
-- RETURNS  the mark, nil when there is none
local mark = value_of(ARGV[1])
delete_value(ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
return mark
