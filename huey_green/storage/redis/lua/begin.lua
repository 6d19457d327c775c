-- begin: note that deliveries are about to run, of those that are held.
-- KEYS  1 inflight (hash receipt -> kept)   2 begun (set of receipts)
-- ARGV  receipt ...
for _, receipt in ipairs(ARGV) do
  if redis.call('HEXISTS', KEYS[1], receipt) == 1 then redis.call('SADD', KEYS[2], receipt) end
end
