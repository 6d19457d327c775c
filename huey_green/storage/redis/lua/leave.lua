-- leave: a consumer ends in good order; what it still holds goes back and no attempt is counted.
-- uses order, permits, hand_back
-- KEYS  1-4 order   5 inflight (hash)   6 consumers (zset)   7 begun (set)
--       8 permits (hash)   9 permit counts (hash)   10 parked (zset)
-- ARGV  1 consumer   2 limit
-- RETURNS  how many were given back; call again until it is 0
local function ignore() end
local limit = tonumber(ARGV[2])
local moved = landed(limit, restore)
moved = moved + hand_back(KEYS[5], limit - moved, ignore, 8)
if moved == 0 then
  redis.call('ZREM', KEYS[6], ARGV[1])
  redis.call('DEL', KEYS[7])
end
return moved
