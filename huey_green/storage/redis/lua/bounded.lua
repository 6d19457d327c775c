-- bounded: messages are taken some at a time, until they are so many or so large. Sixteen small
-- ones cost no more than all at once; after large ones they are taken one by one, so that neither this
-- server nor a consumer has hundreds of them in its memory before anybody has looked at their size.
local MOST_BYTES, AT_ONCE, LARGE = 16777216, 16, 1048576

-- Call some(count) until there are no more; it returns what it took, and how many values each of
-- those has there, of which the first is the message.
local function take_bounded(n, some)
  local size, asked = 0, 1
  while n > 0 and size < MOST_BYTES do
    asked = math.min(asked, n)
    local taken, width = some(asked)
    local bytes = 0
    for i = 1, #taken, width do bytes = bytes + #taken[i] end
    if #taken < asked * width then return end
    n = n - asked
    size = size + bytes
    asked = bytes > LARGE and 1 or AT_ONCE
  end
end
