-- promote: move due messages from the schedule to the ready queue, each once.
-- uses schedule, order
-- KEYS  1-4 order   5 schedule (zset body -> eta)
-- ARGV  1 now ('': this server's)   2 limit
-- RETURNS  how many, and the moment of the earliest one that stays ('': there is none)
local due, at = look(KEYS[5], ARGV[1], ARGV[2])
if #due == 0 then return {0, at} end
for _, body in ipairs(due) do
  redis.call('ZREM', KEYS[5], body)
  push(body, 0)
end
return {#due, next_at(KEYS[5])}
