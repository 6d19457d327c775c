-- promote_as: move these messages to the ready queue, those that are still on the schedule.
-- uses schedule, order
-- KEYS  1-4 order   5 schedule (zset body -> eta)
-- ARGV  score, body, ...
-- RETURNS  how many, and the moment of the earliest one that stays ('': there is none)
local moved = 0
for i = 1, #ARGV, 2 do
  if redis.call('ZREM', KEYS[5], ARGV[i + 1]) == 1 then
    push(ARGV[i + 1], ARGV[i])
    moved = moved + 1
  end
end
return {moved, next_at(KEYS[5])}
