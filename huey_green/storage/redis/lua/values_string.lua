-- values_string: every value is a string of its own, with a time to live or without.
-- KEYS  1 results (unused)   2 value (string)   3 index of all (zset key -> end, +inf without one)
local function has_value(key)
  return redis.call('EXISTS', KEYS[2]) == 1
end

-- `ttl` is in milliseconds, '' for none.
local function put_value(key, value, ttl)
  local now = present('')
  trim(KEYS[3], now)
  if ttl == '' then
    redis.call('SET', KEYS[2], value)
    redis.call('ZADD', KEYS[3], '+inf', key)
  else
    redis.call('SET', KEYS[2], value, 'PX', ttl)
    redis.call('ZADD', KEYS[3], now + tonumber(ttl) / 1000, key)
  end
end

-- Return the value, false when there is none.
local function value_of(key)
  return redis.call('GET', KEYS[2])
end

local function delete_value(key)
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[3], key)
end
