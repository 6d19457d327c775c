-- requeue_dead: put dead letters back in the ready queue as new messages, without the result of their death.
-- uses clock, order, claims
-- KEYS  1-4 order   5 dead (hash id -> record)   6 dead index (zset id -> time)   7 attempts (hash)
--       8 results (hash)   9 index of values with a time to live (zset)   10 claims (hash)   11 claim ends (zset)
--       then for each id the string of the value of that name
-- ARGV  id ...
-- RETURNS  how many; one whose claim another owner holds, or whose record is spoiled, stays where it is
local now = present('')

-- Take the claim of a letter again; say whether it has it, or none is needed.
local function holds_claim(key, id)
  if type(key) ~= 'string' then return true end
  local owner, ends_at = claim_of(KEYS[10], key)
  if owner and ends_at > now then return false end
  put_claim(KEYS[10], KEYS[11], key, id, math.huge)
  return true
end

local moved = 0
for i, id in ipairs(ARGV) do
  local record = redis.call('HGET', KEYS[5], id)
  local line = record and record:find('\n', 1, true)
  local is_whole, head = pcall(cjson.decode, line and record:sub(1, line - 1))
  if is_whole and type(head) == 'table' and holds_claim(head.claim, id) then
    local body = record:sub(line + 1)
    push(body, type(head.priority) == 'number' and -head.priority or 0)
    redis.call('HDEL', KEYS[7], redis.sha1hex(body))
    redis.call('HDEL', KEYS[5], id)
    redis.call('ZREM', KEYS[6], id)
    redis.call('HDEL', KEYS[8], id)
    redis.call('DEL', KEYS[11 + i])
    redis.call('ZREM', KEYS[9], id)
    moved = moved + 1
  end
end
return moved
