-- marks: are there revocation marks (zset key -> end) that have not ended? 1 or 0.
local function has_marks(marks, given)
  if redis.call('EXISTS', marks) == 0 then return 0 end
  local latest = redis.call('ZRANGE', marks, -1, -1, 'WITHSCORES')
  if tonumber(latest[2]) > present(given) then return 1 end
  redis.call('UNLINK', marks)
  return 0
end
