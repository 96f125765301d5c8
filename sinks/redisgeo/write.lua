-- Writes members of one geo set, and drops silent ones.
--
-- KEYS: the set; its versions, a hash from member to "<topic id>-<partition>-<offset>-<index> <order>"; the
-- milliseconds when each member was last written, a sorted set.
-- ARGV: "<topic id>-<partition>", or "" to keep no versions; the milliseconds after which a silent member is dropped, or
-- "0"; the most members to drop; then for each member: its name, longitude and latitude ("" removes it), and with
-- versions offset, index and order.
-- Returns the number of members dropped.

local set, versions, seen = KEYS[1], KEYS[2], KEYS[3]
local origin, expire, limit = ARGV[1], ARGV[2], ARGV[3]
local first, step = 4, origin == '' and 3 or 6

-- Compares whole numbers as text: those of Lua end at 2^53.
local function greater(a, b)
  local minus = a:byte() == 45
  if minus ~= (b:byte() == 45) then return not minus end
  if #a ~= #b then return (#a > #b) ~= minus end
  return a ~= b and (a > b) ~= minus
end

-- Whether the member at ARGV[i] is newer than what is stored of it. A removed one leaves its version behind, so that
-- an older record doesn't bring it back.
local function newer(stored, i)
  if not stored then return true end
  local from, offset, index, order = stored:match('^(%x+%-%d+)%-(%d+)%-(%d+) (%-?%d+)$')
  if not from then return true end
  if from == origin then
    if offset ~= ARGV[i + 3] then return greater(ARGV[i + 3], offset) end
    return greater(ARGV[i + 4], index)
  end
  if order ~= ARGV[i + 5] then return greater(ARGV[i + 5], order) end
  return origin > from -- any rule will do that gives the same winner in any order of arrival
end

local now = 0
if expire ~= '0' then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local function milliseconds(n) return string.format('%.0f', n) end

local stored = {}
if step == 6 and #ARGV >= first then
  local members = {}
  for i = first, #ARGV, step do members[#members + 1] = ARGV[i] end
  stored = redis.call('HMGET', versions, unpack(members))
end

local put, remove, version, touch = {}, {}, {}, {}
for i = first, #ARGV, step do
  local member, longitude = ARGV[i], ARGV[i + 1]
  if step == 3 or newer(stored[(i - first) / step + 1], i) then
    if longitude == '' then
      remove[#remove + 1] = member
    else
      local n = #put
      put[n + 1], put[n + 2], put[n + 3] = longitude, ARGV[i + 2], member
    end
    if step == 6 then
      local n = #version
      version[n + 1] = member
      version[n + 2] = origin .. '-' .. ARGV[i + 3] .. '-' .. ARGV[i + 4] .. ' ' .. ARGV[i + 5]
    end
    if expire ~= '0' then
      local n = #touch
      touch[n + 1], touch[n + 2] = milliseconds(now), member
    end
  end
end
if #put > 0 then redis.call('GEOADD', set, unpack(put)) end
if #remove > 0 then redis.call('ZREM', set, unpack(remove)) end
if #version > 0 then redis.call('HSET', versions, unpack(version)) end
if expire == '0' then return 0 end

if #touch > 0 then redis.call('ZADD', seen, unpack(touch)) end
local silent = redis.call('ZRANGEBYSCORE', seen, '-inf', milliseconds(now - expire), 'LIMIT', 0, limit)
if #silent > 0 then
  redis.call('ZREM', set, unpack(silent))
  redis.call('HDEL', versions, unpack(silent))
  redis.call('ZREM', seen, unpack(silent))
end
-- Where nothing is written for that long, everything is silent.
if #touch > 0 then
  for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], expire) end
end
return #silent
