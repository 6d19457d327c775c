-- requeue_dead: put dead letters back in the ready queue as new messages.
-- uses order
-- KEYS  1-4 order   5 dead (hash id -> record)   6 dead index (zset id -> time)   7 attempts (hash)
-- ARGV  id ...
-- RETURNS  how many
local moved = 0
for _, id in ipairs(ARGV) do
  local record = redis.call('HGET', KEYS[5], id)
  if record then
    local line = record:find('\n', 1, true)
    local priority = cjson.decode(record:sub(1, line - 1)).priority
    local body = record:sub(line + 1)
    push(body, type(priority) == 'number' and -priority or 0)
    redis.call('HDEL', KEYS[7], redis.sha1hex(body))
    redis.call('HDEL', KEYS[5], id)
    redis.call('ZREM', KEYS[6], id)
    moved = moved + 1
  end
end
return moved
