-- due: read due messages, so that the caller can tell their priorities; nothing changes.
-- uses clock
-- KEYS  1 schedule (zset body -> eta)
-- ARGV  1 now ('': this server's)   2 limit
-- RETURNS  bodies
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', present(ARGV[1]), 'LIMIT', 0, ARGV[2])
