-- claims: one owner at a time holds a key.
-- A record is its end (double), the length of the owner (4 bytes), the owner, and 'b' with the message that
-- postpone put on the schedule, if it was that. Names: claims (hash key -> record), ends (zset key -> end).

-- Return owner, end and postponed message; nil without a claim.
local function claim_of(claims, key)
  local record = redis.call('HGET', claims, key)
  if not record then return nil end
  local ends_at, length = struct.unpack('>dI4', record)
  local planned = record:sub(13 + length)
  return record:sub(13, 12 + length), ends_at, planned ~= '' and planned:sub(2) or nil
end

local function put_claim(claims, ends, key, owner, ends_at, planned)
  local tail = planned and 'b' .. planned or ''
  redis.call('HSET', claims, key, struct.pack('>dI4', ends_at, #owner) .. owner .. tail)
  if ends_at == math.huge then
    redis.call('ZREM', ends, key)
  else
    redis.call('ZADD', ends, ends_at, key)
  end
end

local function drop_claim(claims, ends, key, owner)
  if claim_of(claims, key) ~= owner then return end
  redis.call('HDEL', claims, key)
  redis.call('ZREM', ends, key)
end
