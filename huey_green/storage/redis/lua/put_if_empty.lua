-- put_if_empty: store a value unless there is one, with a time to live or without.
-- uses clock, trim, values
-- KEYS  1-3 values
-- ARGV  1 key   2 value   3 time to live (milliseconds, '' for none)
-- RETURNS  1 when it was stored
if has_value(ARGV[1]) then return 0 end
put_value(ARGV[1], ARGV[2], ARGV[3])
return 1
