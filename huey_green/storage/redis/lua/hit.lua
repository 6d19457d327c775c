-- hit: count a hit if fewer than the limit were counted within the window that ends now.
-- uses clock, trim
-- KEYS  1 hits (zset hit -> moment)   2 windows (zset key -> when it may be forgotten)   3 sequence (counter)
-- ARGV  1 key   2 limit   3 window (seconds)   4 now ('': this server's)
-- RETURNS  '0' when it was counted, else the seconds until there is room
local server_now = present('')
local now = ARGV[4] == '' and server_now or tonumber(ARGV[4])
local limit, per = tonumber(ARGV[2]), tonumber(ARGV[3])
local left = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - per, 'LIMIT', 0, 1000)
if #left > 0 then redis.call('ZREM', KEYS[1], unpack(left)) end
if redis.call('ZCOUNT', KEYS[1], string.format('(%.17g', now - per), '+inf') >= limit then
  local blocking = redis.call('ZRANGE', KEYS[1], -limit, -limit, 'WITHSCORES')[2]
  local wait = tonumber(blocking or now) + per - now
  -- The difference above was rounded: what the sum says to have left has left.
  if wait > 0 then return string.format('%.17g', wait) end
end
redis.call('ZADD', KEYS[1], now, struct.pack('>I8', redis.call('INCR', KEYS[3])))
-- A minute longer than the window: a test's own clock may be slower than the server's.
local kept = per + 60
redis.call('PEXPIRE', KEYS[1], math.ceil(kept * 1000))
trim(KEYS[2], server_now)
redis.call('ZADD', KEYS[2], server_now + kept, ARGV[1])
return '0'
