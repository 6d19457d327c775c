-- due: read due messages, so that the caller can tell their priorities; nothing changes.
-- uses schedule
-- KEYS  1 schedule (zset body -> eta)
-- ARGV  1 now ('': this server's)   2 limit
-- RETURNS  bodies, and the moment of the earliest message ('': there is none)
return {look(KEYS[1], ARGV[1], ARGV[2])}
