-- timed: in a ZSET of huey's a member is eight bytes, the microsecond in which it was enqueued, and the message.
-- uses clock

-- Return the member of a message. Within one script the clock stands still: `sequence` is the key of the last
-- microsecond that was given away.
local function timed_member(body, sequence)
  local last = tonumber(redis.call('GET', sequence) or 0)
  local at = math.max(last + 1, math.floor(present('') * 1000000))
  redis.call('SET', sequence, string.format('%.0f', at))
  return struct.pack('>I8', at) .. body
end

-- What a Huey without wire put there has NUL, 'q' and eight bytes before it.
local function body_of_timed(member)
  if member:sub(1, 2) == '\0q' then return member:sub(11) end
  return member:sub(9)
end
