-- results_string: settle puts each result into a string with a time to live.
-- uses clock, trim, named
-- KEYS  8 index of all values (zset key -> end)
-- ARGV  key, value, time to live (milliseconds), position of its string among the named keys
-- What has been put is in `ready`, to be announced.
local ready = {}
local RESULT_WIDTH = 4
local moment
local function put_result(i)
  if not moment then
    moment = present('')
    trim(KEYS[8], moment, 1000)
  end
  redis.call('SET', named(i + 3), ARGV[i + 1], 'PX', ARGV[i + 2])
  redis.call('ZADD', KEYS[8], moment + tonumber(ARGV[i + 2]) / 1000, ARGV[i])
  ready[#ready + 1] = ARGV[i]
end
