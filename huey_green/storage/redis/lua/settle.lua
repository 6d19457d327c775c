-- settle: end leases, each together with all its effects; a lease no longer held changes nothing.
-- uses order, results, permits, settling
-- KEYS  1-13 settling   then the named ones
-- ARGV  1 wake-up channel   2 number of keys before the named ones
--       then for each settlement: receipt ('' for none), effects, their arguments:
--       r result   q score body (enqueue)   s eta body (schedule)   d id record time (dead letter)
--       a sha1 receipt (forget the history)
-- RETURNS  the positions, from 0, of the settlements that were refused
return settle_all()
