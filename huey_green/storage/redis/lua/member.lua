-- member: in a ZSET a member of ours is NUL, 'q', eight bytes of sequence, the body. Others' are the body alone.
-- KEYS  3 sequence (counter)
local function member_of(body)
  return '\0q' .. struct.pack('>I8', redis.call('INCR', KEYS[3])) .. body
end

local function body_of_member(member)
  if member:sub(1, 2) == '\0q' then return member:sub(11) end
  return member
end
