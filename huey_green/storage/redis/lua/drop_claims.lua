-- drop_claims: end claims, each if its owner still holds it.
-- uses claims
-- KEYS  1 claims (hash)   2 claim ends (zset)
-- ARGV  key, owner, ...
for i = 1, #ARGV, 2 do drop_claim(KEYS[1], KEYS[2], ARGV[i], ARGV[i + 1]) end
