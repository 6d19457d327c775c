-- pop: take ready messages for good, without a lease: at most once.
-- uses clock, order, marks
-- KEYS  1-4 order   5 revocations (zset key -> end)
-- ARGV  1 limit
-- RETURNS  are there revocations (0|1), bodies
local bodies = take(tonumber(ARGV[1]))
return {has_marks(KEYS[5], ''), bodies}
