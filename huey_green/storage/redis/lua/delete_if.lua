-- delete_if: delete a value if it is exactly this one.
-- uses clock, trim, values
-- KEYS  1-3 values
-- ARGV  1 key   2 value
-- RETURNS  1 when it was
if value_of(ARGV[1]) ~= ARGV[2] then return 0 end
delete_value(ARGV[1])
return 1
