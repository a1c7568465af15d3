/** The Lua script that every rendered configuration loads from its own folder: `request-body.lua`. @see HAProxy's Lua API, class Filter */
export const requestBodyScript = `-- The filter "lua.request_body RATE GRACE" judges the body of a request. HAProxy answers 400 when this filter raises an error.
--
-- It refuses trailers, because HAProxy has no rule for their names below 3.2. It refuses a body that is slower than RATE bytes per second
-- after GRACE seconds, because HAProxy has only a timeout between two pieces. RATE 0 allows every speed.

-- A piece of this size fills half of HAProxy's buffer.
local full = 8192

local Body = { id = 'request body', flags = filter.FLT_CFG_FL_HTX }

function Body:new()
  return setmetatable({ received = 0, waited = 0, last = full }, { __index = self })
end

function Body:start_analyze(_, channel)
  if not channel:is_resp() then filter.register_data_filter(self, channel) end
end

-- "input()" counts the bytes of trailers and one byte for their end. "body()" has only the data. Trailers arrive with the last piece.
local function has_trailers(message)
  local body = message:body()
  return message:input() > (body and #body or 0) + 1
end

-- With rate 0, the quotient is infinite. The time before a piece counts only when the client caused it. After a large piece,
-- the tenant may have been the slow side.
function Body:is_slow(message)
  local now = core.now()
  local time = now.sec + now.usec / 1000000
  if self.last < full then self.waited = self.waited + time - self.time end
  local size = message:input()
  self.time, self.last, self.received = time, size + message:output(), self.received + size
  return self.waited > self.grace + self.received / self.rate
end

function Body:http_payload(_, message)
  if message:eom() then
    if has_trailers(message) then error('trailers are refused') end
  elseif message:input() > 0 and self:is_slow(message) then
    error('the body is too slow')
  end
end

core.register_filter('request_body', Body, function(class, arguments)
  class.rate, class.grace = tonumber(arguments[1]), tonumber(arguments[2])
  return class
end)
`
