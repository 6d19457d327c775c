-- settling: end leases, each together with all its effects; a lease no longer held changes nothing.
-- KEYS  1-4 order   5 inflight (hash)   6 attempts (hash)   7 schedule (zset body -> eta)
--       8 results   9 dead (hash id -> record)   10 dead index (zset id -> time)   11 begun (set of receipts)
--       12 permits (hash)   13 permit counts (hash)
local widths = {r = RESULT_WIDTH, q = 2, s = 2, d = 3, a = 2}
local effects = {
  r = put_result,
  q = function(i) push(ARGV[i + 1], ARGV[i]) end,
  s = function(i) redis.call('ZADD', KEYS[7], ARGV[i], ARGV[i + 1]) end,
  d = function(i)
    redis.call('HSET', KEYS[9], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[10], ARGV[i + 2], ARGV[i])
  end,
  a = function(i)
    redis.call('HDEL', KEYS[6], ARGV[i])
    redis.call('SREM', KEYS[11], ARGV[i + 1])
  end,
}

local function settle_all()
  local limited = redis.call('EXISTS', KEYS[12]) == 1
  local refused, position, i = {}, 0, 3
  while i < #ARGV do
    local receipt, names = ARGV[i], ARGV[i + 1]
    local held = receipt == '' or redis.call('HDEL', KEYS[5], receipt) == 1
    if not held then refused[#refused + 1] = position end
    if held and limited then end_permit(KEYS[12], KEYS[13], receipt) end
    i = i + 2
    for at = 1, #names do
      local name = names:sub(at, at)
      if held then effects[name](i) end
      i = i + widths[name]
    end
    position = position + 1
  end
  if #ready > 0 then redis.call('PUBLISH', ARGV[1], #ready .. '\n' .. table.concat(ready, '\n')) end
  return refused
end
