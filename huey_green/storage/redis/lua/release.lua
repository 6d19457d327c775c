-- release: give leased messages back unrun; the attempt is not counted.
-- uses order, permits
-- KEYS  1-4 order   5 inflight (hash receipt -> kept)
--       6 permits (hash)   7 permit counts (hash)   8 parked (zset)
-- ARGV  receipt ... (the one to be delivered first comes last)
-- RETURNS  how many leases were still held
local receipts, found = {}, {}
for _, receipt in ipairs(ARGV) do
  local kept = redis.call('HGET', KEYS[5], receipt)
  if kept then
    redis.call('HDEL', KEYS[5], receipt)
    receipts[#receipts + 1] = receipt
    found[#found + 1] = kept
  end
end
-- First, so that what is parked comes behind what is given back.
end_permits(KEYS[6], KEYS[7], KEYS[8], receipts, 1)
for _, kept in ipairs(found) do restore(kept) end
return #found
