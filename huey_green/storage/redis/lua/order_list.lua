-- order_list: the ready queue is a LIST, first in, first out; priorities are not kept.
-- KEYS  1 queue (list)   2 bell (unused)   3 sequence (unused)   4 landing (list; what BLMOVE left)
local function push(body, score)
  redis.call('LPUSH', KEYS[1], body)
end

-- Return up to n bodies, and for each what restore() needs to put it back where it was.
local function take(n)
  local bodies = redis.call('RPOP', KEYS[4], n) or {}
  if #bodies < n then
    for _, body in ipairs(redis.call('RPOP', KEYS[1], n - #bodies) or {}) do
      bodies[#bodies + 1] = body
    end
  end
  return bodies, bodies
end

local function restore(kept)
  redis.call('RPUSH', KEYS[1], kept)
end

local function body_of(kept)
  return kept
end
