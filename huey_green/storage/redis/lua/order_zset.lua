-- order_zset: the ready queue is a ZSET, scored by minus the priority, in order of arrival within one score.
-- KEYS  1 queue (zset)   2 bell (zset; a token wakes one waiting consumer)   3 sequence (counter)   4 landing (unused)
-- A member of ours is NUL, 'q', eight bytes of sequence, the body. Others' members are the body alone.

-- The bell goes before the message, so that a waiting consumer never pops the message itself.
local function ring()
  redis.call('ZADD', KEYS[2], 0, 'ring')
end

local function push(body, score)
  ring()
  local sequence = struct.pack('>I8', redis.call('INCR', KEYS[3]))
  redis.call('ZADD', KEYS[1], score, '\0q' .. sequence .. body)
end

local function body_of_member(member)
  if member:sub(1, 2) == '\0q' then return member:sub(11) end
  return member
end

-- Return up to n bodies, and for each what restore() needs to put it back where it was.
local function take(n)
  local bodies, kept = {}, {}
  local popped = redis.call('ZPOPMIN', KEYS[1], n)
  for i = 1, #popped, 2 do
    bodies[#bodies + 1] = body_of_member(popped[i])
    kept[#kept + 1] = popped[i + 1] .. ' ' .. popped[i]
  end
  if redis.call('EXISTS', KEYS[1]) == 1 then ring() else redis.call('DEL', KEYS[2]) end
  return bodies, kept
end

local function restore(kept)
  local blank = kept:find(' ', 1, true)
  ring()
  redis.call('ZADD', KEYS[1], kept:sub(1, blank - 1), kept:sub(blank + 1))
end

local function body_of(kept)
  return body_of_member(kept:sub(kept:find(' ', 1, true) + 1))
end
