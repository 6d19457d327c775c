-- order_zset: the ready queue is a ZSET, scored by minus the priority, in order of arrival within one score.
-- uses bounded, member
-- KEYS  1 queue (zset)   2 bell (zset; a token wakes one waiting consumer)   3 sequence (member)   4 landing (unused)

-- The bell goes before the message, so that a waiting consumer never pops the message itself.
local function ring()
  redis.call('ZADD', KEYS[2], 0, 'ring')
end

local function push(body, score)
  ring()
  redis.call('ZADD', KEYS[1], score, member_of(body))
end

-- Return up to n bodies (see bounded), and for each what restore() needs to put it back in its place.
local function take(n)
  local bodies, kept = {}, {}
  take_bounded(n, function(count)
    local popped = redis.call('ZPOPMIN', KEYS[1], count)
    for i = 1, #popped, 2 do
      bodies[#bodies + 1] = body_of_member(popped[i])
      kept[#kept + 1] = popped[i + 1] .. ' ' .. popped[i]
    end
    return popped, 2
  end)
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
