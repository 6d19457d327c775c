-- postpone: put a message on the schedule in place of the one that its claim stands for.
-- uses claims
-- KEYS  1 schedule (zset body -> eta)   2 claims (hash)   3 claim ends (zset)
-- ARGV  1 key   2 owner   3 eta   4 body   5 only in place of the owner's own (0|1)
-- RETURNS  nil when it was, else the other owner whose message still waits, '' when there is none to replace
local owner, _, planned = claim_of(KEYS[2], ARGV[1])
local waits = planned and redis.call('ZSCORE', KEYS[1], planned)
if waits and owner ~= ARGV[2] then return owner end
if ARGV[5] == '1' and not waits then return '' end
if waits then redis.call('ZREM', KEYS[1], planned) end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
put_claim(KEYS[2], KEYS[3], ARGV[1], ARGV[2], math.huge, ARGV[4])
return nil
