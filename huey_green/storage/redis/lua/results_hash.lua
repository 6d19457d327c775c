-- results_hash: settle puts results into a HASH.
-- KEYS  8 results (hash)
-- ARGV  key, value
-- What has been put is in `ready`, to be announced.
local ready = {}
local RESULT_WIDTH = 2

-- Make room for a result that ends: it is kept elsewhere.
local function forget_lasting(key)
  redis.call('HDEL', KEYS[8], key)
end

local function put_result(i)
  redis.call('HSET', KEYS[8], ARGV[i], ARGV[i + 1])
  ready[#ready + 1] = ARGV[i]
end
