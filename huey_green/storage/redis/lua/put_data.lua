-- put_data: store a value in place of the one before, and wake who waits for it.
-- uses clock, trim, values
-- KEYS  1-3 values
-- ARGV  1 key   2 value   3 time to live (milliseconds, '' for none)   4 wake-up channel
put_value(ARGV[1], ARGV[2], ARGV[3])
redis.call('PUBLISH', ARGV[4], '1\n' .. ARGV[1])
