-- schedule: what is due there, and when the next message will be.
-- uses clock

-- Return the moment of the earliest message, '' when there is none.
local function next_at(schedule)
  return redis.call('ZRANGE', schedule, 0, 0, 'WITHSCORES')[2] or ''
end

-- Return up to limit due messages, the earliest first, and the moment of the earliest of all. The
-- clock is asked only if there is a message: most schedules are empty most of the time.
local function look(schedule, given, limit)
  local at = next_at(schedule)
  if at == '' then return {}, at end
  local now = present(given)
  if tonumber(at) > now then return {}, at end
  return redis.call('ZRANGEBYSCORE', schedule, '-inf', now, 'LIMIT', 0, limit), at
end
