-- order_list: the ready queue is a LIST, first in, first out; priorities are not kept.
-- uses bounded
-- KEYS  1 queue (list)   2 bell (unused)   3 sequence (unused)   4 landing (list; what BLMOVE left)
local function push(body, score)
  redis.call('LPUSH', KEYS[1], body)
end

-- Return up to n bodies (see bounded), and for each what restore() needs to put it back in its place.
local function take(n)
  local bodies = {}
  for _, key in ipairs({KEYS[4], KEYS[1]}) do
    take_bounded(n - #bodies, function(count)
      local popped = redis.call('RPOP', key, count) or {}
      for i = 1, #popped do
        bodies[#bodies + 1] = popped[i]
      end
      return popped, 1
    end)
  end
  return bodies, bodies
end

local function restore(kept)
  redis.call('RPUSH', KEYS[1], kept)
end

local function body_of(kept)
  return kept
end
