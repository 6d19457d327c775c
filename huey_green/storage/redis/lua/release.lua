-- release: give leased messages back unrun; the attempt is not counted.
-- uses order
-- KEYS  1-4 order   5 inflight (hash receipt -> kept)
-- ARGV  receipt ... (the one to be delivered first comes last)
-- RETURNS  how many leases were still held
local given = 0
for _, receipt in ipairs(ARGV) do
  local kept = redis.call('HGET', KEYS[5], receipt)
  if kept then
    redis.call('HDEL', KEYS[5], receipt)
    restore(kept)
    given = given + 1
  end
end
return given
