-- Makes the interpreter a safe place before the first script: what all scripts share cannot be
-- changed by any of them, and errors look as they do in the reference.
--
-- Lua 5.1 has no read-only tables. So a shared table is hidden behind an empty one that reads
-- through to it and refuses writes; `hidden` knows what is behind which. The functions that look
-- at tables without asking their metatables are taught about it. Nothing here uses a global
-- variable, since scripts can set the environments of functions.
local native, globals, environment = ...

local error, getmetatable, next, rawget, rawset = error, getmetatable, next, rawget, rawset
local rawequal, setmetatable, tostring, type = rawequal, setmetatable, tostring, type
local pcall, select, setfenv, tonumber, xpcall = pcall, select, setfenv, tonumber, xpcall
local resume = coroutine.resume
local insert, remove, sort, concat = table.insert, table.remove, table.sort, table.concat
local find, gmatch, gsub, match = string.find, string.gmatch, string.gsub, string.match
local unpack, collectgarbage = unpack, collectgarbage

-- What is defined from here on has the environment that scripts have.
setfenv(1, environment)

local hidden = {}
local sealed_metatable = {}

local READONLY = 'Attempt to modify a readonly table'
local UNPACKED_MAX, PATTERN_ITEMS_MAX, INTEGER_END = 8000, 1000, 2 ^ 31 - 1

local function refuse()
    error(READONLY, 2)
end

local function hide(real, front)
    front = front or {}
    hidden[front] = real
    return setmetatable(front, {
        __index = real,
        __newindex = refuse,
        __metatable = sealed_metatable,
    })
end

-- What scripts call is framed, so that a call by `return` does not lose their line: seen from a
-- function that is, the script is at the third level. What scripts call within each other is not,
-- since the interpreter nests no more than 200 frames that are not Lua's.
local framed = native.framed

-- An error about an argument of the function that calls this.
local function bad(at, where, why)
    error('bad argument #' .. at .. " to '" .. where .. "' (" .. why .. ')', 4)
end

local function bad_type(at, where, wanted, given, value)
    local got = at > given and 'no value' or type(value)
    error('bad argument #' .. at .. " to '" .. where .. "' (" .. wanted .. ' expected, got ' ..
        got .. ')', 4)
end

-- ---- What looks at tables ----

local function shared_pairs(t)
    if type(t) ~= 'table' then bad_type(1, 'pairs', 'table', 1, t) end
    local real = hidden[t]
    if real then
        return function(_, key) return next(real, key) end, t, nil
    end
    return next, t, nil
end

local function shared_next(t, key)
    if type(t) ~= 'table' then bad_type(1, 'next', 'table', 1, t) end
    return next(hidden[t] or t, key)
end

local function shared_rawget(...)
    local t, key = ...
    local given = select('#', ...)
    if type(t) ~= 'table' then bad_type(1, 'rawget', 'table', given, t) end
    if given < 2 then bad(2, 'rawget', 'value expected') end
    return rawget(hidden[t] or t, key)
end

local function shared_rawset(...)
    local t, key, value = ...
    local given = select('#', ...)
    if type(t) ~= 'table' then bad_type(1, 'rawset', 'table', given, t) end
    if given < 3 then bad(given + 1, 'rawset', 'value expected') end
    if hidden[t] then error(READONLY, 0) end
    return rawset(t, key, value)
end

local function shared_setmetatable(...)
    local t, metatable = ...
    local given = select('#', ...)
    if type(t) ~= 'table' then bad_type(1, 'setmetatable', 'table', given, t) end
    if given < 2 or metatable ~= nil and type(metatable) ~= 'table' then
        bad(2, 'setmetatable', 'nil or table expected')
    end
    if hidden[t] then error(READONLY, 0) end
    return setmetatable(t, metatable)
end

local function shared_setfenv(...)
    local of, env = ...
    local given = select('#', ...)
    if type(env) ~= 'table' then bad_type(2, 'setfenv', 'table', given, env) end
    if type(of) == 'function' then
        local ok, result = pcall(setfenv, of, env)
        if not ok then error("'setfenv' cannot change environment of given object", 3) end
        return result
    end
    local level = tonumber(of)
    if not level then bad_type(1, 'setfenv', 'number', given, of) end
    if level >= 0 and level < 1 then error(READONLY, 0) end
    return setfenv(level + 2, env)
end

-- These write without asking a metatable. What the language's own functions would refuse is
-- refused here, so that the error tells the line of the script.
local function shared_insert(...)
    local t, at = ...
    local given = select('#', ...)
    if type(t) ~= 'table' then bad_type(1, 'insert', 'table', given, t) end
    if hidden[t] then error(READONLY, 0) end
    if given == 2 then return insert(t, at) end
    if given ~= 3 then error("wrong number of arguments to 'insert'", 3) end
    if not tonumber(at) then bad_type(2, 'insert', 'number', given, at) end
    return insert(...)
end

local function shared_remove(...)
    local t, at = ...
    local given = select('#', ...)
    if type(t) ~= 'table' then bad_type(1, 'remove', 'table', given, t) end
    if hidden[t] then error(READONLY, 0) end
    if at == nil then return remove(t) end
    if not tonumber(at) then bad_type(2, 'remove', 'number', given, at) end
    return remove(t, at)
end

local function shared_sort(...)
    local t, less = ...
    local given = select('#', ...)
    if type(t) ~= 'table' then bad_type(1, 'sort', 'table', given, t) end
    if hidden[t] then error(READONLY, 0) end
    if less ~= nil and type(less) ~= 'function' then
        bad_type(2, 'sort', 'function', given, less)
    end
    return sort(t, less)
end

-- ---- What would overrun a stack ----

-- The language's own counts in 32 bits and takes an overflow for a small number.
local function shared_unpack(...)
    local t, first, last = ...
    local given = select('#', ...)
    if type(t) ~= 'table' then bad_type(1, 'unpack', 'table', given, t) end
    if first ~= nil or last ~= nil then
        local from, to = first == nil and 1 or tonumber(first), last == nil and #t or tonumber(last)
        if not from then bad_type(2, 'unpack', 'number', given, first) end
        if not to then bad_type(3, 'unpack', 'number', given, last) end
        if from > to then return end
        -- No number at all is neither less nor more.
        if not (to - from < UNPACKED_MAX and from > -INTEGER_END and to < INTEGER_END) then
            error('too many results to unpack', 3)
        end
    end
    return unpack(...)
end

-- A matcher calls itself for each of these, so a pattern cannot have any number of them.
local function check_pattern(p)
    local _, count = gsub(p, '[%?%*%+%-%(%)%%]', '')
    if count > PATTERN_ITEMS_MAX then
        error('pattern too complex', 4)
    end
end

local function is_text(value)
    return type(value) == 'string' or type(value) == 'number'
end

-- Both texts are there.
local function check_texts(where, given, s, p)
    if not is_text(s) then
        local got = given < 1 and 'no value' or type(s)
        error("bad argument #1 to '" .. where .. "' (string expected, got " .. got .. ')', 4)
    end
    if not is_text(p) then
        local got = given < 2 and 'no value' or type(p)
        error("bad argument #2 to '" .. where .. "' (string expected, got " .. got .. ')', 4)
    end
end

local function shared_find(s, p, ...)
    if type(s) ~= 'string' or type(p) ~= 'string' then
        check_texts('find', p == nil and (s == nil and 0 or 1) or 2, s, p)
    elseif #p > PATTERN_ITEMS_MAX then
        check_pattern(p)
    end
    return find(s, p, ...)
end

local function shared_gmatch(s, p, ...)
    if type(s) ~= 'string' or type(p) ~= 'string' then
        check_texts('gmatch', p == nil and (s == nil and 0 or 1) or 2, s, p)
    elseif #p > PATTERN_ITEMS_MAX then
        check_pattern(p)
    end
    return gmatch(s, p, ...)
end

local function shared_gsub(s, p, ...)
    if type(s) ~= 'string' or type(p) ~= 'string' then
        check_texts('gsub', p == nil and (s == nil and 0 or 1) or 2, s, p)
    elseif #p > PATTERN_ITEMS_MAX then
        check_pattern(p)
    end
    return gsub(s, p, ...)
end

local function shared_match(s, p, ...)
    if type(s) ~= 'string' or type(p) ~= 'string' then
        check_texts('match', p == nil and (s == nil and 0 or 1) or 2, s, p)
    elseif #p > PATTERN_ITEMS_MAX then
        check_pattern(p)
    end
    return match(s, p, ...)
end

-- ---- What lasts longer than a script ----

-- When garbage is collected is no matter of a script's.
local function shared_collectgarbage(what, argument)
    if what == 'stop' or what == 'restart' then return 0 end
    if what == 'setpause' or what == 'setstepmul' then return 200 end
    return collectgarbage(what, argument)
end

-- ---- What sees errors ----

-- Errors of our own functions travel as values of the interpreter's host.
local function shown(e)
    if type(e) == 'userdata' then return native.error_table(e) end
    return e
end

local function settle(ok, ...)
    if ok then return true, ... end
    local e = shown((...))
    if type(e) == 'table' then
        local text = e.err
        if type(text) == 'string' then return false, text end
    end
    return false, e
end

local function shared_pcall(...)
    if select('#', ...) == 0 then error("bad argument #1 to 'pcall' (value expected)", 2) end
    return settle(pcall(...))
end

local function shared_xpcall(...)
    if select('#', ...) < 2 then error("bad argument #2 to 'xpcall' (value expected)", 2) end
    local f, handler = ...
    return xpcall(f, function(e)
        -- Nothing could stop a handler that is called while a script is being stopped.
        if native.is_stopped() then return shown(e) end
        return handler(shown(e))
    end)
end

local function settle_resume(ok, ...)
    if ok then return true, ... end
    return false, shown((...))
end

local function shared_resume(...)
    if type((...)) ~= 'thread' then
        error("bad argument #1 to 'resume' (coroutine expected)", 2)
    end
    return settle_resume(resume(...))
end

-- ---- Chunks are text ----

local load_text = native.load

local function shared_loadstring(...)
    local text, name = ...
    local given = select('#', ...)
    if not is_text(text) then bad_type(1, 'loadstring', 'string', given, text) end
    if name ~= nil and not is_text(name) then bad_type(2, 'loadstring', 'string', given, name) end
    return load_text(text, name or text)
end

local function gather(read)
    local pieces, n = {}, 0
    while true do
        local piece = read()
        if piece == nil or piece == '' then return concat(pieces) end
        if not is_text(piece) then error('reader function must return a string', 0) end
        n = n + 1
        pieces[n] = piece
    end
end

local function shared_load(...)
    local read, name = ...
    local given = select('#', ...)
    if name ~= nil and not is_text(name) then bad_type(2, 'load', 'string', given, name) end
    if type(read) ~= 'function' then bad_type(1, 'load', 'function', given, read) end
    local ok, text = settle(pcall(gather, read))
    if not ok then return nil, text end
    return load_text(text, name or '=(load)')
end

-- ---- The globals ----

local function missing(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

hide({}, sealed_metatable)
getmetatable('').__metatable = sealed_metatable

globals.coroutine.resume = shared_resume
globals.table.insert, globals.table.remove = framed(shared_insert), framed(shared_remove)
globals.table.sort = framed(shared_sort)
globals.string.find, globals.string.gmatch = framed(shared_find), framed(shared_gmatch)
globals.string.gsub, globals.string.match = framed(shared_gsub), framed(shared_match)
if globals.string.gfind then globals.string.gfind = globals.string.gmatch end
for name, value in next, globals do
    if type(value) == 'table' and not rawequal(value, globals) then
        globals[name] = hide(value)
    end
end
globals._G = environment
globals.unpack, globals.collectgarbage = framed(shared_unpack), framed(shared_collectgarbage)
globals.pairs, globals.next = framed(shared_pairs), framed(shared_next)
globals.rawget, globals.rawset = framed(shared_rawget), framed(shared_rawset)
globals.setmetatable, globals.setfenv = framed(shared_setmetatable), framed(shared_setfenv)
globals.pcall, globals.xpcall = shared_pcall, shared_xpcall
globals.load, globals.loadstring = framed(shared_load), framed(shared_loadstring)

setmetatable(globals, { __index = missing })
hide(globals, environment)

-- ---- For those who load code here ----

-- What the code of a library finds in place of the globals while it is loaded.
local function library(redis)
    local front = hide(setmetatable(redis, { __index = missing }))
    return setmetatable({ redis = front }, { __index = missing })
end

return library
