-- promote: move due messages from the schedule to the ready queue, each once.
-- uses clock, order
-- KEYS  1-4 order   5 schedule (zset body -> eta)
-- ARGV  1 now ('': this server's)   2 limit
-- RETURNS  how many
local due = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', present(ARGV[1]), 'LIMIT', 0, ARGV[2])
for _, body in ipairs(due) do
  redis.call('ZREM', KEYS[5], body)
  push(body, 0)
end
return #due
