-- pop: take ready messages for good, without a lease: at most once.
-- uses clock, order, marks
-- KEYS  1-4 order   5 revocations (zset key -> end)   6 attempts (hash sha1 of body -> history)
-- ARGV  1 limit
-- RETURNS  are there revocations (0|1), bodies
local bodies = take(tonumber(ARGV[1]))
if #bodies > 0 and redis.call('EXISTS', KEYS[6]) == 1 then
  for _, body in ipairs(bodies) do redis.call('HDEL', KEYS[6], redis.sha1hex(body)) end
end
return {has_marks(KEYS[5], ''), bodies}
