-- count_member: note the value of a member of a chord as huey notes it, and count it, once however often it ran.
-- uses clock, trim, values
-- KEYS  1-3 values   4 counter, and 5 which member made it full: of huey's (a hash with both, or two strings)
-- ARGV  1 key of the value   2 value   3 time to live (milliseconds; '': the counter is in a hash)   4 field of the
--       counter in it   5 field of who made it full   6 position   7 size
-- RETURNS  1 if this member made it full
local count
if not has_value(ARGV[1]) then
  put_value(ARGV[1], ARGV[2], ARGV[3])
  if ARGV[3] == '' then
    count = redis.call('HINCRBY', KEYS[4], ARGV[4], 1)
  else
    count = redis.call('INCR', KEYS[4])
    redis.call('PEXPIRE', KEYS[4], ARGV[3])
  end
  if count >= tonumber(ARGV[7]) then
    if ARGV[3] == '' then
      redis.call('HSET', KEYS[4], ARGV[5], ARGV[6])
    else
      redis.call('SET', KEYS[5], ARGV[6], 'PX', ARGV[3])
    end
  end
end
local by = ARGV[3] == '' and redis.call('HGET', KEYS[4], ARGV[5]) or ARGV[3] ~= '' and redis.call('GET', KEYS[5])
return by == ARGV[6] and 1 or 0
