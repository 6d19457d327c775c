-- hits: count the hits within the window that ends now; nothing changes.
-- uses clock
-- KEYS  1 hits (zset hit -> moment)
-- ARGV  1 window (seconds)   2 now ('': this server's)
-- RETURNS  how many
local since = present(ARGV[2]) - tonumber(ARGV[1])
return redis.call('ZCOUNT', KEYS[1], string.format('(%.17g', since), '+inf')
