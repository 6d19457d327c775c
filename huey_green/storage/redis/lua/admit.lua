-- admit: give a lease one of the permits of a key, or park its message: its lease ends, no attempt is counted.
-- uses order, permits
-- KEYS  1-4 order   5 inflight (hash receipt -> kept)   6 begun (set of receipts)
--       7 permits (hash)   8 permit counts (hash)   9 parked (zset)
-- ARGV  1 receipt   2 key   3 limit
-- RETURNS  1 when it may run, 0 when it was parked or is no longer held
local receipt, key = ARGV[1], ARGV[2]
local kept = redis.call('HGET', KEYS[5], receipt)
if not kept then return 0 end
if redis.call('HGET', KEYS[7], receipt) == key then return 1 end
end_permit(KEYS[7], KEYS[8], receipt)
if tonumber(redis.call('HGET', KEYS[8], key) or 0) < tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[7], receipt, key)
  redis.call('HINCRBY', KEYS[8], key, 1)
  return 1
end
redis.call('HDEL', KEYS[5], receipt)
redis.call('SREM', KEYS[6], receipt)
local sequence = struct.pack('>I8', redis.call('INCR', KEYS[3]))
redis.call('ZADD', KEYS[9], 0, parked_prefix(key) .. sequence .. kept)
return 0
