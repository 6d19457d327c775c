-- member_huey: in a ZSET of huey's a member is eight bytes, the microsecond in which it was enqueued, and the body.
-- uses clock
-- KEYS  3 sequence (string: the last microsecond that was given away)

-- Within one script the clock stands still.
local function member_of(body)
  local last = tonumber(redis.call('GET', KEYS[3]) or 0)
  local at = math.max(last + 1, math.floor(present('') * 1000000))
  redis.call('SET', KEYS[3], string.format('%.0f', at))
  return struct.pack('>I8', at) .. body
end

-- What a Huey without wire put there has NUL, 'q' and eight bytes before it.
local function body_of_member(member)
  if member:sub(1, 2) == '\0q' then return member:sub(11) end
  return member:sub(9)
end
