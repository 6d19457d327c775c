-- results_string: settle puts each result into a string with a time to live, the same for all.
-- uses clock, trim, named
-- KEYS  8 index of all values (zset key -> end)
-- ARGV  key, value, time to live (milliseconds), position of its string among the named keys
-- What has been put is in `ready`, to be announced.
local ready = {}
local RESULT_WIDTH = 4

-- Make room for a result that ends at a moment of its own: it is kept in the same place.
local function forget_lasting() end

local ends_at
local function put_result(i)
  if not ends_at then
    local now = present('')
    trim(KEYS[8], now, 1000)
    -- A string, so that it is written out once and not for each result.
    ends_at = string.format('%.17g', now + tonumber(ARGV[i + 2]) / 1000)
  end
  redis.call('SET', named(i + 3), ARGV[i + 1], 'PX', ARGV[i + 2])
  redis.call('ZADD', KEYS[8], ends_at, ARGV[i])
  ready[#ready + 1] = ARGV[i]
end
