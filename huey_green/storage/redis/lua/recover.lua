-- recover: read again what a fetch leased whose reply was lost; nothing changes.
-- uses order
-- KEYS  1-4 order   5 inflight (hash receipt -> kept)   6 attempts (hash sha1 of body -> history)
-- ARGV  receipt ...
-- RETURNS  for each that is held: receipt, body, history
local found = {}
for _, receipt in ipairs(ARGV) do
  local kept = redis.call('HGET', KEYS[5], receipt)
  if kept then
    local body = body_of(kept)
    local history = redis.call('HGET', KEYS[6], redis.sha1hex(body)) or ''
    found[#found + 1] = {receipt, body, history}
  end
end
return found
