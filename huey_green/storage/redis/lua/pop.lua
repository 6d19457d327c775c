-- pop: take ready messages for good, without a lease: at most once.
-- uses order
-- KEYS  1-4 order   5 revocations (set)
-- ARGV  1 limit
-- RETURNS  are there revocations (0|1), bodies
local bodies = take(tonumber(ARGV[1]))
return {redis.call('EXISTS', KEYS[5]), bodies}
