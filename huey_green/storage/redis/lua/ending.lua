-- ending: settle puts a result that ends by itself into a string, wherever other results are.
-- uses clock, trim, results, named
-- KEYS  20 index of values with a time to live (zset key -> end)
-- ARGV  key, value, time to live (milliseconds), position of its string among the named keys
local stored_at
local function put_ending(i)
  if not stored_at then
    stored_at = present('')
    trim(KEYS[20], stored_at, 1000)
  end
  forget_lasting(ARGV[i])
  redis.call('SET', named(i + 3), ARGV[i + 1], 'PX', ARGV[i + 2])
  redis.call('ZADD', KEYS[20], stored_at + tonumber(ARGV[i + 2]) / 1000, ARGV[i])
  ready[#ready + 1] = ARGV[i]
end
