-- reclaim: give back what an expired consumer held, and note the attempt in the message's history:
-- always for a first delivery, for a later one only if it had begun.
-- uses clock, order, permits, hand_back
-- KEYS  1-4 order   5 inflight (hash)   6 attempts (hash sha1 of body -> lines "time consumer")
--       7 consumers (zset name -> end of its leases)   8 begun (set of receipts)
--       9 permits (hash)   10 permit counts (hash)   11 parked (zset)
-- ARGV  1 consumer   2 limit   3 now ('': this server's)   4 known to be dead (0|1)
-- RETURNS  how many were given back; call again until it is 0
local now = present(ARGV[3])
local ends_at = redis.call('ZSCORE', KEYS[7], ARGV[1])
if not ends_at or (tonumber(ends_at) > now and ARGV[4] == '0') then return 0 end
local function note(body, receipt)
  local digest = redis.sha1hex(body)
  local before = redis.call('HGET', KEYS[6], digest)
  if before and redis.call('SISMEMBER', KEYS[8], receipt) == 0 then return end
  local line = string.format('%.3f %s', now, ARGV[1])
  redis.call('HSET', KEYS[6], digest, before and before .. '\n' .. line or line)
end
-- A landed message was never handed to a task: no attempt.
local limit = tonumber(ARGV[2])
local moved = landed(limit, restore)
moved = moved + hand_back(KEYS[5], limit - moved, note, 9)
if moved == 0 then
  redis.call('ZREM', KEYS[7], ARGV[1])
  redis.call('DEL', KEYS[8])
end
return moved
