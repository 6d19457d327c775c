-- values_hash: values are in a HASH, those with a time to live in strings of their own.
-- KEYS  1 results (hash)   2 value with a time to live (string)   3 index of those (zset key -> end)
local function has_value(key)
  return redis.call('HEXISTS', KEYS[1], key) == 1 or redis.call('EXISTS', KEYS[2]) == 1
end

-- `ttl` is in milliseconds, '' for none.
local function put_value(key, value, ttl)
  if ttl == '' then
    redis.call('HSET', KEYS[1], key, value)
    redis.call('DEL', KEYS[2])
    redis.call('ZREM', KEYS[3], key)
    return
  end
  local now = present('')
  redis.call('HDEL', KEYS[1], key)
  redis.call('SET', KEYS[2], value, 'PX', ttl)
  trim(KEYS[3], now)
  redis.call('ZADD', KEYS[3], now + tonumber(ttl) / 1000, key)
end

-- Return the value, false when there is none.
local function value_of(key)
  return redis.call('HGET', KEYS[1], key) or redis.call('GET', KEYS[2])
end

local function delete_value(key)
  redis.call('HDEL', KEYS[1], key)
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[3], key)
end
