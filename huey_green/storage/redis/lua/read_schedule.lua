-- read_schedule: remove and return all messages due at a moment; huey's own way, without a lease.
-- KEYS  1 schedule (zset body -> eta)
-- ARGV  1 moment (epoch seconds)
-- RETURNS  bodies, the earliest first
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
return due
