-- hand_back: put what a consumer holds back in the queue, the oldest to be delivered first.
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
  if #a[1] ~= #b[1] then return #a[1] < #b[1] end
  return a[1] < b[1]
end

local function hand_back(inflight, limit, visit)
  local held, cursor = {}, '0'
  repeat
    local page = redis.call('HSCAN', inflight, cursor, 'COUNT', limit)
    cursor = page[1]
    for i = 1, #page[2], 2 do held[#held + 1] = {page[2][i], page[2][i + 1]} end
  until cursor == '0' or #held >= limit
  table.sort(held, older)
  for i = #held, 1, -1 do
    restore(held[i][2])
    redis.call('HDEL', inflight, held[i][1])
    visit(body_of(held[i][2]))
  end
  return #held
end
