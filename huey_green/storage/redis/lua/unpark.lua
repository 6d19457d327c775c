-- unpark: let one message in for each key under which some are parked and no permit is held.
-- uses order, permits
-- KEYS  1-4 order   5 parked (zset)   6 permit counts (hash)
-- ARGV  1 where to begin ('-' at first)   2 limit of keys
-- RETURNS  where to go on, '' at the end
local from = ARGV[1]
for _ = 1, ARGV[2] do
  local member = redis.call('ZRANGEBYLEX', KEYS[5], from, '+', 'LIMIT', 0, 1)[1]
  if not member then return '' end
  local key = member:sub(5, 4 + struct.unpack('>I4', member))
  if redis.call('HEXISTS', KEYS[6], key) == 0 then restore(take_parked(KEYS[5], key)) end
  from = '(' .. parked_prefix(key) .. '\255'
end
return from
