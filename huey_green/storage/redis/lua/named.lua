-- named: keys that only some effects have. They follow the fixed ones, which are as many as ARGV[2] says.
local function named(i)
  return KEYS[ARGV[2] + ARGV[i]]
end
