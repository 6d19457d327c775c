-- enqueue_once: add a message unless its key was used within the time to live.
-- uses order
-- KEYS  1-4 order   5 key (string, expires)
-- ARGV  1 time to live (milliseconds)   2 score   3 body
-- RETURNS  1 when it was added
if not redis.call('SET', KEYS[5], '1', 'NX', 'PX', ARGV[1]) then return 0 end
push(ARGV[3], ARGV[2])
return 1
