-- permits: leases of one limited key hold permits; a message that gets none is parked outside of the queue.
-- A parked member is the length of its key (4 bytes), the key, a sequence (8 bytes), what restore() needs.
-- Names: permits (hash receipt -> key), counts (hash key -> permits held), parked (zset, all scores 0).

-- Return the key under which a lease held a permit, nil when it held none.
local function end_permit(permits, counts, receipt)
  local key = redis.call('HGET', permits, receipt)
  if not key then return nil end
  redis.call('HDEL', permits, receipt)
  if redis.call('HINCRBY', counts, key, -1) <= 0 then redis.call('HDEL', counts, key) end
  return key
end

local function parked_prefix(key)
  return struct.pack('>I4', #key) .. key
end

-- Remove the message that was parked first under a key; return what restore() needs, nil when there is none.
local function take_parked(parked, key)
  local prefix = parked_prefix(key)
  local member = redis.call('ZRANGEBYLEX', parked, '[' .. prefix, '(' .. prefix .. '\255', 'LIMIT', 0, 1)[1]
  if not member then return nil end
  redis.call('ZREM', parked, member)
  return member:sub(#prefix + 9)
end

-- End the permits of the leases from `first` on; for each, one parked message of its key comes back.
local function end_permits(permits, counts, parked, receipts, first)
  if redis.call('EXISTS', permits) == 0 then return end
  local back = {}
  for i = first, #receipts do
    local key = end_permit(permits, counts, receipts[i])
    back[#back + 1] = key and take_parked(parked, key)
  end
  for i = #back, 1, -1 do restore(back[i]) end
end
