-- settle: end leases, each together with all its effects; a lease no longer held changes nothing.
-- uses order
-- KEYS  1-4 order   5 inflight (hash)   6 attempts (hash)   7 schedule (zset body -> eta)
--       8 results (hash)   9 dead (hash id -> record)   10 dead index (zset id -> time)
--       11 begun (set of receipts)
-- ARGV  1 wake-up channel, then for each settlement: receipt ('' for none), effects, their arguments:
--       r key value (result)   q score body (enqueue)   s eta body (schedule)
--       d id record time (dead letter)   a sha1 receipt (forget the history)
-- RETURNS  the positions, from 0, of the settlements that were refused
local widths = {r = 2, q = 2, s = 2, d = 3, a = 2}
local ready = {}
local effects = {
  r = function(i)
    redis.call('HSET', KEYS[8], ARGV[i], ARGV[i + 1])
    ready[#ready + 1] = ARGV[i]
  end,
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
local refused, position, i = {}, 0, 2
while i < #ARGV do
  local held = ARGV[i] == '' or redis.call('HDEL', KEYS[5], ARGV[i]) == 1
  if not held then refused[#refused + 1] = position end
  local names = ARGV[i + 1]
  i = i + 2
  for name in names:gmatch('.') do
    if held then effects[name](i) end
    i = i + widths[name]
  end
  position = position + 1
end
if #ready > 0 then redis.call('PUBLISH', ARGV[1], table.concat(ready, '\n')) end
return refused
