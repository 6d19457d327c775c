-- clock: the present, by this server; a test may give its own.
local function present(given)
  if given ~= '' then return tonumber(given) end
  local parts = redis.call('TIME')
  return tonumber(parts[1]) + tonumber(parts[2]) / 1000000
end
