-- trim: forget members of a zset (name -> end) whose end has come, up to `limit` (100).
local function trim(index, now, limit)
  local ended = redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, limit or 100)
  if #ended > 0 then redis.call('ZREM', index, unpack(ended)) end
  return ended
end
