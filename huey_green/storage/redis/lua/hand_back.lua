-- hand_back: put what a consumer holds back in the queue, the oldest in front, as it was before.
-- KEYS  1-4 order   from `first_key` on: permits (hash), permit counts (hash), parked (zset)
-- Return how many messages were moved: up to `limit`, and 0 only when nothing is left.
local function landed(limit, visit)
  local moved = 0
  while moved < limit do
    local body = redis.call('RPOP', KEYS[4])
    if not body then break end
    visit(body)
    moved = moved + 1
  end
  return moved
end

-- Hexadecimal receipts of one consumer grow: the longer is the later.
local function older(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

-- The latest go back first, so that those before them end up in front. A consumer holds no more
-- than its workers, so that reading all its receipts is bounded.
local function hand_back(inflight, limit, visit, first_key)
  local receipts = redis.call('HKEYS', inflight)
  table.sort(receipts, older)
  local first = math.max(1, #receipts - limit + 1)
  end_permits(KEYS[first_key], KEYS[first_key + 1], KEYS[first_key + 2], receipts, first)
  for i = #receipts, first, -1 do
    local kept = redis.call('HGET', inflight, receipts[i])
    restore(kept)
    redis.call('HDEL', inflight, receipts[i])
    visit(body_of(kept), receipts[i])
  end
  return #receipts - first + 1
end
