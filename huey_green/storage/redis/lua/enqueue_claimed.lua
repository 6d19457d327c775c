-- enqueue_claimed: enqueue a message, or put it on the schedule, if it gets its claim.
-- uses clock, order, trim, claims
-- KEYS  1-4 order   5 schedule (zset body -> eta)   6 claims (hash)   7 claim ends (zset)
-- ARGV  1 key   2 owner   3 time to live (seconds, '' for none)   4 eta ('' for now)   5 score   6 body
-- RETURNS  nil when it got it, else who holds it
local now = present('')
local owner, ends_at = claim_of(KEYS[6], ARGV[1])
if owner and ends_at > now then return owner end
local ended = trim(KEYS[7], now)
if #ended > 0 then redis.call('HDEL', KEYS[6], unpack(ended)) end
put_claim(KEYS[6], KEYS[7], ARGV[1], ARGV[2], ARGV[3] == '' and math.huge or now + tonumber(ARGV[3]))
if ARGV[4] == '' then
  push(ARGV[6], ARGV[5])
else
  redis.call('ZADD', KEYS[5], ARGV[4], ARGV[6])
end
return nil
