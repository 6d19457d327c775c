-- pop_data: remove and return a value.
-- uses clock, trim, values
-- KEYS  1-3 values
-- ARGV  1 key
-- RETURNS  the value, nil when there is none
local value = value_of(ARGV[1])
delete_value(ARGV[1])
return value
