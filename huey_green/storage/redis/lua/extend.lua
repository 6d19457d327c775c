-- extend: push back the end of all leases of a consumer; the heartbeat.
-- uses clock
-- KEYS  1 consumers (zset name -> end of its leases)
-- ARGV  1 consumer   2 lease (seconds)
-- RETURNS  1 when the consumer was not known (any more)
return redis.call('ZADD', KEYS[1], present('') + tonumber(ARGV[2]), ARGV[1])
