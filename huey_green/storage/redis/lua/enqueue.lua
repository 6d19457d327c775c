-- enqueue: add messages to the ready queue, in order.
-- uses order
-- KEYS  1-4 order
-- ARGV  score, body, ...
-- RETURNS  how many
for i = 1, #ARGV, 2 do push(ARGV[i + 1], ARGV[i]) end
return #ARGV / 2
