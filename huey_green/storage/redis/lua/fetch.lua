-- fetch: lease ready messages to a consumer, and extend all that it holds.
-- uses clock, order, marks
-- KEYS  1-4 order   5 inflight (hash receipt -> kept)   6 attempts (hash sha1 of body -> history)
--       7 consumers (zset name -> end of its leases)   8 revocations (zset key -> end)
-- ARGV  1 consumer   2 lease (seconds)   3 limit   4 receipt prefix   5 first receipt number
-- RETURNS  are there revocations (0|1), bodies, histories (none when no message was ever reclaimed)
local now = present('')
redis.call('ZADD', KEYS[7], now + tonumber(ARGV[2]), ARGV[1])
local bodies, kept = take(tonumber(ARGV[3]))
local first = tonumber(ARGV[5])
local fields = {}
for i = 1, #kept do
  fields[#fields + 1] = ARGV[4] .. string.format('%x', first + i - 1)
  fields[#fields + 1] = kept[i]
  if #fields == 1000 or i == #kept then
    redis.call('HSET', KEYS[5], unpack(fields))
    fields = {}
  end
end
local histories = {}
if #bodies > 0 and redis.call('EXISTS', KEYS[6]) == 1 then
  for i, body in ipairs(bodies) do
    histories[i] = redis.call('HGET', KEYS[6], redis.sha1hex(body)) or ''
  end
end
return {has_marks(KEYS[8], now), bodies, histories}
