-- delete_data: delete a value.
-- uses clock, trim, values
-- KEYS  1-3 values
-- ARGV  1 key
-- RETURNS  1 when there was one
local found = has_value(ARGV[1])
delete_value(ARGV[1])
return found and 1 or 0
